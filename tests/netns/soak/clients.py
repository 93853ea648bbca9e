"""Hundreds of clients, each with keys and a phone of its own, and what they send."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass

from tests.netns.matrix.kinds import Kind
from tests.netns.matrix.knocking import USUAL, client_section, packet_of, section
from tests.netns.matrix.site import Home
from tests.netns.matrix.walk_doors import WALKED

TCP, NAT = (next(kind for kind in WALKED if kind.name == name) for name in ("tcp", "nat"))
CLIENTS = 300
MAX_AGE = 15
SERVER = USUAL | {"MAX_SPA_PACKET_AGE": str(MAX_AGE)}
JUNK_BYTES = 230


@dataclass(frozen=True, slots=True)
class Client:
    """One of them. Every tenth is led to a host behind the router."""

    number: int

    @property
    def name(self) -> str:
        """What the daemon calls it."""
        return f"client-{self.number}"

    @property
    def home(self) -> Home:
        """Where its phone is."""
        return Home(2 * self.number + 1, 4)

    @property
    def kind(self) -> Kind:
        """What it asks for."""
        return TCP if self.number % 10 else NAT

    def knock(self, seconds: int) -> bytes:
        """A fresh packet that asks for so many seconds."""
        return packet_of(self.name, self.kind, self.home, seconds)


EVERYBODY = tuple(Client(number) for number in range(CLIENTS))


def configuration(disabled: Collection[Client] = ()) -> str:
    """The UCI file."""
    parts = ["config global\n\toption uci_enabled '1'\n", section("config", SERVER)]
    for client in EVERYBODY:
        enabled = {"enabled": "0"} if client in disabled else {}
        options = client_section(client.name) | client.kind.section(4) | enabled
        parts.append(section("access", options))
    return "\n".join(parts)


def junk() -> bytes:
    """What looks like a knock, and is of nobody's."""
    return secrets.token_urlsafe(JUNK_BYTES)[:JUNK_BYTES].encode()
