"""The plain fields of a plaintext: text in, value out, `SpaError` for anything else.

Length limits apply to the text of a field, so to base64 where the field is base64.
"""

from __future__ import annotations

import re

from fwknopd.spa import base64
from fwknopd.spa.errors import SpaError, SpaErrorCode

MAX_USER_TEXT = 64
MAX_MESSAGE_TEXT = 256
MAX_REST_TEXT = 256
MAX_CLIENT_TIMEOUT = 65536
RAND_LENGTH = 16
MAX_TIMESTAMP = 2**32 - 1

_USER = re.compile(rb"[^\x00-\x1f\"/\\\[\]:;|=,+*?<>\x7f-\xff]+")
_DIGITS = re.compile(rb"[0-9]+")


def parse_rand(text: bytes) -> str:
    """The random value: what GPG packets have beyond 16 characters is dropped."""
    if len(text) < RAND_LENGTH:
        raise SpaError(
            SpaErrorCode.DECODE_RAND_MISSING, f"the random value has under {RAND_LENGTH} characters"
        )
    return text[:RAND_LENGTH].decode("ascii")


def parse_user(text: bytes) -> str:
    """The user name: printable ASCII without quotes, slashes, brackets and separators."""
    name = parse_base64(text, "USERNAME", MAX_USER_TEXT)
    if not _USER.fullmatch(name):
        raise SpaError(
            SpaErrorCode.DECODE_USERNAME_VALIDFAIL,
            "the user name has a character not allowed in it",
        )
    return name.decode("ascii")


def parse_timestamp(text: bytes) -> int:
    """Seconds since 1970 UTC, up to the year 2106: senders print 32 bits, unsigned."""
    _check_length(text, "TIMESTAMP", 12)
    return _parse_number(text, MAX_TIMESTAMP, SpaErrorCode.DECODE_TIMESTAMP_DECODEFAIL)


def parse_version(text: bytes) -> str:
    """The protocol version. Nobody compares it: no client ever sent one that mattered."""
    _check_length(text, "VERSION", 8)
    return text.decode("ascii")


def parse_type(text: bytes) -> int:
    """The number of the message type, 0..6."""
    _check_length(text, "MSGTYPE", 2)
    return _parse_number(text, 6, SpaErrorCode.DECODE_MSGTYPE_DECODEFAIL)


def parse_timeout(text: bytes) -> int:
    """The client's timeout, 0..65536 seconds."""
    if not text:
        raise SpaError(SpaErrorCode.DECODE_TIMEOUT_MISSING, "the client timeout is missing")
    if not _DIGITS.fullmatch(text):
        raise SpaError(SpaErrorCode.DECODE_TIMEOUT_VALIDFAIL, "the client timeout isn't a number")
    return _parse_number(text, MAX_CLIENT_TIMEOUT, SpaErrorCode.DECODE_TIMEOUT_DECODEFAIL)


def parse_base64(text: bytes, name: str, limit: int) -> bytes:
    """A base64 field of 1..``limit`` characters; ``name`` is its part of the error names."""
    _check_length(text, name, limit)
    try:
        return base64.decode(text)
    except ValueError:
        raise SpaError(
            SpaErrorCode[f"DECODE_{name}_DECODEFAIL"], "a field isn't canonical base64"
        ) from None


def _check_length(text: bytes, name: str, limit: int) -> None:
    if not text:
        raise SpaError(SpaErrorCode[f"DECODE_{name}_MISSING"], "a field is empty")
    if len(text) > limit:
        raise SpaError(
            SpaErrorCode[f"DECODE_{name}_TOOBIG"],
            f"a field has {len(text)} characters, {limit} are allowed",
        )


def _parse_number(text: bytes, maximum: int, code: SpaErrorCode) -> int:
    # Plain digits only: libfko takes signs, spaces and trailing text, and lets large
    # numbers wrap around, so that a packet stamped 5994967296 passes for one of today.
    if not _DIGITS.fullmatch(text) or (number := int(text)) > maximum:
        raise SpaError(code, f"a number isn't plain digits up to {maximum}")
    return number
