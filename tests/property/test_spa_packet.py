"""Packets, whole: what a client makes arrives, and nothing else has any effect but `SpaError`."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import assume, example, given
from hypothesis import strategies as st

from fwknopd.spa import base64
from fwknopd.spa.digest import SALTED_PREFIX
from fwknopd.spa.errors import SpaError
from fwknopd.spa.message import SpaMessage
from fwknopd.spa.packet import SpaKeys, WireText, classify, decode, encode, replay_key, seal
from tests.property.spa_strategies import any_keys, damaged, keys, knocks, packets

ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def attempt(text: bytes, some_keys: SpaKeys) -> SpaMessage | None:
    """The message, or None for a `SpaError`; anything else escapes and fails the test."""
    try:
        return decode(WireText(text), some_keys, any_length=True)
    except SpaError:
        return None


@given(knocks(), keys)
def test_what_a_client_sends_arrives(knock: dict[str, Any], some_keys: SpaKeys) -> None:
    message = decode(WireText(encode(keys=some_keys, **knock)), some_keys, any_length=True)
    sent = {name: value for name, value in knock.items() if name != "salt"}
    assert {name: getattr(message, name) for name in sent} == sent


@given(st.binary(max_size=1600), any_keys, st.booleans(), st.booleans())
@example(b"GET /" + b"A" * 200 + b"\r\nUser-Agent: Fwknop", SpaKeys(), True, True)
def test_no_payload_does_more_than_fail(
    payload: bytes, some_keys: SpaKeys, http: bool, any_length: bool
) -> None:
    # The fuzz invariant: any bytes give a value or a SpaError, nothing else.
    try:
        wire = classify(payload, http=http, allow_any_user_agent=http, x_forwarded_for=http)
    except SpaError:
        wire = WireText(payload)
    replay_key(wire, some_keys)
    with suppress(SpaError):
        decode(wire, some_keys, any_length=any_length)


@given(st.text("AZaz09+/=", min_size=140, max_size=500), any_keys)
def test_no_base64_does_more_than_fail(text: str, some_keys: SpaKeys) -> None:
    attempt(classify(text.encode()).text, some_keys)


@given(packets(), any_keys)
def test_the_wrong_keys_do_no_more_than_fail(
    packet: tuple[bytes, SpaKeys], other_keys: SpaKeys
) -> None:
    attempt(packet[0], other_keys)


@given(st.data(), packets())
def test_damage_is_noticed(data: st.DataObject, packet: tuple[bytes, SpaKeys]) -> None:
    text, some_keys = packet
    changed = data.draw(damaged(text))
    message = attempt(changed, some_keys)
    assert message is None or changed == text


@given(st.binary(max_size=250), keys)
def test_no_plaintext_does_more_than_fail(plaintext: bytes, some_keys: SpaKeys) -> None:
    attempt(seal(plaintext, some_keys, b"12345678"), some_keys)


def other_spellings(text: bytes, mac_length: int) -> list[bytes]:
    """Texts a C daemon would, or might, take for the packet ``text``."""
    body, mac = text[: len(text) - mac_length], text[len(text) - mac_length :]
    data = base64.decode_lenient(SALTED_PREFIX + body)
    last = ALPHABET.index(body[-1:])
    bodies = [
        body + b"=",
        body + b"==",
        body + b"=ABCD",
        body + b"A",
        *(body[:-1] + ALPHABET[low : low + 1] for low in range(last, min(last + 16, 64))),
        *(base64.encode(data[:7] + bytes([0x50 | low]) + data[8:])[10:] for low in range(16)),
        base64.encode(data[:-16])[10:],
        SALTED_PREFIX + body,
    ]
    return [other + mac for other in bodies] + [text + b"=", text + b"\0", text.swapcase()]


@given(packets())
def test_every_spelling_that_still_decodes_has_one_replay_key(
    packet: tuple[bytes, SpaKeys],
) -> None:
    text, some_keys = packet
    key = replay_key(WireText(text), some_keys)
    mac_length = some_keys.hmac_type.text_length if some_keys.hmac_key else 0
    for other in other_spellings(text, mac_length):
        if attempt(other, some_keys):
            assert replay_key(WireText(other), some_keys) == key
            assert other == text


@given(packets(), st.sampled_from([b"=", b"==", b"=ABCD"]))
def test_padding_without_hmac_changes_no_replay_key(
    packet: tuple[bytes, SpaKeys], tail: bytes
) -> None:
    text, _ = packet
    bare = SpaKeys(b"")
    assert replay_key(WireText(text + tail), bare) == replay_key(WireText(text), bare)


@given(packets())
def test_a_request_carries_a_packet_unchanged(packet: tuple[bytes, SpaKeys]) -> None:
    text, _ = packet
    assume(len(text) >= 140)
    path = text.translate(bytes.maketrans(b"+/", b"-_"))
    request = b"GET /" + path + b" HTTP/1.1\r\nUser-Agent: Fwknop/2.6.11\r\n\r\n"
    assert classify(request, http=True).text == text
