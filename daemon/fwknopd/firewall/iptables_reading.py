"""Rules of iptables-save as doors: what an earlier daemon left, the C daemon's too. Pure."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address

from fwknopd.config.ipt_chain import IptChain
from fwknopd.firewall.iptables_rules import TRANSLATING, DoorRule, Role
from fwknopd.grants import Door
from fwknopd.policy.stanza import Address, NatTarget, SourceNat
from fwknopd.spa.request import PortSpec, Protocol

_ADDRESS = r"[0-9a-f.:]{2,45}"
_RULE = re.compile(
    rf"(?:-s (?P<s>{_ADDRESS})/(?P<sbits>\d{{1,3}}) )?"
    rf"(?:-d (?P<d>{_ADDRESS})/(?P<dbits>\d{{1,3}}) )?"
    r"(?:-p (?P<protocol>tcp|udp) -m (?P=protocol) --(?P<end>[sd])port (?P<port>\d{1,5}) )?"
    r'-m comment --comment "?_exp_(?P<expiry>\d{1,12})"? -j (?P<target>\w+)'
    rf"(?: --to-(?P<change>destination|source|ports) (?P<to>[0-9a-f.:\[\]]{{1,54}}))?",
    re.ASCII,
)
_EXPIRY = re.compile(r'--comment "?_exp_(\d{1,12})"?(?: |\Z)', re.ASCII)
# What each role's target may be told; None is nothing.
_CHANGES = {
    Role.DNAT: ("destination",),
    Role.SNAT: ("source",),
    Role.MASQUERADE: (None, "ports"),
}


def expiry_of(text: str) -> int | None:
    """The end that any rule names in its comment, ours or not; None without one."""
    found = _EXPIRY.search(text)
    return int(found[1]) if found else None


def parse_rule(text: str, role: Role, chain: IptChain) -> DoorRule | None:
    """A line of iptables-save, without its chain, as a rule of that role; None if it isn't one."""
    found = _RULE.fullmatch(text)
    if found is None or found["target"] != chain.target:
        return None
    out = role is Role.OUTPUT
    if found["end"] not in (None, "s" if out else "d"):
        return None
    if found["change"] not in _CHANGES.get(role, (None,)):
        return None
    try:
        return _rule(found, role, "ds" if out else "sd")
    except ValueError:
        return None


def _rule(found: re.Match[str], role: Role, sides: str) -> DoorRule | None:
    """The rule; the client stands on the first of both ``sides``. Raises ValueError."""
    client, fixed = found[sides[0]], found[sides[1]]
    bits = int(found[f"{sides[0]}bits"] or 0)
    towards = ip_address(fixed) if fixed else None
    if towards is not None and int(found[f"{sides[1]}bits"]) != towards.max_prefixlen:
        return None
    port = PortSpec(Protocol(found["protocol"]), int(found["port"])) if found["port"] else None
    to, to_port = _change(found["change"], found["to"])
    address = ip_address(client) if client else None
    if address is not None and bits > address.max_prefixlen:
        return None
    return DoorRule(role, address, bits, port, int(found["expiry"]), towards, to, to_port)


def _change(kind: str | None, text: str) -> tuple[Address | None, int]:
    if kind is None:
        return None, 0
    if kind == "ports":
        return None, int(text)
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        return ip_address(host), int(port[1:] or 0)
    # More colons than one are those of an IPv6 address without a port.
    host, _, port = text.partition(":") if text.count(":") == 1 else (text, "", "")
    return ip_address(host), int(port or 0)


@dataclass(frozen=True, slots=True)
class FoundDoor:
    """A door, the epoch second of its end, and the rules that make it."""

    door: Door
    expiry: int
    rules: tuple[DoorRule, ...]


def doors_of(rules: Iterable[DoorRule]) -> Iterator[FoundDoor]:
    """The doors that rules stand for. Rules that make no door are left out.

    The C daemon's rule for DISABLE_DNAT names no target, so it makes none.
    """
    left = _Left(rules)
    for role, read in ((Role.DNAT, _redirected), (Role.FORWARD, _forwarded), (Role.INPUT, _plain)):
        for rule in left.of(role):
            found = read(rule, left) if rule.address else None
            if found is not None:
                yield found


class _Left:
    """Rules that belong to no door yet."""

    def __init__(self, rules: Iterable[DoorRule]) -> None:
        self._counts = Counter(rules)
        self._sources: dict[DoorRule, list[DoorRule]] = defaultdict(list)
        for rule in self._counts.elements():
            if rule.role in TRANSLATING - {Role.DNAT}:
                self._sources[_key(rule)].append(rule)

    def of(self, role: Role) -> list[DoorRule]:
        """Those of a role."""
        return [rule for rule in self._counts.elements() if rule.role is role]

    def take(self, *candidates: DoorRule) -> tuple[DoorRule, ...]:
        """The first of ``candidates`` that is there, taken out; nothing if none is."""
        for rule in candidates:
            if self._counts[rule] > 0:
                self._counts[rule] -= 1
                return (rule,)
        return ()

    def take_source(self, way: DoorRule) -> tuple[DoorRule, ...]:
        """The rule that translates the source of what ``way`` lets through, taken out."""
        found = self._sources[_key(way)]
        return (found.pop(0),) if found else ()


def _key(rule: DoorRule) -> DoorRule:
    return replace(rule, role=Role.SNAT, to=None, to_port=0)


def _redirected(rule: DoorRule, left: _Left) -> FoundDoor | None:
    if rule.to is None:
        return None
    nat = NatTarget(rule.to, rule.to_port)
    way = replace(rule, role=Role.FORWARD, port=_inside(rule), towards=rule.to, to=None, to_port=0)
    if admission := left.take(way):
        return _with_source(_found(rule, nat, (rule, *admission)), left, way)
    # The C daemon's ways don't name their end, and lead to 0.0.0.0 if they have none. What
    # hides their source names only the end or, with FORWARD_ALL, only the client.
    open_end = () if rule.to.is_unspecified else (replace(way, towards=None),)
    if admission := left.take(*open_end):
        hidden = replace(way, address=None, bits=0) if way.port else admission[0]
        return _with_source(_found(rule, nat, (rule, *admission)), left, hidden)
    if rule.port is None:
        return None
    hall = replace(way, role=Role.INPUT, towards=rule.to if rule.towards else None)
    if admission := left.take(hall, replace(hall, towards=rule.towards)):
        return _found(rule, nat, (rule, *admission, *_answers(hall, left)), local=True)
    return None


def _inside(rule: DoorRule) -> PortSpec | None:
    if rule.port is None or not rule.to_port:
        return rule.port
    return PortSpec(rule.port.protocol, rule.to_port)


def _forwarded(rule: DoorRule, left: _Left) -> FoundDoor | None:
    if rule.towards is None and rule.port is not None:
        return None
    nat = NatTarget(rule.towards, rule.port.port if rule.port else 0) if rule.towards else None
    found = _found(replace(rule, towards=None), nat, (rule,), translate=nat is None)
    return _with_source(found, left, rule)


def _plain(rule: DoorRule, left: _Left) -> FoundDoor | None:
    if rule.port is None:
        return None
    return _found(rule, None, (rule, *_answers(rule, left)))


def _answers(hall: DoorRule, left: _Left) -> tuple[DoorRule, ...]:
    return left.take(replace(hall, role=Role.OUTPUT))


def _with_source(found: FoundDoor, left: _Left, way: DoorRule) -> FoundDoor:
    """``found`` with what hides the source of packets like ``way``'s, if anything does."""
    rules = left.take_source(way)
    if not rules:
        return found
    door = replace(found.door, source_nat=SourceNat(rules[0].to))
    return FoundDoor(door, found.expiry, (*found.rules, *rules))


def _found(
    rule: DoorRule,
    nat: NatTarget | None,
    rules: tuple[DoorRule, ...],
    *,
    local: bool = False,
    translate: bool = True,
) -> FoundDoor:
    address = rule.address
    if address is None:
        raise ValueError("a rule for everybody is no door")
    prefix = None if rule.bits == address.max_prefixlen else rule.bits
    door = Door(address, rule.port, nat, local, prefix, translate, None, rule.towards)
    return FoundDoor(door, rule.expiry, rules)
