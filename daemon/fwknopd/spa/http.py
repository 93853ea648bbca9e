"""A knock inside an HTTP request: ``GET /<packet> HTTP/1.x`` in one segment.

There is no HTTP server here. A request is looked at as the C daemon does, by its
first bytes and two headers, and never answered.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address

from fwknopd.spa.errors import SpaError, SpaErrorCode

_REQUEST = re.compile(rb"GET /([^ \t\r\n\v\f]*)", re.IGNORECASE)
_FROM_URL = bytes.maketrans(b"-_", b"+/")
_USER_AGENT = b"User-Agent: Fwknop"
_FORWARDED_FOR = re.compile(rb"X-Forwarded-For: ([0-9.]{7,15})(?=[ \t\r\n\v\f]|$)", re.IGNORECASE)


def is_request(payload: bytes) -> bool:
    """True when the payload starts like a request, and so can't be a bare packet."""
    return payload[:5].upper() == b"GET /"


def unwrap(payload: bytes, *, allow_any_user_agent: bool = False) -> bytes:
    """The wire text in the request's path, its URL-safe characters turned back.

    Raises `SpaError` for anything that isn't an fwknop client's request.
    """
    match = _REQUEST.match(payload)
    if match is None:
        raise SpaError(SpaErrorCode.SPA_MSG_NOT_SPA_DATA, "not a GET request")
    if not allow_any_user_agent and _USER_AGENT not in payload:
        raise SpaError(
            SpaErrorCode.SPA_MSG_NOT_SPA_DATA, "the request's user agent isn't an fwknop client"
        )
    return match[1].translate(_FROM_URL)


def names_a_client(payload: bytes) -> bool:
    """Is there an X-Forwarded-For, whatever it holds?"""
    return b"x-forwarded-for: " in payload.lower()


def forwarded_for(payload: bytes) -> IPv4Address | None:
    """The one plain IPv4 address of X-Forwarded-For; None for a list or anything else.

    Whoever sends the request writes the header: only believe it behind a proxy.
    """
    match = _FORWARDED_FOR.search(payload)
    if match is None:
        return None
    try:
        return IPv4Address(match[1].decode("ascii"))
    except ValueError:
        return None
