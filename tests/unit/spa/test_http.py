"""Knocks in HTTP requests."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from fwknopd.spa.errors import SpaError, SpaErrorCode
from fwknopd.spa.http import forwarded_for, is_request, unwrap

AGENT = b"User-Agent: Fwknop/2.6.11\r\n"


@pytest.mark.parametrize("start", [b"GET /", b"get /", b"GeT /x"])
def test_requests_begin_with_get(start: bytes) -> None:
    assert is_request(start)


@pytest.mark.parametrize("start", [b"", b"GET", b"GET http://", b"POST /", b" GET /", b"GET\t/"])
def test_nothing_else_is_a_request(start: bytes) -> None:
    assert not is_request(start)
    with pytest.raises(SpaError) as caught:
        unwrap(start + AGENT)
    assert caught.value.code is SpaErrorCode.SPA_MSG_NOT_SPA_DATA


def test_the_path_turns_into_base64() -> None:
    assert unwrap(b"GET /ab-_+/c HTTP/1.1\r\n" + AGENT) == b"ab+/+/c"


@pytest.mark.parametrize("space", [b" ", b"\t", b"\r", b"\n", b"\v", b"\f"])
def test_any_white_space_ends_the_path(space: bytes) -> None:
    assert unwrap(b"GET /abc" + space + b"def\r\n" + AGENT) == b"abc"


@pytest.mark.parametrize("headers", [b"", b"user-agent: Fwknop\r\n", b"User-Agent: curl/8\r\n"])
def test_other_user_agents_are_let_in_only_when_asked_for(headers: bytes) -> None:
    request = b"GET /abc HTTP/1.1\r\n" + headers
    with pytest.raises(SpaError) as caught:
        unwrap(request)
    assert caught.value.code is SpaErrorCode.SPA_MSG_NOT_SPA_DATA
    assert unwrap(request, allow_any_user_agent=True) == b"abc"


@pytest.mark.parametrize(
    "header",
    [
        b"X-Forwarded-For: 203.0.113.5\r\n",
        b"x-forwarded-for: 203.0.113.5",
        b"...X-FORWARDED-FOR: ",
        b"X-Forwarded-For: 203.0.113.5 unix\r\n",
    ],
)
def test_a_single_forwarded_address_is_read(header: bytes) -> None:
    if header.endswith(b": "):
        header += b"203.0.113.5\n"
    assert forwarded_for(b"GET /abc HTTP/1.1\r\n" + header) == IPv4Address("203.0.113.5")


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"unknown",
        b"203.0.113.5, 10.0.0.1",
        b"203.0.113.5,10.0.0.1",
        b"203.0.113.256",
        b"203.0.113.5:80",
        b"::ffff:1.2.3.4",
        b"010.0.0.1",
        b" 203.0.113.5",
        b"203.0.113.5\0",
        b"1.2.3.4.5.6.7.8",
        b"...........",
        b"203.0.113.5x",
    ],
)
def test_any_other_forwarded_value_is_none(value: bytes) -> None:
    assert forwarded_for(b"GET /abc HTTP/1.1\r\nX-Forwarded-For: " + value + b"\r\n\r\n") is None


def test_no_header_no_address() -> None:
    assert forwarded_for(b"GET /abc HTTP/1.1\r\n" + AGENT) is None
