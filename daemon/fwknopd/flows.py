"""Which tracked connections came in by which door. Pure: records in, doors out.

A connection is known by what the kernel tracks: the packets that began it, and the
packets that answer, which differ from them when one of the ends is translated. Nothing
tells by which device it came, or that it was a door that let it in, so what counts is
whether the door, were it open, would let it in today:

- it comes from the door's address or network;
- through a plain door it ends at this router itself, at the door's port. What a device of
  the LAN sends out to the same port of some other host never does, wherever it knocked;
- through a door that leads on it was sent to the door's target, from the door's outside
  port. So one that an earlier door sent elsewhere, or that no door translated, is not its;
- FORWARD_ALL without a target is all that passes through the router.

Other rules may have let such a connection in; it belongs to the door all the same. An
answer may seem to begin a connection: the kernel takes up in the middle one that it knows
nothing of any more, whoever speaks first. So both directions are looked at, except for
FORWARD_ALL, where the other direction is whatever the LAN does with that address.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fwknopd.grants import Door
from fwknopd.policy.stanza import Address
from fwknopd.spa.request import PortSpec

IsLocal = Callable[[Address], bool]
"""Is this one of the router's own addresses?"""


@dataclass(frozen=True, slots=True)
class Way:
    """One direction of a connection, as its packets name it; no ports are 0."""

    source: Address
    destination: Address
    protocol: int
    source_port: int = 0
    destination_port: int = 0

    @property
    def back(self) -> Way:
        """The other direction, where nothing is translated."""
        return Way(
            self.destination,
            self.source,
            self.protocol,
            self.destination_port,
            self.source_port,
        )


@dataclass(frozen=True, slots=True)
class Flow:
    """A connection: the packets that began it, and the packets that answer."""

    original: Way
    reply: Way


@dataclass(frozen=True, slots=True)
class Passage:
    """A connection seen from where it comes in: as it arrives, and as it goes on."""

    outside: Way
    inside: Way


def passage_through(flow: Flow, door: Door, is_local: IsLocal) -> Passage | None:
    """How ``flow`` comes in by ``door``; None when it doesn't."""
    passage = Passage(flow.original, flow.reply.back)
    if fits(passage, door, is_local):
        return passage
    if door.port is None:
        return None
    passage = Passage(flow.reply, flow.original.back)
    return passage if fits(passage, door, is_local) else None


def fits(passage: Passage, door: Door, is_local: IsLocal) -> bool:
    """What passes like this comes in by ``door``."""
    return (
        passage.outside.source in door.network
        and _is_named(passage, door)
        and _is_led(passage.inside, door, is_local)
    )


def _is_named(passage: Passage, door: Door) -> bool:
    """The packets ask for what the door opens: a port, and an address if it names one."""
    asked = passage.outside if door.redirects else passage.inside
    return door.destination in (None, asked.destination) and _is_for(asked, door.port)


def _is_led(inside: Way, door: Door, is_local: IsLocal) -> bool:
    """They end where the door leads."""
    if door.nat is None:
        return is_local(inside.destination) != door.forwarded
    return inside.destination == door.nat.address and door.nat.port in (0, inside.destination_port)


def _is_for(way: Way, port: PortSpec | None) -> bool:
    if port is None:
        return True
    return way.protocol == port.protocol.number and way.destination_port == port.port


class DoorIndex:
    """Finds the doors of a connection among thousands."""

    def __init__(self, doors: Iterable[Door], is_local: IsLocal) -> None:
        self._is_local = is_local
        # By the bits of an address that a prefix leaves out, and the network's number.
        self._networks: dict[tuple[int, int], dict[int, list[Door]]] = {}
        for door in dict.fromkeys(doors):
            version, spare = door.address.version, _spare_bits(door)
            numbers = self._networks.setdefault((version, spare), {})
            numbers.setdefault(int(door.address) >> spare, []).append(door)

    def __bool__(self) -> bool:
        return bool(self._networks)

    @property
    def versions(self) -> frozenset[int]:
        """IP versions that any door is for."""
        return frozenset(version for version, _ in self._networks)

    def addresses(self, version: int) -> list[Address] | None:
        """Whom doors of that version are for; None when a whole network is among them."""
        families = [spare for known, spare in self._networks if known == version]
        if any(families):
            return None
        numbers = self._networks.get((version, 0), {})
        return [doors[0].address for doors in numbers.values()]

    def knows(self) -> Callable[[bytes], bool]:
        """Tells whether a connection with an address (in network order) may be a door's.

        It is asked about each end of all connections there are.
        """
        if not any(spare for _, spare in self._networks):
            numbers = self._networks.items()
            exact = {doors[0].address.packed for _, found in numbers for doors in found.values()}
            return exact.__contains__
        return self._may_know

    def _may_know(self, packed: bytes) -> bool:
        version = 4 if len(packed) == 4 else 6
        number = int.from_bytes(packed)
        return any(
            number >> spare in numbers
            for (known, spare), numbers in self._networks.items()
            if known == version
        )

    def passages(self, flow: Flow) -> list[tuple[Door, Passage]]:
        """The doors that ``flow`` comes in by, and how."""
        ends = dict.fromkeys((flow.original.source, flow.reply.source))
        near = dict.fromkeys(door for end in ends for door in self._for(end))
        found = [(door, passage_through(flow, door, self._is_local)) for door in near]
        return [(door, passage) for door, passage in found if passage is not None]

    def _for(self, address: Address) -> list[Door]:
        number = int(address)
        return [
            door
            for (version, spare), numbers in self._networks.items()
            if version == address.version
            for door in numbers.get(number >> spare, ())
        ]


def _spare_bits(door: Door) -> int:
    return 0 if door.prefix is None else door.address.max_prefixlen - door.prefix
