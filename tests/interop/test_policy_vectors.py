"""The C daemon's verdict on every recorded packet: ours must be the same, for the same reason.

Each packet goes the whole way: access.conf and fwknopd.conf as text, our own readers of
both, one client, one authorizer.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import fields, replace
from ipaddress import IPv4Address

import pytest

from fwknopd.config.access_conf import stanzas_from_access_conf
from fwknopd.config.fwknopd_conf import settings_from_fwknopd_conf
from fwknopd.config.settings import ServerSettings
from fwknopd.policy.authorizer import Authorizer, PolicySettings
from fwknopd.policy.gpg_questions import NeedsGpg
from fwknopd.policy.packet import Packet
from fwknopd.policy.stanza import Stanza
from fwknopd.policy.verdict import AccessDecision, Reason, Refusal, Verdict
from fwknopd.replay import ReplayCache
from fwknopd.spa.packet import SpaKeys
from tests.interop.deviations import DECODING
from tests.interop.policy_deviations import POLICY_DEVIATIONS
from tests.interop.spa_vectors import SpaVector, load_vectors

SOURCE = IPv4Address("198.51.100.7")
DESTINATION = IPv4Address("192.0.2.1")
NOW = 1_790_000_000

BASE = {
    "ENABLE_SPA_PACKET_AGING": "N",
    "ENABLE_SPA_OVER_HTTP": "Y",
    "ENABLE_IPT_FORWARDING": "Y",
    "ENABLE_IPT_LOCAL_NAT": "Y",
}

NOBODYS = {Reason.NO_CLIENT_MATCHED}
OPENED_BADLY = {Reason.DECRYPT_FAILED, *NOBODYS}
SAYS = {
    "accepted": {Reason.ACCEPTED},
    "accepted-command": {Reason.ACCEPTED},
    "age": {Reason.TOO_OLD, Reason.FROM_THE_FUTURE},
    "stanza-expired": {Reason.CLIENT_EXPIRED},
    "source-address-required": {Reason.ADDRESS_REQUIRED},
    "username-mismatch": {Reason.USERNAME_MISMATCH},
    "nat-not-enabled": {Reason.NAT_NOT_ENABLED},
    "command-not-enabled": {Reason.COMMAND_NOT_ALLOWED},
    "port-denied": {Reason.PORT_NOT_ALLOWED},
    "preprocess": {Reason.NOT_SPA},
    # The C daemon's size limit is that of the frame, which is the capture's to check.
    "silently-dropped": {Reason.WRONG_LENGTH, *NOBODYS},
    # Longer than the C daemon tries: told to the client if its HMAC fits.
    "no-encryption-type-match": {Reason.WRONG_LENGTH, *NOBODYS},
    "FKO_ERROR_INVALID_DATA_ENCRYPT_TYPE_UNKNOWN": {Reason.WRONG_LENGTH},
    "FKO_ERROR_INVALID_DATA_HMAC_COMPAREFAIL": NOBODYS,
    # With an HMAC that fits, the client is known; without any, nobody is.
    "FKO_ERROR_DECRYPTION_FAILURE": OPENED_BADLY,
    "FKO_ERROR_INVALID_DATA_ENCRYPT_CIPHERLEN_VALIDFAIL": OPENED_BADLY,
    "FKO_ERROR_INVALID_KEY_LEN": OPENED_BADLY,
    "FKO_ERROR_INVALID_HMAC_KEY_LEN": NOBODYS,
}
"""The C daemon's verdict, up to its first colon or libfko's name, in our words."""

LONG_KEYS = {
    *(f"forge-enckey-{length}" for length in (33, 48, 64)),
    *(f"forge-hmackey-{length}" for length in (137, 160)),
}
"""Keys longer than our reader of access.conf takes; these clients are made without it."""

VECTORS = [vector for vector in load_vectors() if vector.encryption == "rijndael"]


def by_name(vectors: list[SpaVector]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", vectors, ids=[vector.name for vector in vectors])


def expected(vector: SpaVector) -> set[Reason]:
    """The reasons that mean what the C daemon said, or the deviation on the list."""
    if vector.name in POLICY_DEVIATIONS:
        return {POLICY_DEVIATIONS[vector.name].ours}
    verdict, _, rest = vector.daemon_verdict.partition(":")
    if verdict != "libfko":
        return SAYS[verdict]
    if rest in SAYS:
        return SAYS[rest]
    assert "DECODE" in rest or "DIGEST" in rest, rest
    return {Reason.MALFORMED}


def server_settings(vector: SpaVector) -> ServerSettings:
    conf = BASE | dict(vector.server_conf)
    text = "".join(f"{name} {value};\n" for name, value in conf.items())
    settings, _ = settings_from_fwknopd_conf(text, "fwknopd.conf")
    return settings


def policy_settings(settings: ServerSettings) -> PolicySettings:
    names = {each.name for each in fields(PolicySettings)} & {
        each.name for each in fields(settings)
    }
    return PolicySettings(**{name: getattr(settings, name) for name in names})


def access_conf(keys: SpaKeys, extra: Iterable[tuple[str, str]]) -> str:
    lines = [("SOURCE", str(SOURCE)), *key_lines(keys), *extra]
    return "".join(f"{name} {value}\n" for name, value in lines)


def key_lines(keys: SpaKeys) -> list[tuple[str, str]]:
    lines = [("ENCRYPTION_MODE", keys.mode.value)]
    if keys.encryption_key is not None:
        lines.append(("KEY_BASE64", b64encode(keys.encryption_key).decode()))
    if keys.hmac_key is not None:
        lines.append(("HMAC_KEY_BASE64", b64encode(keys.hmac_key).decode()))
        lines.append(("HMAC_DIGEST_TYPE", keys.hmac_type.value))
    return lines


def stanza(vector: SpaVector, settings: ServerSettings) -> Stanza:
    keys = SpaKeys(b"short", b"stand-in") if vector.name in LONG_KEYS else vector.keys
    text = access_conf(keys, vector.stanza_extra)
    (made,), _ = stanzas_from_access_conf(text, "access.conf", settings=settings)
    return replace(made, keys=vector.keys) if vector.name in LONG_KEYS else made


def judge(vector: SpaVector) -> Verdict:
    settings = server_settings(vector)
    client = stanza(vector, settings)
    authorizer = Authorizer([client], policy_settings(settings), ReplayCache())
    packet = Packet(vector.packet, SOURCE, DESTINATION, 40000, 62201, 17, "wan")
    verdict = authorizer.judge(packet, vector.server_now or NOW)
    assert not isinstance(verdict, NeedsGpg)
    return verdict


def reason_of(verdict: Verdict) -> Reason:
    return verdict.reason if isinstance(verdict, Refusal) else Reason.ACCEPTED


@by_name([vector for vector in VECTORS if vector.name not in DECODING])
def test_verdict_and_reason_are_the_c_daemons(vector: SpaVector) -> None:
    verdict = judge(vector)
    assert reason_of(verdict) in expected(vector), verdict
    if vector.name not in POLICY_DEVIATIONS:
        assert isinstance(verdict, Refusal) is not vector.accept


@by_name([vector for vector in VECTORS if vector.name in DECODING])
def test_packets_read_differently_on_purpose(vector: SpaVector) -> None:
    read = DECODING[vector.name].ours is None
    assert (reason_of(judge(vector)) is Reason.ACCEPTED) is read


@by_name([vector for vector in VECTORS if vector.accept and vector.name not in DECODING])
def test_what_is_granted_is_what_was_asked(vector: SpaVector) -> None:
    verdict, asked = judge(vector), vector.decoded
    assert asked is not None
    if not isinstance(verdict, AccessDecision):
        assert asked.message_type == 0 or vector.name in POLICY_DEVIATIONS
        return
    address, *wish = asked.message.decode().split(",")
    assert verdict.lifetime == min(asked.client_timeout or 30, 300)
    first = verdict.doors[0]
    shown = [door.what for door in verdict.doors]
    assert shown == (wish[:1] if first.nat else list(dict.fromkeys(map(unpadded, wish))))
    if address == "0.0.0.0":
        assert first.address in (SOURCE, proxied(vector))
    if asked.message_type in (2, 4):
        assert asked.nat_access is not None
        host, _, port = asked.nat_access.decode().rpartition(",")
        assert (verdict.lookup or str(first.nat)) == (host if verdict.lookup else f"{host}:{port}")
        assert first.nat is not None
        assert first.nat.port == int(port)
    assert first.local is (asked.message_type in (5, 6))


def unpadded(port: str) -> str:
    protocol, _, number = port.partition("/")
    return f"{protocol}/{int(number)}"


def proxied(vector: SpaVector) -> IPv4Address | None:
    found = re.search(rb"X-Forwarded-For: ([0-9.]+)", vector.packet)
    return IPv4Address(found[1].decode()) if found else None


@by_name(VECTORS)
def test_no_packet_works_twice(vector: SpaVector) -> None:
    settings = server_settings(vector)
    authorizer = Authorizer([stanza(vector, settings)], policy_settings(settings), ReplayCache())
    packet = Packet(vector.packet, SOURCE, DESTINATION, 40000, 62201, 17, "wan")
    first = authorizer.judge(packet, vector.server_now or NOW)
    second = authorizer.judge(packet, vector.server_now or NOW)
    assert isinstance(second, Refusal)
    if not isinstance(first, Refusal):
        assert second.reason is Reason.REPLAY


def test_every_policy_deviation_is_one() -> None:
    known = {vector.name: vector for vector in load_vectors()}
    for name, deviation in POLICY_DEVIATIONS.items():
        assert known[name].accept is not (deviation.ours is Reason.ACCEPTED), name
        assert name not in DECODING
