"""Base64 as packets carry it: standard alphabet, `=` stripped, one text per value.

libfko decodes leniently: it ignores all that follows a `=` and the unused low bits
of the last character, so one value has many texts. Here every value has one,
because a packet that can be re-spelled is a packet that can be replayed.
"""

from __future__ import annotations

import binascii


def encode(data: bytes) -> bytes:
    """``data`` as base64 text without padding."""
    return binascii.b2a_base64(data, newline=False).rstrip(b"=")


def decode(text: bytes) -> bytes:
    """The bytes ``text`` stands for; correct ``=`` padding may be there or not.

    Raises ValueError for any other text, non-canonical spellings included, and padding where none
    is due: the C daemon ignores it, and Python does before 3.13.
    """
    padded = text if text.endswith(b"=") else text + b"=" * (-len(text) % 4)
    data = binascii.a2b_base64(padded, strict_mode=True)
    if binascii.b2a_base64(data, newline=False) != padded:
        raise ValueError("the unused bits of the last base64 character are not zero")
    return data


def decode_lenient(text: bytes) -> bytes:
    """What libfko reads: up to the first ``=``, without left-over bits or characters.

    Only for naming a packet; raises ValueError for characters outside the alphabet.
    """
    text = text.partition(b"=")[0]
    if len(text) % 4 == 1:
        # Six bits are no byte, but they must be base64 all the same.
        return binascii.a2b_base64(text + b"A==", strict_mode=True)[:-1]
    return binascii.a2b_base64(text + b"=" * (-len(text) % 4), strict_mode=True)
