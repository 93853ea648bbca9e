"""Real knocks, packets and clients for the policy tests; every packet is really encrypted."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from ipaddress import ip_address
from itertools import count
from typing import Any

from fwknopd.policy.authorizer import Authorizer, PolicySettings
from fwknopd.policy.gpg_questions import NeedsGpg
from fwknopd.policy.packet import Packet
from fwknopd.policy.stanza import Stanza
from fwknopd.policy.verdict import AccessDecision, Reason, Refusal, Verdict
from fwknopd.replay import ReplayCache
from fwknopd.spa.message import MessageType
from fwknopd.spa.packet import SpaKeys, encode
from fwknopd.spa.request import PortSpec, Protocol

NOW = 1_800_000_000
PHONE = "198.51.100.7"
ROUTER = "192.0.2.1"

_salts = count()


def keys(name: str, *, hmac: bool = True) -> SpaKeys:
    """Keys that differ by name."""
    return SpaKeys(
        encryption_key=hashlib.sha256(b"encryption " + name.encode()).digest(),
        hmac_key=hashlib.sha512(b"hmac " + name.encode()).digest() if hmac else None,
    )


def client(name: str = "phone", number: int = 1, **options: Any) -> Stanza:
    """A stanza with keys of its own, unless ``keys`` is given."""
    return Stanza(**{"number": number, "name": name, "keys": keys(name), **options})


def ports(text: str) -> frozenset[PortSpec]:
    """``tcp/22,udp/53`` as a set."""
    specs = (entry.strip().split("/") for entry in text.split(","))
    return frozenset(PortSpec(Protocol(protocol), int(port)) for protocol, port in specs)


def knock(
    sender: Stanza,
    message: str = "203.0.113.5,tcp/22",
    *,
    kind: MessageType = MessageType.ACCESS,
    timestamp: int = NOW,
    user: str = "alice",
    **fields: Any,
) -> bytes:
    """A fresh packet that a client with the keys of ``sender`` would send."""
    return encode(
        user=user,
        timestamp=timestamp,
        rand="1234567890123456",
        message_type=kind,
        message=message,
        keys=sender.keys,
        salt=next(_salts).to_bytes(8, "big"),
        **fields,
    )


def packet(payload: bytes, *, source: str = PHONE, destination: str = ROUTER) -> Packet:
    """The payload in a UDP datagram."""
    return Packet(payload, ip_address(source), ip_address(destination), 40000, 62201, 17, "wan")


class Gate:
    """An authorizer with its cache, asked with payloads."""

    def __init__(self, *stanzas: Stanza, cache: ReplayCache | None = None, **settings: Any) -> None:
        self.cache = ReplayCache() if cache is None else cache
        self.authorizer = Authorizer(stanzas, PolicySettings(**settings), self.cache)

    def judge(
        self,
        payload: bytes,
        *,
        now: int = NOW,
        clock_problem: str = "",
        utc_offset: int = 0,
        **where: str,
    ) -> Verdict:
        """The verdict on a payload."""
        came = packet(payload, **where)
        verdict = self.authorizer.judge(came, now, clock_problem, utc_offset)
        assert not isinstance(verdict, NeedsGpg), verdict
        return verdict

    def refusal(self, payload: bytes, **how: Any) -> Refusal:
        """The verdict, which must be a refusal."""
        verdict = self.judge(payload, **how)
        assert isinstance(verdict, Refusal), verdict
        return verdict

    def reason(self, payload: bytes, **how: Any) -> Reason:
        """Why the payload was refused; ACCEPTED when it wasn't."""
        verdict = self.judge(payload, **how)
        return verdict.reason if isinstance(verdict, Refusal) else Reason.ACCEPTED

    def access(self, payload: bytes, **how: Any) -> AccessDecision:
        """The verdict, which must be a permission to open ports."""
        verdict = self.judge(payload, **how)
        assert isinstance(verdict, AccessDecision), verdict
        return verdict


def switched(stanza: Stanza, **changes: Any) -> Stanza:
    """The same client with other rules."""
    return replace(stanza, **changes)
