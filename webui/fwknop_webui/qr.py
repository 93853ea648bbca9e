"""A QR code as one SVG path, drawn from qrcode's matrix.

qrcode's own SVG is five times the size and uses style attributes, which our content
security policy forbids; its picture classes would load Pillow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from fwknop_webui.hidden import hidden

QUIET_ZONE = 4
"""Modules of white around the code that scanners need."""

PIXELS_PER_MODULE = 5
MAX_BYTES = 2331
"""What the largest code (version 40) holds at error correction level M."""


class QrTooLong(ValueError):
    """More text than any QR code holds."""


@dataclass(frozen=True, slots=True)
class QrPicture:
    """``path`` is SVG path data in modules; ``size`` is the side with the quiet zone."""

    size: int
    path: str = field(repr=False)

    @property
    def pixels(self) -> int:
        """Side in pixels at which every module is large enough for a phone's camera."""
        return self.size * PIXELS_PER_MODULE


def draw(payload: str) -> QrPicture:
    """The code of ``payload``, byte mode, error correction M. Raises QrTooLong."""
    matrix = _matrix(check_length(payload))
    return QrPicture(len(matrix) + 2 * QUIET_ZONE, "".join(_path(matrix)))


def check_length(payload: str) -> bytes:
    """The bytes of ``payload``. Raises QrTooLong."""
    raw = payload.encode("utf-8")
    if len(raw) > MAX_BYTES:
        raise QrTooLong(f"{len(raw)} bytes don't fit into a QR code; it holds {MAX_BYTES}")
    return raw


def _matrix(raw: bytes) -> Sequence[Sequence[bool]]:
    # Imported here: most requests never draw a code. qrcode imports Pillow where it finds it,
    # for picture classes we never use.
    with hidden("PIL"):
        from qrcode.constants import ERROR_CORRECT_M
        from qrcode.main import QRCode

    code = QRCode(error_correction=ERROR_CORRECT_M, border=0)
    # optimize=0: one segment of bytes, as every scanner expects of such text.
    code.add_data(raw, optimize=0)
    code.make(fit=True)
    return code.get_matrix()


def _path(matrix: Sequence[Sequence[bool]]) -> Iterator[str]:
    for y, row in enumerate(matrix):
        x = 0
        for dark, run in groupby(row):
            length = sum(1 for _ in run)
            if dark:
                yield f"M{x + QUIET_ZONE} {y + QUIET_ZONE}h{length}v1h-{length}z"
            x += length
