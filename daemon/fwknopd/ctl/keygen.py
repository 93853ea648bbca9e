"""``fwknopctl keygen`` and ``qr``: keys, and bringing them onto a phone."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from itertools import groupby

from fwknopd.ctl.errors import CtlError
from fwknopd.ctl.key_sources import digest_type, uci_client
from fwknopd.ctl.output import print_json, print_note
from fwknopd.key_handing import KeyFields, qr_payload, qr_problems
from fwknopd.keys import encode_key_base64, generate_encryption_key, generate_hmac_key
from fwknopd.spa.packet import SpaKeys

QUIET_ZONE = 4
"""Modules of white around a code that scanners need."""

_PIXELS_PER_MODULE = 5
_BLACK_ON_WHITE, _RESET = "\x1b[30;107m", "\x1b[0m"
# Two modules a character: (upper dark, lower dark), drawn in black on white.
_HALVES = {(True, True): "█", (True, False): "▀", (False, True): "▄", (False, False): " "}

Matrix = Sequence[Sequence[bool]]


def show_keys(options: Namespace) -> int:
    """The verb ``keygen``: the two lines ``fwknopd --key-gen`` prints."""
    settings = {"HMAC_DIGEST_TYPE": options.hmac_digest_type}
    hmac_type = digest_type(settings, "HMAC_DIGEST_TYPE")
    key = encode_key_base64(generate_encryption_key())
    hmac_key = encode_key_base64(generate_hmac_key(hmac_type))
    if options.json:
        print_json({"key_base64": key, "hmac_key_base64": hmac_key})
    else:
        print(f"KEY_BASE64: {key}\nHMAC_KEY_BASE64: {hmac_key}")
    return 0


def show_qr(options: Namespace) -> int:
    """The verb ``qr``: the code a phone scans, in the terminal or as a private SVG file."""
    keys = uci_client(options).keys
    fields = key_fields(keys)
    for problem in qr_problems(fields, keys.hmac_type, keys.mode):
        print_note(problem)
    matrix = _matrix(qr_payload(fields))
    if options.svg is not None:
        _write_private(options.svg, svg(matrix))
        print(f"Wrote {options.svg}. It holds the keys: delete it when it is scanned.")
    elif options.json:
        print_json({"payload": qr_payload(fields)})
    else:
        print(terminal(matrix, coloured=sys.stdout.isatty()))
    return 0


def key_fields(keys: SpaKeys) -> KeyFields:
    """The keys as the code holds them: always base64, which no scanner cuts short."""
    hmac_key = encode_key_base64(keys.hmac_key) if keys.hmac_key else ""
    return KeyFields(
        key_base64=encode_key_base64(keys.encryption_key or b""), hmac_key_base64=hmac_key
    )


def terminal(matrix: Matrix, *, coloured: bool) -> str:
    """The code in half-height blocks, black on white whatever the terminal's colours.

    Without colours it is drawn for dark terminals: what is white is full.
    """
    framed = _framed(matrix)
    lines = []
    for upper, lower in zip(framed[::2], framed[1::2], strict=True):
        pairs = zip(upper, lower, strict=True)
        if coloured:
            blocks = "".join(_HALVES[pair] for pair in pairs)
            lines.append(f"{_BLACK_ON_WHITE}{blocks}{_RESET}")
        else:
            lines.append("".join(_HALVES[not top, not bottom] for top, bottom in pairs))
    return "\n".join(lines)


def svg(matrix: Matrix) -> str:
    """The code as one SVG path on white."""
    size = len(matrix) + 2 * QUIET_ZONE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" '
        f'width="{size * _PIXELS_PER_MODULE}" height="{size * _PIXELS_PER_MODULE}" '
        'shape-rendering="crispEdges">'
        f'<path fill="#fff" d="M0 0h{size}v{size}H0z"/>'
        f'<path d="{"".join(_runs(matrix))}"/></svg>\n'
    )


def _matrix(payload: str) -> Matrix:
    try:
        from qrcode.constants import ERROR_CORRECT_M
        from qrcode.main import QRCode
    except ImportError:
        raise CtlError(
            "QR codes need the Python package qrcode",
            "Install it: opkg install python3-qrcode, or pip install qrcode",
        ) from None
    code = QRCode(error_correction=ERROR_CORRECT_M, border=0)
    # One segment of bytes, as every scanner expects of such text.
    code.add_data(payload.encode(), optimize=0)
    code.make(fit=True)
    return code.get_matrix()


def _framed(matrix: Matrix) -> list[list[bool]]:
    """With its quiet zone, and one more white row where two rows make a line."""
    side = [False] * QUIET_ZONE
    blank = [False] * (len(matrix) + 2 * QUIET_ZONE)
    rows = [blank] * QUIET_ZONE + [[*side, *row, *side] for row in matrix] + [blank] * QUIET_ZONE
    return rows + [blank] * (len(rows) % 2)


def _runs(matrix: Matrix) -> Iterator[str]:
    for y, row in enumerate(matrix):
        x = 0
        for dark, run in groupby(row):
            length = len(list(run))
            if dark:
                yield f"M{x + QUIET_ZONE} {y + QUIET_ZONE}h{length}v1h-{length}z"
            x += length


def _write_private(path: str, text: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(path, flags, 0o600), "w", encoding="ascii") as file:
            file.write(text)
    except OSError as error:
        raise CtlError(
            f"{path} can't be written: {error.strerror}",
            "Name a file that does not exist yet, in a folder you may write to",
        ) from None
