"""Where a server is: what is read, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwknopd.config.endpoint import parse_endpoint
from fwknopd.config.invalid import InvalidValue

EXAMPLE = "192.168.1.5:514"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("192.0.2.1", "192.0.2.1:514"),
        ("192.0.2.1:1514", "192.0.2.1:1514"),
        ("fd00::1", "[fd00::1]:514"),
        ("[FD00:0::1]", "[fd00::1]:514"),
        ("[fd00::1]:65535", "[fd00::1]:65535"),
    ],
)
def test_what_is_read(text: str, meant: str) -> None:
    assert str(parse_endpoint(text, EXAMPLE)) == meant
    assert str(parse_endpoint(meant, EXAMPLE)) == meant


@pytest.mark.parametrize(
    ("text", "why"),
    [
        *((text, "no address") for text in ("", "log.lan", "log.lan:514", "192.0.2:514")),
        *((text, "no address") for text in ("fe80::1%eth0", "[fe80::1%eth0]:514", "1.2.3.4:x")),
        *((f"192.0.2.1:{port}", "no port") for port in ("0", "65536", "99999")),
        ("192.0.2.1:100000", "no address"),
        ("[192.0.2.1]:514", "no IPv6 address"),
    ],
)
def test_what_is_refused_and_why(text: str, why: str) -> None:
    with pytest.raises(InvalidValue, match=why) as error:
        parse_endpoint(text, EXAMPLE)
    assert EXAMPLE in error.value.remedy


@given(st.text(max_size=40) | st.from_regex(r"[0-9a-f:.\[\]%]{0,40}", fullmatch=True))
def test_any_text_is_an_address_with_a_port_or_refused(text: str) -> None:
    try:
        found = parse_endpoint(text, EXAMPLE)
    except InvalidValue:
        return
    assert 1 <= found.port <= 65535
    assert parse_endpoint(str(found), EXAMPLE) == found
