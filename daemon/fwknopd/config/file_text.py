"""Text of files of any encoding: undecodable bytes are surrogates, so that none is lost."""

from __future__ import annotations


def decode_text(data: bytes) -> str:
    """File bytes as text in which no byte is lost."""
    return data.decode("utf-8", "surrogateescape")


def encode_text(text: str) -> bytes:
    """The inverse of ``decode_text``; characters no file can hold become '?'."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")
