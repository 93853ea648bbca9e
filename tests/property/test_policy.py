"""Whatever comes in and whatever the rules say: no surprise, and no door too many."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fwknopd.policy.authorizer import Authorizer, PolicySettings
from fwknopd.policy.packet import Packet
from fwknopd.policy.rules import utc
from fwknopd.policy.stanza import Stanza
from fwknopd.policy.verdict import AccessDecision, Reason, Refusal
from fwknopd.replay import ReplayCache
from fwknopd.spa.message import MessageType
from fwknopd.spa.packet import SpaKeys, seal
from fwknopd.spa.request import PortSpec, Protocol
from tests.unit.policy.knocks import NOW, Gate, client, keys, knock

BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
SIGNED = client("signed", 1, access_expire=NOW + 10)
UNSIGNED = client("unsigned", 2, keys=keys("unsigned", hmac=False), enable_cmd_exec=True)
OFF = client("off", 3, enabled=False, keys=keys("off", hmac=False))
OPEN_SETTINGS = PolicySettings(
    enable_ipt_forwarding=True,
    enable_ipt_local_nat=True,
    enable_spa_over_http=True,
    enable_x_forwarded_for=True,
)

addresses = st.one_of(st.builds(IPv4Address, st.integers(0, 2**32 - 1)), st.ip_addresses(v=6))
texts = st.text(BASE64, min_size=130, max_size=600).map(str.encode)
payloads = st.one_of(
    st.binary(max_size=1600),
    texts,
    texts.map(lambda text: b"GET /" + text + b" HTTP/1.0\r\nUser-Agent: Fwknop\r\n"),
)


def ask(payload: bytes, source: IPv4Address | IPv6Address, now: int, *stanzas: Stanza) -> object:
    authorizer = Authorizer(stanzas, OPEN_SETTINGS, ReplayCache())
    return authorizer.judge(Packet(payload, source, source, None, None, 17, "udp"), now)


@given(payloads, addresses, st.integers(-(2**40), 2**40))
@example(b"GET /", IPv4Address(0), 0)
def test_junk_is_refused_and_names_nobody(
    payload: bytes, source: IPv4Address | IPv6Address, now: int
) -> None:
    verdict = ask(payload, source, now, SIGNED, UNSIGNED, OFF)
    assert isinstance(verdict, Refusal)
    assert verdict.stanza is None


@given(
    st.text(max_size=250).map(lambda text: text.encode("utf-8", "replace")),
    addresses,
    st.sampled_from([SIGNED, UNSIGNED, OFF]),
)
def test_hostile_text_under_good_keys_is_refused(
    text: bytes, source: IPv4Address | IPv6Address, sender: Stanza
) -> None:
    payload = seal(text, sender.keys, b"saltsalt")
    verdict = ask(payload, source, NOW, SIGNED, UNSIGNED, OFF)
    assert isinstance(verdict, Refusal)
    assert verdict.detail.isprintable()


hosts = st.one_of(
    st.from_regex(r"[0-9.]{1,15}", fullmatch=True),
    st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=",")),
)


@given(
    st.sampled_from(MessageType),
    st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){3}", fullmatch=True),
    hosts,
    st.integers(1, 65535),
    st.integers(0, 2**32 - 1),
    addresses,
    st.sampled_from([SIGNED, UNSIGNED, OFF]),
)
def test_every_well_made_knock_gets_a_verdict(
    kind: MessageType,
    address: str,
    host: str,
    port: int,
    timestamp: int,
    source: IPv4Address | IPv6Address,
    sender: Stanza,
) -> None:
    fields = [b"1234567890123456", b"YWxpY2U", b"%d" % timestamp, b"3.0.0", b"%d" % kind]
    fields.append(plain_base64(f"{address},tcp/{port}"))
    if kind.has_nat:
        fields.append(plain_base64(f"{host},{port}"))
    if kind.has_timeout:
        fields.append(b"60")
    text = b":".join(fields)
    payload = seal(text + b":" + digest(text), sender.keys, b"saltsalt")
    verdict = ask(payload, source, NOW, SIGNED, UNSIGNED, OFF)
    if isinstance(verdict, Refusal):
        assert verdict.detail.isprintable()
        assert verdict.detail.isascii()
        return
    assert abs(timestamp - NOW) <= 120
    if isinstance(verdict, AccessDecision):
        for door in verdict.doors:
            assert not door.address.is_unspecified


def plain_base64(text: str) -> bytes:
    from base64 import b64encode

    return b64encode(text.encode()).rstrip(b"=")


def digest(text: bytes) -> bytes:
    from base64 import b64encode
    from hashlib import sha256

    return b64encode(sha256(text).digest()).rstrip(b"=")


# Ports and lifetimes against a model in words

specs = st.builds(PortSpec, st.sampled_from(Protocol), st.integers(1, 5))
port_sets = st.frozensets(specs, max_size=5)


@given(st.lists(specs, min_size=1, max_size=4), st.none() | port_sets, port_sets)
def test_ports_follow_the_sets(
    wish: list[PortSpec], allowed: frozenset[PortSpec] | None, restricted: frozenset[PortSpec]
) -> None:
    phone = client(open_ports=allowed, restrict_ports=restricted)
    message = "203.0.113.5," + ",".join(map(str, wish))
    verdict = Gate(phone).judge(knock(phone, message))
    fine = set(wish).isdisjoint(restricted) and (allowed is None or set(wish) <= allowed)
    if not fine:
        assert isinstance(verdict, Refusal)
        assert verdict.reason is Reason.PORT_NOT_ALLOWED
        return
    assert isinstance(verdict, AccessDecision)
    opened = [door.port for door in verdict.doors]
    assert set(opened) == set(wish)
    assert len(opened) == len(set(opened))


@given(st.integers(0, 65536), st.integers(0, 8388608), st.integers(0, 8388608))
def test_no_lifetime_beyond_the_cap_and_none_for_ever(asked: int, default: int, cap: int) -> None:
    phone = client(fw_access_timeout=default, max_fw_timeout=cap)
    kind = MessageType.CLIENT_TIMEOUT_ACCESS if asked else MessageType.ACCESS
    lifetime = Gate(phone).access(knock(phone, kind=kind, client_timeout=asked)).lifetime
    assert 1 <= lifetime <= max(1, cap)
    assert lifetime in (1, asked, default, cap)


networks = st.one_of(
    st.builds(
        lambda value, bits: ip_network((value, bits), strict=False),
        st.ip_addresses(v=4),
        st.integers(0, 32),
    ),
    st.builds(
        lambda value, bits: ip_network((value, bits), strict=False),
        st.ip_addresses(v=6),
        st.integers(0, 128),
    ),
)


@given(st.lists(networks, max_size=4), st.ip_addresses(), st.data())
def test_source_is_what_the_networks_say(
    known: list[IPv4Network | IPv6Network], source: IPv4Address | IPv6Address, data: st.DataObject
) -> None:
    if known:
        inside = data.draw(st.sampled_from(known))
        source = data.draw(st.sampled_from([source, inside[0], inside[-1]]))
    phone = client(sources=tuple(known))
    verdict = Gate(phone).judge(b"A" * 200, source=str(source))
    assert isinstance(verdict, Refusal)
    mapped = getattr(source, "ipv4_mapped", None) or source
    heard = any(mapped in network for network in known)
    assert (verdict.reason is Reason.NO_CLIENT_MATCHED) is heard


# One packet, one use


@given(st.data())
def test_no_respelling_of_a_used_packet_is_accepted(data: st.DataObject) -> None:
    sender = data.draw(st.sampled_from([SIGNED, UNSIGNED]))
    gate = Gate(SIGNED, UNSIGNED, enable_spa_over_http=True)
    payload = knock(sender)
    assert gate.reason(payload) is Reason.ACCEPTED
    position = data.draw(st.integers(0, len(payload)))
    length = data.draw(st.integers(0, 3))
    junk = data.draw(st.text(BASE64 + "=\n ", max_size=4).map(str.encode))
    changed = payload[:position] + junk + payload[position + length :]
    verdict = gate.judge(changed)
    assert isinstance(verdict, Refusal)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(-300, 300)), max_size=40))
def test_nothing_is_accepted_twice_however_the_clock_jumps(
    steps: list[tuple[int, int]],
) -> None:
    phone = client()
    packets = [knock(phone, timestamp=NOW + 50 * number) for number in range(7)]
    gate = Gate(phone)
    accepted: list[int] = []
    for number, offset in steps:
        if gate.reason(packets[number], now=NOW + offset) is Reason.ACCEPTED:
            accepted.append(number)
    assert len(accepted) == len(set(accepted))


@given(st.integers(-(2**63), 2**63))
def test_any_number_can_be_shown_as_a_time(epoch: int) -> None:
    assert utc(epoch)


@pytest.mark.parametrize("name", ["encryption_key", "hmac_key"])
def test_no_verdict_shows_a_key(name: str) -> None:
    secret = getattr(SIGNED.keys, name)
    assert isinstance(secret, bytes)
    shown = repr(Gate(SIGNED).judge(knock(SIGNED)))
    assert repr(secret) not in shown
    assert repr(SpaKeys(secret, secret)).count(repr(secret)) == 0
