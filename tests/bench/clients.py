"""Clients with keys, and the knocks they make: by our encoder, fresh each time."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

from fwknopd.spa.message import MessageType
from fwknopd.spa.packet import SpaKeys, encode

FIRST_ADDRESS = IPv4Address("10.0.0.1")
KNOWN_ADDRESSES = "10.0.0.0/8"
"""Whom doors are opened for; the machine outside has all of these addresses."""


@dataclass(frozen=True, slots=True)
class Client:
    """One stanza of access.conf."""

    keys: SpaKeys

    def knock(
        self, address: str, ports: str = "tcp/22", inside: str | None = None, seconds: int = 0
    ) -> bytes:
        """A packet made now that asks for ``ports`` for ``address``.

        ``inside`` is "host,port" behind the router. ``seconds`` is how long the door is to
        stay open; 0 leaves it to the server.
        """
        kind = MessageType.CLIENT_TIMEOUT_ACCESS if seconds else MessageType.ACCESS
        return encode(
            user="bench",
            timestamp=int(time.time()),
            rand=f"{secrets.randbelow(10**16):016}",
            message_type=MessageType.NAT_ACCESS if inside else kind,
            message=f"{address},{ports}",
            nat_access=inside,
            client_timeout=seconds,
            keys=self.keys,
            salt=secrets.token_bytes(8),
        )

    def stanza(self, seconds: int) -> str:
        """Its section of access.conf; doors stay open for ``seconds``."""
        return (
            "SOURCE ANY\n"
            f"KEY_BASE64 {_base64(self.keys.encryption_key)}\n"
            f"HMAC_KEY_BASE64 {_base64(self.keys.hmac_key)}\n"
            "OPEN_PORTS tcp/22, tcp/8080\n"
            f"FW_ACCESS_TIMEOUT {seconds}\n"
        )


def make_clients(count: int) -> list[Client]:
    """Clients with fresh keys."""
    return [Client(SpaKeys(secrets.token_bytes(32), secrets.token_bytes(64))) for _ in range(count)]


def addresses(start: IPv4Address = FIRST_ADDRESS) -> Iterator[str]:
    """Addresses of visitors, each once."""
    while True:
        yield str(start)
        start += 1


def knocks(client: Client, visitors: Sequence[str]) -> list[bytes]:
    """A packet for each visitor."""
    return [client.knock(visitor) for visitor in visitors]


def _base64(key: bytes | None) -> str:
    return base64.b64encode(key or b"").decode()
