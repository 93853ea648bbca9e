"""One client as the authorizer tries it: its networks as numbers, its HMAC key absorbed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from fwknopd.policy.packet import Packet
from fwknopd.policy.rules import utc
from fwknopd.policy.stanza import Stanza
from fwknopd.policy.verdict import Reason
from fwknopd.spa.digest import Authenticator
from fwknopd.spa.errors import SpaError
from fwknopd.spa.message import SpaMessage
from fwknopd.spa.packet import WireText, decode

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class NetworkSet:
    """Networks compared by mask; `ipaddress` takes several times as long per client."""

    __slots__ = ("_v4", "_v6")

    def __init__(self, networks: Iterable[Network]) -> None:
        known = tuple(networks)
        self._v4, self._v6 = (
            tuple(
                (int(network.netmask), int(network.network_address))
                for network in known
                if network.version == version
            )
            for version in (4, 6)
        )

    def __contains__(self, address: Address) -> bool:
        value = int(address)
        for mask, network in self._v4 if address.version == 4 else self._v6:
            if value & mask == network:
                return True
        return False


def network_set(networks: Iterable[Network] | None) -> NetworkSet | None:
    """The set, or None for ANY."""
    return None if networks is None else NetworkSet(networks)


class Candidate:
    """A stanza made ready to be tried on every packet.

    - ``matches``: does this wire text end in this client's MAC? None when its packets
      carry no MAC, and then only `decode` can tell
    - ``conditional``: `barred` has to be asked before this client may grant anything
    """

    __slots__ = ("_destinations", "authenticator", "conditional", "matches", "sources", "stanza")

    def __init__(self, stanza: Stanza) -> None:
        self.stanza = stanza
        self.sources = network_set(stanza.sources)
        self._destinations = network_set(stanza.destinations)
        self.conditional = (
            self._destinations is not None or not stanza.enabled or stanza.access_expire is not None
        )
        self.authenticator = _authenticator(stanza)
        self.matches: Callable[[bytes], bool] | None = None
        if self.authenticator is not None:
            self.matches = self.authenticator.matches

    def hears(self, source: Address) -> bool:
        """SOURCE covers this address."""
        return self.sources is None or source in self.sources

    def misses(self, destination: Address) -> bool:
        """DESTINATION leaves this address out."""
        return self._destinations is not None and destination not in self._destinations

    def expired(self, now: int) -> bool:
        """This client's time is over."""
        return self.stanza.access_expire is not None and now > self.stanza.access_expire

    def barred(self, destination: Address, now: int) -> Reason | None:
        """Why this client may grant nothing now, whatever the packet says."""
        if self.misses(destination):
            return Reason.DESTINATION_NOT_ALLOWED
        if not self.stanza.enabled:
            return Reason.CLIENT_DISABLED
        return Reason.CLIENT_EXPIRED if self.expired(now) else None

    def open(self, wire: WireText) -> SpaMessage:
        """The message, if this client's keys made the packet. Raises `SpaError`."""
        stanza = self.stanza
        return decode(
            wire,
            stanza.keys,
            authenticator=self.authenticator,
            any_length=stanza.enable_cmd_exec,
        )


def why_barred(reason: Reason, stanza: Stanza, packet: Packet) -> str:
    """A reason of `Candidate.barred` in words."""
    if reason is Reason.DESTINATION_NOT_ALLOWED:
        return f"sent to {packet.destination}, which this client's DESTINATION does not cover"
    if reason is Reason.CLIENT_DISABLED:
        return "this client is switched off"
    return f"this client's access ended on {utc(stanza.access_expire or 0)}"


def _authenticator(stanza: Stanza) -> Authenticator | None:
    try:
        return stanza.keys.authenticator()
    except SpaError:
        # A key no client can use (too long): `decode` refuses it again for each packet,
        # which stops this client and no other.
        return None
