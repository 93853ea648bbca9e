"""Lines of text that say whether they are whole: each ends with its checksum. Pure."""

from __future__ import annotations

import binascii


def checked(text: bytes) -> bytes:
    """The line of a text, which holds no line break."""
    return text + b" " + _checksum(text) + b"\n"


def text_of(line: bytes) -> bytes | None:
    """The text of a line without its end; None when it is damaged."""
    text, _, checksum = line.rpartition(b" ")
    return text if checksum == _checksum(text) else None


def _checksum(text: bytes) -> bytes:
    return b"%08x" % binascii.crc32(text)
