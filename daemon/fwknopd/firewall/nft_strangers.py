"""Does everybody's ruleset let in a stranger who has not knocked? Pure.

Other than `nft_judging`, which asks for the worst, this has to be sure: a false alarm would be
worse than none. So the packet takes both ways at every rule that it may meet or not, and only
what is the same on all ways is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from fwknopd.firewall.nft_first_packet import FirstPacket, Marks
from fwknopd.firewall.nft_listing import ListedChain, Ruleset
from fwknopd.firewall.nft_stranger_chains import (
    ACCEPTED,
    GOES_ON,
    NOWHERE,
    REFUSED,
    UNKNOWN,
    Chains,
    End,
    Fates,
    Target,
)
from fwknopd.firewall.nft_walk import Place
from fwknopd.firewall.nft_way_out import unsafe_bases
from fwknopd.policy.stanza import Address

_HOOKS = ("prerouting", "input", "forward")
_ODD_HOOKS = ("ingress", "egress")
# Where a connection may fail that was let in there.
_WAY_OUT = {"input": ("input", "output", "postrouting"), "forward": ("postrouting",)}
# What comes before this in prerouting sees packets of which conntrack knows nothing yet.
_CONNTRACK = -200


class Reach(StrEnum):
    """How strangers fare. SOME: perhaps, or some of them, by a rule that asks for more."""

    OPEN = "open"
    CLOSED = "closed"
    SOME = "some"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Fate:
    """How a stranger fares, by which rule, and where he is led to if anywhere else.

    ``rule`` "" is the policy of a chain; with ``chain`` "" too, nothing refuses anything.
    """

    reach: Reach
    rule: str = ""
    chain: str = ""
    target: Target | None = None


class Judge:
    """Fates of strangers among the rules of one machine, but for those of ``own_table``.

    ``mark`` is the bit of our doors; ``is_own`` tells the machine's addresses from others.
    """

    def __init__(
        self, ruleset: Ruleset, mark: int, own_table: str, is_own: Callable[[Address], bool]
    ) -> None:
        self._ruleset, self._mark = ruleset, mark
        self._is_own = is_own
        # Of tables netdev and bridge nobody knows here for which devices they are.
        self._odd = [
            chain
            for chain in ruleset
            if not chain.table.startswith("arp ")
            and (chain.hook in _ODD_HOOKS or (chain.hook in _HOOKS and not chain.versions))
        ]
        self._unsafe = {
            hook: [base for base in unsafe_bases(ruleset, hook) if base.table != own_table]
            for hook in ("input", "output", "postrouting")
        }
        self._bases = {
            hook: [base for base in ruleset.bases(hook) if base.table != own_table]
            for hook in _HOOKS
        }

    def fate(self, packet: FirstPacket) -> Fate:
        """How the packet fares."""
        way = _Way(self._ruleset, Marks(self._mark), self._is_own)
        for base in self._odd:
            way.may_end_in(base, packet)
        for led in way.before_routing(_seen(self._bases["prerouting"], packet), packet):
            for hook in self._hooks(led):
                way.through(_seen(self._bases[hook], packet), led)
                for out in _WAY_OUT[hook]:
                    way.may_stop_in(_seen(self._unsafe[out], packet))
        return way.fate()

    def _hooks(self, led: _Led) -> tuple[str, ...]:
        """To the router, or through it; both, where nobody knows."""
        if led.target is None or led.target.here:
            return ("input",)
        address = led.target.address
        if address is None:
            return ("input", "forward")
        return ("input",) if self._is_own(address) else ("forward",)


def _seen(bases: list[ListedChain], packet: FirstPacket) -> list[ListedChain]:
    return [base for base in bases if packet.version in base.versions]


@dataclass(frozen=True, slots=True)
class _Led:
    """A packet before it is routed, and where a rule at ``place`` has led it, if any."""

    packet: FirstPacket
    place: Place = field(default=NOWHERE, compare=False)
    target: Target | None = None


class _Way:
    """All ways that one packet may take through the hooks, and where they end."""

    def __init__(self, ruleset: Ruleset, marks: Marks, is_own: Callable[[Address], bool]) -> None:
        self._ruleset, self._marks, self._is_own = ruleset, marks, is_own
        self._ends: dict[End, tuple[Place, Target | None]] = {}

    def fate(self) -> Fate:
        """What is sure, or what keeps it from being so."""
        ends = self._ends
        sure = {End.ACCEPTED: Reach.OPEN, End.REFUSED: Reach.CLOSED}
        first = next(iter(ends), End.UNKNOWN)
        if len(ends) == 1 and first in sure:
            return self._told(sure[first], first)
        if End.UNKNOWN not in ends and End.ACCEPTED in ends:
            return self._told(Reach.SOME, End.ACCEPTED)
        return self._told(Reach.UNKNOWN, End.UNKNOWN)

    def _told(self, reach: Reach, end: End) -> Fate:
        (rule, chain), target = self._ends.get(end, (NOWHERE, None))
        return Fate(reach, rule, chain, target)

    def may_end_in(self, base: ListedChain, packet: FirstPacket) -> None:
        """Note that nothing is sure if the packet might not get through ``base``."""
        for key, place in self._fates(base, packet).items():
            if key != ACCEPTED:
                self._note(End.UNKNOWN, place)

    def may_stop_in(self, unsafe: list[ListedChain]) -> None:
        """Note that nothing is sure where the answer, or the packet itself, may be stopped."""
        for base in unsafe if End.ACCEPTED in self._ends else ():
            self._note(End.UNKNOWN, ("", base.title))

    def before_routing(self, bases: list[ListedChain], packet: FirstPacket) -> list[_Led]:
        """The packet as it may look after prerouting."""
        ways = [_Led(packet)]
        for base in bases:
            ways = list(dict.fromkeys(led for way in ways for led in self._led(base, way)))
        return ways

    def _led(self, base: ListedChain, way: _Led) -> Iterator[_Led]:
        if base.kind == "nat" and way.target is not None:
            # The first translation is the one that counts.
            yield way
            return
        for (end, target), place in self._fates(base, way.packet).items():
            if end is End.ACCEPTED:
                yield way
            elif target is not None:
                yield _Led(self._translated(way.packet, target), place, target)
            else:
                self._note(end, place)

    def _translated(self, packet: FirstPacket, target: Target) -> FirstPacket:
        """Led to where it goes anyway, it is no translated one to the kernel."""
        is_other = target.port is not None and target.port != packet.port
        stays_here = target.here or target.address is None or self._is_own(target.address)
        translated = True if is_other or not stays_here else None
        return replace(packet, address=target.address, port=target.port, translated=translated)

    def through(self, bases: list[ListedChain], way: _Led) -> None:
        """Note how the packet may fare in the base chains of a hook."""
        by = NOWHERE
        for base in bases:
            fates = self._fates(base, way.packet)
            accepted = fates.pop(ACCEPTED, None)
            for (end, target), place in fates.items():
                self._note(end if target is None else End.UNKNOWN, place)
            if accepted is None:
                return
            by = by if by[0] else accepted
        self._note(End.ACCEPTED, way.place if way.target else by, way.target)

    def _note(self, end: End, place: Place, target: Target | None = None) -> None:
        self._ends.setdefault(end, (place, target))

    def _fates(self, base: ListedChain, packet: FirstPacket) -> Fates:
        tracked = base.hook != "prerouting" or base.priority > _CONNTRACK
        neighbours = self._ruleset.neighbours(base)
        fates = Chains(neighbours, packet, self._marks, tracked=tracked).fates(base)
        if fates.pop(GOES_ON, None) is not None:
            end = REFUSED if base.policy == "drop" else ACCEPTED
            fates.setdefault(end, ("", base.title))
        if base.kind == "nat" and (place := fates.pop(REFUSED, None)) is not None:
            # Where nothing else asks for conntrack, the kernel may pass these chains by.
            fates.setdefault(UNKNOWN, place)
        return fates
