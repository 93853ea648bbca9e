"""What strangers can send, and what gpg can say: always a value, or the one error."""

from __future__ import annotations

from functools import partial

from hypothesis import example, given
from hypothesis import strategies as st

from fwknopd.spa.digest import DigestType
from fwknopd.spa.errors import SpaError
from fwknopd.spa.gpg_packet import gpg_keys, open_wire, sealed_key
from fwknopd.spa.gpg_report import PREFIX, Report, packed, read_report, unpacked
from fwknopd.spa.gpg_ring import KeyRing, read_ring
from fwknopd.spa.openpgp import Envelope, parse_message
from fwknopd.spa.packet import MAX_TEXT, SpaKeys, WireText
from tests.fuzz.limits import cpu_seconds
from tests.interop.openpgp_packets import (
    long_packet,
    new_packet,
    number,
    parted_packet,
    session_packet,
)
from tests.interop.spa_vectors import load_vectors

KEY_IDS = st.binary(min_size=8, max_size=8).map(bytes.hex)
NUMBERS = st.integers(1, 1 << 2100).map(number)
BODIES = st.binary(min_size=41, max_size=700).map(lambda data: b"\x01" + data)
RECIPIENTS = st.lists(st.builds(session_packet, KEY_IDS, NUMBERS), min_size=1, max_size=3)
RECORDED = [vector.packet for vector in load_vectors() if vector.encryption == "gpg"]
HEADERS = st.sampled_from([b"\x85\x01\x0c\x03", b"\xd2", b"\xc1\xff\xff\xff\xff\xff", b"\x85\xff"])


def parsed(data: bytes) -> Envelope | None:
    try:
        return parse_message(data)
    except SpaError:
        return None


@given(st.one_of(st.binary(max_size=1200), st.builds(lambda a, b: a + b, HEADERS, st.binary())))
@example(b"\xc1" + b"\xe0" * 1100)
@example(b"\x85\x00\x00" * 400)
def test_no_bytes_do_more_than_fail(data: bytes) -> None:
    assert cpu_seconds(partial(parsed, data)) < 0.5
    envelope = parsed(data)
    if envelope is not None:
        assert envelope.recipients
        assert len(envelope.sealed) > 40


@given(RECIPIENTS, BODIES)
def test_a_message_is_the_same_in_every_framing(recipients: list[bytes], body: bytes) -> None:
    start = b"".join(recipients)
    framed = [new_packet(18, body), long_packet(18, body)]
    framed += [parted_packet(18, body, first) for first in range(9) if 1 << first <= len(body)]
    envelopes = [parse_message(start + packet) for packet in framed]
    assert {envelope.sealed for envelope in envelopes} == {body}
    assert len(set(map(sealed_key, envelopes))) == 1
    assert all(len(envelope.recipients) == len(recipients) for envelope in envelopes)


@given(RECIPIENTS, BODIES, st.data())
def test_a_cut_message_is_none(recipients: list[bytes], body: bytes, data: st.DataObject) -> None:
    whole = b"".join(recipients) + new_packet(18, body)
    end = data.draw(st.integers(0, len(whole) - 1))
    assert parsed(whole[:end]) is None


@given(st.sampled_from(RECORDED), st.data())
def test_a_changed_packet_is_another_or_none(packet: bytes, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(packet) - 1))
    changed = bytearray(packet)
    changed[position] = data.draw(st.sampled_from(b"ABCxyz09+/="))
    assert_opens_or_fails(bytes(changed), None)


ALPHABET = st.text("ABCDEFabcdef0123456789+/=hQ", max_size=MAX_TEXT + 50)


@given(ALPHABET.map(str.encode), st.one_of(st.none(), st.binary(max_size=40)))
def test_no_text_does_more_than_fail(text: bytes, key: bytes | None) -> None:
    assert_opens_or_fails(text, key)


def assert_opens_or_fails(text: bytes, key: bytes | None) -> None:
    keys = gpg_keys(SpaKeys(None, key, hmac_type=DigestType.MD5))
    try:
        envelope = open_wire(WireText(text), keys)
    except SpaError:
        return
    assert envelope.recipients


# What gpg says

KEYWORDS = "GOODSIG BADSIG ERRSIG EXPSIG VALIDSIG NEWSIG TRUST_FULLY TRUST_NEVER PLAINTEXT"
KEYWORDS += " NO_SECKEY DECRYPTION_OKAY DECRYPTION_FAILED ERROR pkdecrypt_failed 11 67108875 9 -"
WORDS = st.sampled_from(KEYWORDS.split())
LINES = st.lists(
    st.one_of(
        st.text(max_size=30),
        st.lists(WORDS, max_size=9).map(lambda words: PREFIX + " ".join(words)),
        st.text(max_size=20).map(lambda text: PREFIX + text),
    ),
    max_size=12,
)


@given(LINES, st.binary(max_size=50))
@example([f"{PREFIX}ERROR pkdecrypt_failed {'9' * 5000}"], b"")
def test_whatever_gpg_says_is_a_report(lines: list[str], text: bytes) -> None:
    report = read_report(lines, text)
    assert isinstance(report, Report)
    assert (report.text is None) is bool(report.fault)
    if report.text is None:
        assert report.signature is None


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_an_answer_survives_its_way(lines: bytes, text: bytes) -> None:
    said = unpacked(packed(lines, text))
    assert not isinstance(said, str)
    assert said[1] == text
    assert said[0] == lines.decode("latin-1").splitlines()


@given(st.binary(max_size=100))
def test_whatever_comes_back_can_be_read(data: bytes) -> None:
    unpacked(data)


FIELDS = st.sampled_from(
    ["pub", "sec", "sub", "ssb", "fpr", "uid", "u", "2048", "1", "16", "e", "sc", "#", "", "9" * 30]
)


@given(st.lists(st.lists(FIELDS, max_size=16).map(":".join), max_size=12))
def test_whatever_gpg_lists_is_a_ring(lines: list[str]) -> None:
    ring = read_ring(lines)
    assert isinstance(ring, KeyRing)
    for key in (*ring.secret, *ring.public):
        key.newest("e")
        key.is_named("BF48D714")
        assert key.trusted in (True, False)
