"""fwknopctl keygen and qr."""

from __future__ import annotations

import json
import re
import stat
import sys
from base64 import b64decode
from hashlib import sha256
from pathlib import Path

import pytest

from fwknopd.ctl import main
from fwknopd.ctl.keygen import QUIET_ZONE, svg, terminal
from fwknopd.ctl.output import ago, clean, duration, moment, table
from tests.unit.test_ctl_knock import HMAC_KEY_BASE64, KEY_BASE64, UCI

Capsys = pytest.CaptureFixture[str]
PAYLOAD = f"KEY_BASE64:{KEY_BASE64} HMAC_KEY_BASE64:{HMAC_KEY_BASE64}"
MATRIX = [[True, False, True], [False, True, False], [True, True, False]]


@pytest.fixture
def uci(tmp_path: Path) -> Path:
    path = tmp_path / "fwknopd"
    path.touch(mode=0o600)
    path.write_text(UCI)
    return path


@pytest.mark.parametrize(("kind", "length"), [("sha256", 64), ("MD5", 16), ("sha512", 128)])
def test_keygen_prints_the_two_lines_of_the_daemon(capsys: Capsys, kind: str, length: int) -> None:
    assert main(["keygen", "--hmac-digest-type", kind]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert len(b64decode(first.removeprefix("KEY_BASE64: "), validate=True)) == 32
    assert len(b64decode(second.removeprefix("HMAC_KEY_BASE64: "), validate=True)) == length


def test_a_token_for_metrics_comes_with_what_to_configure(capsys: Capsys) -> None:
    seen = set()
    for arguments in (["--new-token"], ["--json", "--new-token"]):
        assert main(["metrics", *arguments]) == 0
        printed = capsys.readouterr().out
        token, digest = re.findall(r"[\w-]{43,}(?!\w)", printed)
        assert sha256(token.encode()).hexdigest() == digest
        seen.add(token)
    assert len(seen) == 2


def test_keygen_as_json_and_never_twice_the_same(capsys: Capsys) -> None:
    made = []
    for _ in range(2):
        assert main(["keygen", "--json"]) == 0
        made.append(json.loads(capsys.readouterr().out))
    assert made[0].keys() == {"key_base64", "hmac_key_base64"}
    assert not set(made[0].values()) & set(made[1].values())


def test_keygen_refuses_an_unknown_type(capsys: Capsys) -> None:
    assert main(["keygen", "--hmac-digest-type", "crc32"]) == 1
    assert "Use one of: md5, sha1, sha256" in capsys.readouterr().err


def test_the_code_in_the_terminal(uci: Path, capsys: Capsys) -> None:
    assert main(["qr", "--uci", str(uci), "--client", "tablet"]) == 0
    lines = capsys.readouterr().out.splitlines()
    widths = {len(line) for line in lines}
    # Version 9 (53 modules) with its quiet zone; two modules of height to a character.
    assert widths == {53 + 2 * QUIET_ZONE}
    assert len(lines) == (53 + 2 * QUIET_ZONE + 1) // 2


def test_the_code_as_a_private_picture(uci: Path, tmp_path: Path, capsys: Capsys) -> None:
    picture = tmp_path / "phone.svg"
    arguments = ["qr", "--uci", str(uci), "--client", "tablet", "--svg", str(picture)]
    assert main(arguments) == 0
    assert stat.S_IMODE(picture.stat().st_mode) == 0o600
    assert picture.read_text().startswith("<svg ")
    assert "delete it when it is scanned" in capsys.readouterr().out
    assert main(arguments) == 1, "an existing file is never overwritten"
    assert "File exists" in capsys.readouterr().err


def test_the_payload_is_the_one_every_client_knows(uci: Path, capsys: Capsys) -> None:
    assert main(["qr", "--uci", str(uci), "--client", "tablet", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"payload": PAYLOAD}


def test_what_the_code_can_not_say_is_noted(uci: Path, capsys: Capsys) -> None:
    assert main(["qr", "--uci", str(uci), "--client", "Ann phone", "--json"]) == 0
    notes = capsys.readouterr().err
    assert "choose SHA512 in the app" in notes
    assert "encryption mode" in notes


def test_without_the_package_the_way_to_it_is_named(
    uci: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "qrcode.main", None)
    assert main(["qr", "--uci", str(uci), "--client", "tablet"]) == 1
    assert "opkg install python3-qrcode" in capsys.readouterr().err


def unpack(text: str, halves: dict[str, tuple[bool, bool]]) -> list[list[bool]]:
    """The modules a drawing in half blocks shows."""
    rows: list[list[bool]] = []
    for line in text.splitlines():
        pairs = [halves[character] for character in line]
        rows += [[upper for upper, _ in pairs], [lower for _, lower in pairs]]
    return rows


@pytest.mark.parametrize("coloured", [True, False])
def test_every_module_is_drawn(coloured: bool) -> None:
    drawn = terminal(MATRIX, coloured=coloured)
    dark_blocks = {"█": (True, True), "▀": (True, False), "▄": (False, True), " ": (False, False)}
    if coloured:
        halves = dark_blocks
        drawn = re.sub("\x1b\\[[0-9;]*m", "", drawn)
    else:
        halves = {sign: (not up, not down) for sign, (up, down) in dark_blocks.items()}
    rows = unpack(drawn, halves)
    inner = [row[QUIET_ZONE:-QUIET_ZONE] for row in rows[QUIET_ZONE : QUIET_ZONE + 3]]
    assert inner == MATRIX
    assert sum(map(sum, rows)) == sum(map(sum, MATRIX)), "the quiet zone is white"


def test_the_picture_draws_the_dark_runs() -> None:
    path = re.findall(r'<path d="([^"]*)"', svg(MATRIX))[0]
    assert path == "M4 4h1v1h-1zM6 4h1v1h-1zM5 5h1v1h-1zM4 6h2v1h-2z"


# Words and tables


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (0.4, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (192, "3 min 12 s"),
        (3600, "1 h"),
        (3659, "1 h"),
        (7500, "2 h 5 min"),
        (90000, "1 d 1 h"),
        (86400 * 400, "400 d"),
    ],
)
def test_spans_of_time(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_how_long_ago() -> None:
    assert (ago(0.2), ago(75)) == ("just now", "1 min 15 s ago")


def test_a_moment_of_another_day_has_its_date() -> None:
    assert re.fullmatch(r"\d\d:\d\d:\d\d", moment(1_700_000_000, 1_700_000_001))
    assert re.fullmatch(r"2023-11-1\d \d\d:\d\d:\d\d", moment(1_700_000_000, 1_700_900_000))


def test_nothing_hostile_gets_through() -> None:
    hostile = "a\x1b[31m\n\r\x9b\u202e\u2028é\ud800"
    assert clean(hostile) == r"a\x1b[31m\x0a\x0d\x9b\u202e\u2028é\ud800"
    assert table(("A",), [("x\ny",)]) == "A\nx\\x0ay"
