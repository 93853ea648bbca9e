"""One client as the authorizer tries it: its networks as numbers, its HMAC key absorbed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from fwknopd.policy.stanza import Stanza
from fwknopd.policy.verdict import Reason
from fwknopd.spa.digest import Authenticator
from fwknopd.spa.errors import SpaError

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

    def barred(self, destination: Address, now: int) -> Reason | None:
        """Why this client may grant nothing now, whatever the packet says."""
        if self._destinations is not None and destination not in self._destinations:
            return Reason.DESTINATION_NOT_ALLOWED
        if not self.stanza.enabled:
            return Reason.CLIENT_DISABLED
        if self.stanza.access_expire is not None and now > self.stanza.access_expire:
            return Reason.CLIENT_EXPIRED
        return None


def _authenticator(stanza: Stanza) -> Authenticator | None:
    try:
        return stanza.keys.authenticator()
    except SpaError:
        # A key no client can use (too long): `decode` refuses it again for each packet,
        # which stops this client and no other.
        return None
