"""The QR code: small enough a path, and exactly the text that went in."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fwknop_webui.qr import MAX_BYTES, PIXELS_PER_MODULE, QUIET_ZONE, QrTooLong, draw

PAYLOAD = "KEY_BASE64:" + "A" * 43 + "= HMAC_KEY_BASE64:" + "B" * 86 + "=="
RUN = re.compile(r"M(\d+) (\d+)h(\d+)v1h-(\d+)z")


def modules(path: str) -> set[tuple[int, int]]:
    found = set()
    for x, y, width, back in RUN.findall(path):
        assert width == back
        found |= {(int(x) + offset, int(y)) for offset in range(int(width))}
    assert "".join(match.group() for match in RUN.finditer(path)) == path
    return found


def image(path: str, size: int, file: Path, scale: int = 4) -> Path:
    dark = modules(path)
    rows = [
        bytes(0 if (x // scale, y // scale) in dark else 255 for x in range(size * scale))
        for y in range(size * scale)
    ]
    file.write_bytes(b"P5 %d %d 255\n" % (size * scale, size * scale) + b"".join(rows))
    return file


def test_usual_keys_make_a_version_9_code_of_few_bytes() -> None:
    picture = draw(PAYLOAD)
    assert picture.size == 53 + 2 * QUIET_ZONE
    assert picture.pixels >= 4 * picture.size
    assert PIXELS_PER_MODULE >= 4
    assert len(picture.path) < 16_000


def test_quiet_zone_is_white() -> None:
    picture = draw(PAYLOAD)
    last = picture.size - QUIET_ZONE - 1
    for x, y in modules(picture.path):
        assert QUIET_ZONE <= x <= last
        assert QUIET_ZONE <= y <= last


@pytest.mark.parametrize("payload", [PAYLOAD, "KEY:pass phrase: x", "KEY:" + "x" * 400])
def test_scanner_reads_what_went_in(payload: str, tmp_path: Path) -> None:
    picture = draw(payload)
    file = image(picture.path, picture.size, tmp_path / "code.pgm")
    done = subprocess.run(
        ["zbarimg", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", str(file)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.removesuffix("\n") == payload


@settings(max_examples=20)
@given(st.text(min_size=1, max_size=200))
def test_any_text_makes_a_square_code(text: str) -> None:
    picture = draw(text.encode("utf-8", "replace").decode())
    assert (picture.size - 2 * QUIET_ZONE - 17) % 4 == 0
    assert modules(picture.path)


def test_too_much_text_is_refused() -> None:
    assert draw("x" * MAX_BYTES).size == 177 + 2 * QUIET_ZONE
    with pytest.raises(QrTooLong):
        draw("x" * (MAX_BYTES + 1))


def test_drawing_loads_no_picture_library() -> None:
    code = (
        "import sys; from fwknop_webui.qr import draw; assert 'qrcode' not in sys.modules;"
        "draw('KEY:x'); assert 'PIL' not in sys.modules, 'Pillow was loaded'"
    )
    environment = {"PYTHONPATH": ":".join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_payload_is_not_in_the_repr() -> None:
    picture = draw(PAYLOAD)
    assert picture.path not in repr(picture)
