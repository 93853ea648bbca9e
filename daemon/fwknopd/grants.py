"""Open doors, as pure state: which client opened what, for whom, until when.

Times are seconds of a monotonic clock, so a clock step never opens or closes a
door. The kernel enforces expiry; this table remembers who opened the door.

One door may be held by several clients (two phones behind one address). The kernel
keeps it open until the last of them expires, and so does `GrantTable.open_until`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from heapq import heapify, heappop, heappush
from ipaddress import ip_network

from fwknopd.policy.stanza import Address, NatTarget, Network, SourceNat
from fwknopd.spa.request import PortSpec

UNKNOWN_CLIENT = "?"
"""Owner of a door that was found open, and of which no earlier process of ours has noted whose."""


@dataclass(frozen=True, slots=True)
class Door:
    """What the firewall opens: the identity of a grant, without its time and owner.

    - ``address``, with ``prefix`` a whole network around it, is who gets in
    - ``port`` is the outside port; None is every port of every protocol, which only makes
      sense for what passes through this router (FORWARD_ALL)
    - ``nat`` sends connections on to a target, which is the router itself when ``local``
    - ``translate`` False opens the way to ``nat`` for connections that already name it
      (DISABLE_DNAT): nothing is translated
    - ``source_nat`` changes where forwarded connections appear to come from
    - ``destination`` limits the door to connections to that address of this router
      (ENABLE_DESTINATION_RULE)

    Whatever opens the same is the same value, so that a door read back from a firewall is
    the one that was opened, and knocks for it extend it:

    - a target's port that is 0, for unchanged, becomes the outside port
    - what is not translated is reached under the port the target has; on the router itself
      that is a plain access to one of its addresses
    - a destination, a target's port and a source to appear from are only kept where they matter
    """

    address: Address
    port: PortSpec | None
    nat: NatTarget | None = None
    local: bool = False
    prefix: int | None = None
    translate: bool = True
    source_nat: SourceNat | None = None
    destination: Address | None = None
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._become_one_value()
        # Asked for a dozen times of each door, and addresses take long to tell theirs.
        parts = (self.address, self.port, self.nat, self.prefix, self.destination)
        object.__setattr__(self, "_hash", hash(parts))

    def __hash__(self) -> int:
        return self._hash

    def _become_one_value(self) -> None:
        if self.prefix is not None:
            self._become(address=self.network.network_address)
            if self.prefix == self.address.max_prefixlen:
                self._become(prefix=None)
        if self.nat is not None:
            self._name_target(self.nat)
        elif self.local or not self.translate:
            self._become(local=False, translate=True)
        if not self.forwarded:
            if self.source_nat is not None:
                self._become(source_nat=None)
        elif not self.redirects:
            self._become(destination=None)

    def _name_target(self, nat: NatTarget) -> None:
        if self.port is None:
            self._become(nat=NatTarget(nat.address, 0), local=False)
            return
        inside = nat.port or self.port.port
        self._become(nat=NatTarget(nat.address, inside))
        if not self.translate:
            self._become(port=PortSpec(self.port.protocol, inside))
            if self.local:
                self._become(nat=None, local=False, translate=True, destination=nat.address)

    def _become(self, **values: object) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def forwarded(self) -> bool:
        """It leads through this router, not to it."""
        return self.port is None or (self.nat is not None and not self.local)

    @property
    def redirects(self) -> bool:
        """It changes where connections to its outside port go."""
        return self.nat is not None and self.translate

    @property
    def target(self) -> Address | None:
        """The machine it leads to, None when it leads nowhere in particular."""
        return self.nat.address if self.nat else None

    @property
    def claim(self) -> tuple[object, ...] | None:
        """What only one door can decide: where a port leads, or how to get to a place.

        None for a door that leads nowhere else, beside which any other can be open.
        """
        if not self.forwarded and not self.redirects:
            return None
        place = "here" if self.redirects else self.nat
        return (self.address, self.prefix, self.port, self.destination, place)

    @property
    def network(self) -> Network:
        """Who gets in, as a network; a single address has all of its bits."""
        # A scope, as in fe80::1%eth0, means nothing in a network.
        bits = self.address.max_prefixlen if self.prefix is None else self.prefix
        return ip_network((self.address.packed, bits), strict=False)

    @property
    def who(self) -> str:
        """Who gets in, for people: an address, or a network."""
        return str(self.address) if self.prefix is None else str(self.network)

    @property
    def what(self) -> str:
        """What opens, for people: a port, or ``all``."""
        return "all" if self.port is None else str(self.port)


@dataclass(frozen=True, slots=True)
class Grant:
    """A door with its owner and its times (monotonic seconds).

    ``client`` is what people call the owner; ``owner`` tells keys apart, for labels can be
    equal, and numbers change when a client is deleted. Both together are whose grant it is.
    ``cut_at_expiry``: the door's connections end with it.
    """

    door: Door
    client: str
    opened: float
    expires: float
    owner: str = field(default="", repr=False)
    cut_at_expiry: bool = False

    @property
    def holder(self) -> str:
        """Whose grant this is."""
        return _holder(self.owner, self.client)

    @property
    def id(self) -> str:
        """Short name: the same for the same client and door, however often it knocks."""
        door = self.door
        identity = f"{self.holder}\0{door}"
        return sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()[:10]


class GrantTable:
    """All grants that are open, by door and client, and ``late`` seconds longer."""

    def __init__(self, late: float = 0.0) -> None:
        self.late = late
        self._by_door: dict[Door, dict[str, Grant]] = {}
        self._by_claim: dict[object, dict[Door, None]] = {}
        self._count = 0
        # By end, for `next_expiry` and `expire` among thousands. A grant that was
        # extended or dropped stays in the heap until it comes up, and is skipped then.
        self._ends: list[tuple[float, int, Grant]] = []
        self._pushes = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Grant]:
        """Every grant, doors in the order they were first opened."""
        return iter([grant for held in self._by_door.values() for grant in held.values()])

    def plan(
        self,
        door: Door,
        client: str,
        lifetime: float,
        now: float,
        owner: str = "",
        *,
        cut_at_expiry: bool = False,
    ) -> Grant:
        """The grant this knock would make, not recorded yet.

        Knocking again extends: the end moves to ``now + lifetime``, and never to an
        earlier time than was already promised.
        """
        held = self._by_door.get(door, {})
        before = held.get(_holder(owner, client)) or held.get(UNKNOWN_CLIENT)
        expires = now + lifetime
        if before is None or before.expires <= now:
            return Grant(door, client, now, expires, owner, cut_at_expiry)
        expires = max(before.expires, expires)
        return Grant(door, client, before.opened, expires, owner, cut_at_expiry)

    def record(self, grant: Grant) -> None:
        """Take in a grant the firewall has opened; it takes over a door of unknown owner."""
        held = self._by_door.setdefault(grant.door, {})
        if grant.door.claim is not None:
            self._by_claim.setdefault(grant.door.claim, {})[grant.door] = None
        before = len(held)
        held.pop(UNKNOWN_CLIENT, None)
        held[grant.holder] = grant
        self._count += len(held) - before
        self._pushes += 1
        heappush(self._ends, (grant.expires, self._pushes, grant))
        if len(self._ends) > 2 * self._count + 64:
            self._ends = [end for end in self._ends if self._is_current(end[2])]
            heapify(self._ends)

    def open(self, door: Door, client: str, lifetime: float, now: float) -> Grant:
        """Plan and record in one step."""
        grant = self.plan(door, client, lifetime, now)
        self.record(grant)
        return grant

    def of(self, door: Door) -> list[Grant]:
        """The grants of one door."""
        return list(self._by_door.get(door, {}).values())

    def open_until(self, door: Door) -> float | None:
        """When the last client's grant of this door ends; None when nobody holds it."""
        held = self._by_door.get(door)
        return max(grant.expires for grant in held.values()) if held else None

    def rivals(self, door: Door) -> list[Grant]:
        """The grants of other doors that decide what ``door`` is to decide."""
        claimed = self._by_claim.get(door.claim, {})
        return [grant for o in claimed if o != door for grant in self._by_door[o].values()]

    def next_expiry(self) -> float | None:
        """When to call `expire` for the next grant that ends; None when there is none."""
        while self._ends and not self._is_current(self._ends[0][2]):
            heappop(self._ends)
        return self._ends[0][0] + self.late if self._ends else None

    def expire(self, now: float) -> list[Grant]:
        """Drop and return the grants whose time is over, first ended first."""
        over = []
        while (end := self.next_expiry()) is not None and end <= now:
            over += self.drop([heappop(self._ends)[2]])
        return over

    def restore(self, open_doors: Iterable[tuple[Door, float]], now: float) -> list[Grant]:
        """Adopt doors the kernel has open (with their remaining seconds) and nobody here holds."""
        adopted = [
            Grant(door, UNKNOWN_CLIENT, now, now + seconds)
            for door, seconds in open_doors
            if door not in self._by_door
        ]
        for grant in adopted:
            self.record(grant)
        return adopted

    def drop(self, grants: Sequence[Grant]) -> list[Grant]:
        """Take these grants out and return them."""
        for grant in grants:
            held = self._by_door[grant.door]
            del held[grant.holder]
            self._count -= 1
            if not held:
                self._forget(grant.door)
        return list(grants)

    def _forget(self, door: Door) -> None:
        del self._by_door[door]
        claimed = self._by_claim.get(door.claim, {})
        claimed.pop(door, None)
        if not claimed:
            self._by_claim.pop(door.claim, None)

    def _is_current(self, grant: Grant) -> bool:
        return self._by_door.get(grant.door, {}).get(grant.holder) is grant


def _holder(owner: str, client: str) -> str:
    """Several clients may have the same keys; what they are called tells those apart."""
    return f"{owner}\0{client}" if owner else client
