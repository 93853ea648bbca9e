"""Knocks of every kind, made by our own encoder, and the configuration that knows their clients."""

from __future__ import annotations

import base64
import hashlib
import secrets
import socket
import time
from collections.abc import Iterable

from fwknopd.spa.message import MessageType
from fwknopd.spa.packet import SpaKeys, encode
from tests.lab.configs import SPA_PORT
from tests.netns.matrix.kinds import PLACES, Kind
from tests.netns.matrix.site import ALIAS, Home
from tests.netns.namespaces import Machine
from tests.netns.probes import family_of

USUAL = {
    "PCAP_INTF": "eth1",
    "ENABLE_IPT_FORWARDING": "Y",
    "ENABLE_IPT_LOCAL_NAT": "Y",
}
STRICT = USUAL | {
    "ENABLE_DESTINATION_RULE": "Y",
    "ENABLE_IPT_SNAT": "Y",
    "SNAT_TRANSLATE_IP": ALIAS[4],
}


def keys_of(client: str) -> SpaKeys:
    """A client's keys: the same in every run, and no other client's."""
    return SpaKeys(
        hashlib.sha256(client.encode()).digest(), hashlib.sha512(client.encode()).digest()
    )


def config_text(
    kinds: Iterable[Kind], server: dict[str, str], disabled: frozenset[str] = frozenset()
) -> str:
    """The UCI file with a client for each kind and IP version."""
    sections = ["config global\n\toption uci_enabled '1'\n", section("config", server)]
    for kind in kinds:
        for version in kind.versions:
            client = kind.client(version)
            enabled = {"enabled": "0"} if client in disabled else {}
            sections.append(
                section("access", client_section(client) | kind.section(version) | enabled)
            )
    return "\n".join(sections)


def client_section(name: str) -> dict[str, str]:
    """The options every client has."""
    keys = keys_of(name)
    assert keys.encryption_key is not None and keys.hmac_key is not None
    return {
        "name": name,
        "SOURCE": "ANY",
        "KEY_BASE64": base64.b64encode(keys.encryption_key).decode(),
        "HMAC_KEY_BASE64": base64.b64encode(keys.hmac_key).decode(),
    }


def section(kind: str, options: dict[str, str]) -> str:
    """A section of a UCI file."""
    lines = [f"\toption {name} '{value}'\n" for name, value in options.items()]
    return f"config {kind}\n{''.join(lines)}"


def _message_type(kind: Kind) -> MessageType:
    if kind.local:
        return MessageType.CLIENT_TIMEOUT_LOCAL_NAT_ACCESS
    if kind.nat:
        return MessageType.CLIENT_TIMEOUT_NAT_ACCESS
    return MessageType.CLIENT_TIMEOUT_ACCESS


def packet(kind: Kind, home: Home, seconds: int, ahead: float = 0.0) -> bytes:
    """What a phone sends to have its door open for ``seconds``.

    Its clock is ``ahead`` of this machine's by so many seconds.
    """
    return packet_of(kind.client(home.version), kind, home, seconds, ahead)


def packet_of(client: str, kind: Kind, home: Home, seconds: int, ahead: float = 0.0) -> bytes:
    """The same, with the keys of any client."""
    named = home.address(kind.names) if kind.names else home.phone
    # A packet can't name an IPv6 address: it means whoever sent it.
    address = named if home.version == 4 else "0.0.0.0"
    return encode(
        user="alice",
        timestamp=int(time.time() + ahead),
        rand=f"{secrets.randbelow(10**16):016}",
        message_type=_message_type(kind),
        message=f"{address},{kind.ports}",
        nat_access=kind.target(home.version),
        client_timeout=seconds,
        keys=keys_of(client),
        salt=secrets.token_bytes(8),
    )


def send(outside: Machine, payload: bytes, source: str, address: str) -> None:
    """Send a packet from an address of the Internet."""
    with outside.entered():
        sender = socket.socket(family_of(source), socket.SOCK_DGRAM)
    with sender:
        sender.bind((source, 0))
        sender.sendto(payload, (address, SPA_PORT))


def knock(outside: Machine, kind: Kind, home: Home, seconds: int) -> None:
    """Knock from the phone."""
    address = PLACES[kind.knocks_at][home.version]
    send(outside, packet(kind, home, seconds), home.phone, address)
