"""One client as the authorizer tries it: its networks as numbers, its HMAC key absorbed.

A client with an AES key and a GPG key is two of these, tried in this order.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple

from fwknopd.policy.gpg_questions import GpgFacts, GpgQuestion
from fwknopd.policy.packet import Packet
from fwknopd.policy.rules import utc
from fwknopd.policy.stanza import Address, Stanza
from fwknopd.policy.verdict import Reason
from fwknopd.spa.digest import Authenticator
from fwknopd.spa.errors import SpaError
from fwknopd.spa.message import SpaMessage
from fwknopd.spa.packet import SpaKeys, WireText, decode_with_key

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


class Opened(NamedTuple):
    """A packet that a client's keys opened.

    ``key`` names it in the replay cache. ``signer`` is the GPG key that signed it, and None
    where nobody asks for a signature.
    """

    message: SpaMessage
    key: bytes
    signer: str | None = None


@dataclass(frozen=True, slots=True)
class Unopened:
    """A packet that gpg has to open. ``key`` as in `Opened`."""

    question: GpgQuestion
    key: bytes


class Candidate:
    """A stanza made ready to be tried on every packet.

    - ``matches``: does this wire text end in this client's MAC? None when its packets
      carry no MAC, and then only `decode` can tell
    - ``conditional``: `barred` has to be asked before this client may grant anything
    """

    __slots__ = (
        "_destinations",
        "authenticator",
        "conditional",
        "keys",
        "matches",
        "sources",
        "stanza",
    )

    def __init__(self, stanza: Stanza, keys: SpaKeys | None = None) -> None:
        self.stanza = stanza
        self.keys = keys or stanza.keys
        self.sources = network_set(stanza.sources)
        self._destinations = network_set(stanza.destinations)
        self.conditional = (
            self._destinations is not None or not stanza.enabled or stanza.access_expire is not None
        )
        self.authenticator = _authenticator(self.keys)
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

    def takes(self, wire: WireText) -> bool:
        """The packet may be of this kind, by its length."""
        return True

    def open(self, wire: WireText, facts: GpgFacts) -> Opened | Unopened:
        """The message, if this client's keys made the packet. Raises `SpaError`."""
        any_length = self.stanza.enable_cmd_exec
        return Opened(*decode_with_key(wire, self.keys, self.authenticator, any_length=any_length))


def candidates_of(stanza: Stanza) -> Iterator[Candidate]:
    """The ways to try a packet on this client, cheapest first."""
    if stanza.keys.encryption_key is not None or stanza.gpg is None:
        yield Candidate(stanza)
    if stanza.gpg is not None:
        # Few clients have a GPG key.
        from fwknopd.policy.gpg_candidate import GpgCandidate

        yield GpgCandidate(stanza, stanza.gpg)


def why_barred(reason: Reason, stanza: Stanza, packet: Packet) -> str:
    """A reason of `Candidate.barred` in words."""
    if reason is Reason.DESTINATION_NOT_ALLOWED:
        return f"sent to {packet.destination}, which this client's DESTINATION does not cover"
    if reason is Reason.CLIENT_DISABLED:
        return "this client is switched off"
    if stanza.old_keys_of:
        return f"these are old keys of {stanza.old_keys_of}, and their time is over"
    return f"this client's access ended on {utc(stanza.access_expire or 0)}"


def _authenticator(keys: SpaKeys) -> Authenticator | None:
    try:
        return keys.authenticator()
    except SpaError:
        # A key no client can use (too long): `decode` refuses it again for each packet,
        # which stops this client and no other.
        return None
