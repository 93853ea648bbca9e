"""The parsers behind the keys: an authenticated client is still hostile."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from fwknopd.spa import base64
from fwknopd.spa.digest import DigestType, digest_text
from fwknopd.spa.errors import SpaError
from fwknopd.spa.http import forwarded_for, unwrap
from fwknopd.spa.message import SpaMessage, parse_plaintext
from fwknopd.spa.request import AccessRequest, CommandRequest, parse_access

PRINTABLE = st.characters(min_codepoint=0x20, max_codepoint=0x7E)
base64_texts = st.binary(max_size=40).map(lambda data: base64.encode(data).decode())
numbers = st.integers(-10, 2**34).map(str)
fields = st.one_of(
    numbers,
    base64_texts,
    st.text(PRINTABLE, max_size=12),
    st.sampled_from(["", "3.0.0", "YWxpY2U", "MTkyLjAuMi43LHRjcC8yMg", "MTAuMC4wLjEsMjI", "60"]),
)
heads = st.sampled_from(
    [
        ["1234567890123456"],
        ["1234567890123456", "YWxpY2U", "1700000000", "3.0.0"],
        *(
            ["1234567890123456", "YWxpY2U", "1700000000", "3.0.0", str(kind), message]
            for kind in range(8)
            for message in ("MTkyLjAuMi43LHRjcC8yMg", "MTkyLjAuMi43LGlk")
        ),
    ]
)


@st.composite
def plaintexts(draw: st.DrawFn) -> bytes:
    """Texts with a right digest, so that parsing gets past it."""
    parts = draw(heads) + draw(st.lists(fields, max_size=8))
    text = ":".join(parts).encode()
    return text + b":" + digest_text(draw(st.sampled_from(DigestType)), text)


def parsed(text: bytes, *, gpg: bool) -> SpaMessage | None:
    try:
        return parse_plaintext(text, gpg=gpg)
    except SpaError:
        return None


@given(plaintexts(), st.booleans())
def test_what_is_accepted_is_well_formed(text: bytes, gpg: bool) -> None:
    message = parsed(text, gpg=gpg)
    if message is None:
        return
    assert message.user.isascii()
    assert message.user.isprintable()
    assert len(message.rand) == 16
    assert 0 <= message.timestamp < 2**32
    assert 0 <= message.client_timeout <= 65536
    assert (message.nat is not None) == message.message_type.has_nat
    assert isinstance(message.request, AccessRequest | CommandRequest)
    assert isinstance(message.request, CommandRequest) == (message.message_type == 0)


@given(st.binary(max_size=300), st.booleans())
def test_no_text_does_more_than_fail(text: bytes, gpg: bool) -> None:
    parsed(text, gpg=gpg)


@given(st.text("0123456789.,/tcpud \n", max_size=40) | st.text(max_size=40))
def test_an_accepted_request_reads_the_same_when_written_out(text: str) -> None:
    try:
        request = parse_access(text.encode())
    except SpaError:
        return
    written = ",".join([str(request.address), *map(str, request.ports)])
    assert parse_access(written.encode()) == request


@given(st.ip_addresses(v=4), st.lists(st.integers(1, 65535), min_size=1, max_size=8))
def test_decimal_addresses_and_ports_are_read_as_written(
    address: object, numbers: list[int]
) -> None:
    request = parse_access(",".join([str(address), *(f"udp/{n}" for n in numbers)]).encode())
    assert request.address == address
    assert [port.port for port in request.ports] == numbers


@given(st.binary(max_size=300))
def test_no_request_does_more_than_fail(payload: bytes) -> None:
    forwarded_for(b"X-Forwarded-For: " + payload)
    for start in (b"", b"GET /"):
        with suppress(SpaError):
            unwrap(start + payload + b"User-Agent: Fwknop")
