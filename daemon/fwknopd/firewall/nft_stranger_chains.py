"""What may become of a stranger's packet in the chains of one table. Pure.

At a rule that it may meet or not, it takes both ways.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from ipaddress import ip_address

from fwknopd.firewall.nft_conditions import entry_of, met_by
from fwknopd.firewall.nft_first_packet import VERSIONS, FirstPacket, Marks, Met, Seen
from fwknopd.firewall.nft_listing import ListedChain
from fwknopd.firewall.nft_walk import DEPTH, LONGEST_WAY, Place
from fwknopd.policy.stanza import Address

_GO = re.compile(r"(?P<how>jump|goto) (?P<chain>[^\s,}]+)")
_LEADS = re.compile(r"(?P<how>dnat|redirect)(?: (?P<family>ip6?))?(?: to (?P<to>[^\s{]+))?(?= |$)")
# These are for packets of one kind alone, which is not listed before them.
_REJECT = re.compile(r"reject with (?P<what>tcp|icmp|icmpv6) ")
_REJECTED = {"tcp": ("tcp", 4, 6), "icmp": ("", 4), "icmpv6": ("", 6)}
_VMAP = re.compile(r"(?P<key>[a-z]\w*(?: \w+)?) vmap (?:\{(?P<entries>[^}]*)\}|@\S+)")
_WORD = re.compile(r"(?:accept|drop|reject|return|continue|masquerade|snat)(?= |$)")
# Not what a map says.
_LITERAL = re.compile(r"[0-9a-f.:\[\]-]+")
_TO = re.compile(r"(?P<v4>\d[\d.]*)?(?:\[(?P<v6>[0-9a-f:]+)\])?(?::(?P<port>\d{1,5}))?")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a rule leads a connection: to an ``address``, or ``here``, to the router itself.

    What can't be told is None.
    """

    address: Address | None = None
    port: int | None = None
    here: bool = False


class End(Enum):
    """What becomes of a packet in a chain. LED: a rule sends it elsewhere."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    LED = "led elsewhere"
    GOES_ON = "goes on"


Fates = dict[tuple[End, Target | None], Place]
NOWHERE: Place = ("", "")
ACCEPTED, REFUSED = (End.ACCEPTED, None), (End.REFUSED, None)
UNKNOWN, GOES_ON = (End.UNKNOWN, None), (End.GOES_ON, None)
_ENDS = {
    "accept": ACCEPTED,
    "drop": REFUSED,
    "reject": REFUSED,
    # In a chain for NAT, both let the packet go on its way.
    "masquerade": ACCEPTED,
    "snat": ACCEPTED,
}


@dataclass(slots=True)
class _Effect:
    """What a rule may do: the packet ends, ``stays`` for the next rule, or ``leaves`` the chain."""

    ends: Fates = field(default_factory=dict)
    stays: bool = False
    leaves: bool = False


_STAYS = _Effect(stays=True)


class Chains:
    """The chains of one table, and what may become of a packet in each."""

    def __init__(
        self,
        chains: Mapping[str, ListedChain],
        packet: FirstPacket,
        marks: Marks,
        *,
        tracked: bool = True,
    ) -> None:
        self._chains, self._packet, self._marks = chains, packet, marks
        self._tracked = tracked
        self._known: dict[tuple[str, bool], Fates] = {}
        self._depth = self._passed = 0

    def fates(self, chain: ListedChain) -> Fates:
        """All ends there may be in a chain. The second time they are those of the first."""
        state = (chain.title, self._marks.bit_clear)
        if state not in self._known:
            self._depth += 1
            self._known[state] = self._walked(chain)
            self._depth -= 1
        return dict(self._known[state])

    def _walked(self, chain: ListedChain) -> Fates:
        fates: Fates = {}
        for rule in chain.rules:
            effect = self._rule(rule, chain)
            # What is named is a rule that is surely met, if there is one.
            fates = {**effect.ends, **fates} if effect.stays else {**fates, **effect.ends}
            if effect.leaves:
                fates[GOES_ON] = NOWHERE
            if not effect.stays:
                return fates
        return {**fates, GOES_ON: NOWHERE}

    def _rule(self, rule: str, chain: ListedChain) -> _Effect:
        place = (rule, chain.title)
        self._passed += 1
        if self._passed > LONGEST_WAY:
            return _Effect({UNKNOWN: place})
        seen = Seen(self._packet, self._marks, chain.is_by_iptables, self._tracked)
        # Of those of iptables, less is listed than they ask for.
        rest, doubts = rule, {Met.MAYBE} if seen.by_iptables else set()
        while rest:
            if effect := self._action(rest, place, seen):
                return _doubted(effect, doubts)
            found = met_by(rest, seen)
            if found is None:
                return _Effect({UNKNOWN: place}, stays=True, leaves=True)
            rest, met = found
            if met is Met.NO:
                break
            doubts.add(met)
        return _Effect(stays=True)

    def _action(self, rest: str, place: Place, seen: Seen) -> _Effect | None:
        """What is done by the verdict that ``rest`` begins with; None if that is none."""
        if match := _WORD.match(rest):
            return _done(match[0], place) if _is_rejected(rest, self._packet) else _STAYS
        if match := _GO.match(rest):
            return self._went(match, place)
        if match := _LEADS.match(rest):
            return _led(match, place, self._packet)
        if match := _VMAP.match(rest):
            entries = match["entries"]
            verdict = None if entries is None else entry_of(match["key"], entries.split(", "), seen)
            if verdict is None:
                return _Effect({UNKNOWN: place}, stays=True, leaves=True)
            return self._action(verdict, place, seen) or _Effect(stays=True)
        return None

    def _went(self, match: re.Match[str], place: Place) -> _Effect:
        target = self._chains.get(match["chain"])
        if target is None or self._depth >= DEPTH:
            return _Effect({UNKNOWN: place}, stays=True, leaves=True)
        ends = self.fates(target)
        comes_back = ends.pop(GOES_ON, None) is not None
        goes = match["how"] == "goto"
        return _Effect(ends, stays=comes_back and not goes, leaves=comes_back and goes)


def _done(word: str, place: Place) -> _Effect:
    if word in _ENDS:
        return _Effect({_ENDS[word]: place})
    return _Effect(stays=word == "continue", leaves=word == "return")


def _doubted(effect: _Effect, doubts: set[Met]) -> _Effect:
    """The same of a rule that may be met or not."""
    # Rates are there to stop floods: a stranger's first packet comes back from such a chain.
    few = Met.AT_FIRST in doubts and not effect.leaves
    if few or Met.MAYBE in doubts:
        return replace(effect, stays=True)
    return effect


def _is_rejected(rest: str, packet: FirstPacket) -> bool:
    match = _REJECT.match(rest)
    if match is None:
        return True
    protocol, *versions = _REJECTED[match["what"]]
    return protocol in ("", packet.protocol) and packet.version in versions


def _led(match: re.Match[str], place: Place, packet: FirstPacket) -> _Effect:
    """Where packets of the other family are not led to."""
    target, family = _target(match, packet), match["family"]
    versions = {VERSIONS[family]} if family else {4, 6}
    if target.address is not None:
        versions &= {target.address.version}
    if packet.version not in versions:
        return _STAYS
    # A map may have nothing for the packet, which then goes on to the next rule.
    to = match["to"]
    is_sure = match["how"] == "redirect" if to is None else _LITERAL.fullmatch(to) is not None
    return _Effect({(End.LED, target): place}, stays=not is_sure)


def _target(match: re.Match[str], packet: FirstPacket) -> Target:
    here, to = match["how"] == "redirect", match["to"]
    if to is None:
        return Target(None, packet.port if here else None, here)
    found = _TO.fullmatch(to)
    text = (found["v4"] or found["v6"]) if found else to
    port = int(found["port"]) if found and found["port"] else packet.port
    try:
        return Target(ip_address(text) if text else None, port, here)
    except ValueError:
        return Target(here=here)
