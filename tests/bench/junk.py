"""Packets that must not open anything, of every kind a daemon has to get rid of."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable

KINDS_OF_JUNK = 2048
"""Different packets of a flood; they are sent again and again."""

MTU_PAYLOAD = 1472


def wrong_hmac(length: int) -> bytes:
    """What only the HMAC tells from a knock of that length."""
    return base64.b64encode(secrets.token_bytes(length))[:length]


def binary(length: int) -> bytes:
    """Random bytes of that length."""
    return secrets.token_bytes(length)


def short(_length: int) -> bytes:
    """Base64 that is too short for any knock."""
    return wrong_hmac(100)


def oversized(_length: int) -> bytes:
    """Base64 that is longer than any knock, so that it comes in fragments."""
    return wrong_hmac(MTU_PAYLOAD + 128)


MAKERS: dict[str, Callable[[int], bytes]] = {
    "wrong HMAC": wrong_hmac,
    "binary": binary,
    "short": short,
    "oversized": oversized,
    "other port": wrong_hmac,
}
REPLAYED = "replayed"


def junk(kind: str, length: int, count: int = KINDS_OF_JUNK) -> list[bytes]:
    """``count`` packets of a kind, as long as a knock of ``length`` where that is the point."""
    make = MAKERS[kind]
    return [make(length) for _ in range(count)]
