"""Doors as elements of our sets, and back. Pure.

Every element belongs to one door alone, and the first element of a door to no other kind of
door. So doors are opened, extended and closed without looking at any other.

Concatenated keys pad every field to four bytes: a protocol is one byte and three
of padding, a port two and two.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from ipaddress import ip_address

from fwknopd.firewall import FirewallError, TimedDoor
from fwknopd.firewall.nfnetlink import Element, LoadedElement
from fwknopd.firewall.nft_lookups import (
    IPV4,
    IPV6,
    KINDS,
    Family,
    Lookup,
    Part,
    lookup_named,
)
from fwknopd.grants import Door
from fwknopd.policy.stanza import Address, NatTarget, SourceNat
from fwknopd.spa.request import PortSpec, Protocol

# The kernel counts in jiffies of 10 ms on most routers and takes a time that
# rounds to none for "never expires".
SHORTEST_MS = 100
# 34 years; the kernel refuses what 64 bits of nanoseconds do not hold.
LONGEST_MS = 1 << 40

Values = Mapping[Part, bytes]
Dumps = Mapping[Lookup, Iterable[LoadedElement]]

_PROTOCOL = struct.Struct("!B3x")
_PORT = struct.Struct("!H2x")
_PROTOCOLS = {protocol.number: protocol for protocol in Protocol}
# Kinds of look-up whose elements tell of a door of their own; others only complete one.
_NAMING = frozenset(
    {"open", "open_at", "through", "all_through", "all"}
    | {name for name, kind in KINDS.items() if name.partition("redirect")[1]}
)


def elements_of(door: Door) -> tuple[Element, ...]:
    """All that has to be in the kernel for ``door`` to be open. Raises FirewallError."""
    values = _values(door)
    return tuple([_element(lookup, values) for lookup in lookups_of(door)])


def lookups_of(door: Door) -> tuple[Lookup, ...]:
    """The look-ups that ``door`` needs."""
    return tuple([_lookup(name, door) for name in _kinds(door)])


def opposites_of(door: Door, there: Collection[Lookup]) -> tuple[Element, ...]:
    """Elements that would make another door of ``door``, of those look-ups that are ``there``."""
    kinds = _opposed_kinds(door)
    if not kinds:
        return ()
    values = {Part.MASK: bytes(door.address.max_prefixlen // 8), **_values(door)}
    opposed = (_lookup(name, door) for name in kinds)
    return tuple(_element(lookup, values) for lookup in opposed if lookup in there)


def own_elements(elements: tuple[Element, ...], data: bytes) -> tuple[Element, ...]:
    """Those of a door's elements that are no other door's, where the first has that data now."""
    first, *others = elements
    lookup = lookup_named(first.set_name)
    if data == first.data or lookup is None:
        return elements
    # Its place is taken by a door to another machine, or to another port of the same, which
    # shares the others.
    size = lookup.size(Part.TARGET)
    return () if data[:size] == first.data[:size] else tuple(others)


def milliseconds(seconds: float) -> int:
    """A time to live in ms, rounded up. Raises FirewallError if it isn't one."""
    if not math.isfinite(seconds) or seconds <= 0:
        raise FirewallError(f"a door can't be opened for {seconds} seconds: ask for more than 0")
    return min(max(math.ceil(seconds * 1000), SHORTEST_MS), LONGEST_MS)


def elements_to_add(doors: Iterable[TimedDoor]) -> dict[Element, int]:
    """Elements and their ms, each once. Raises FirewallError if two doors contradict."""
    wanted: dict[Element, int] = {}
    claims: dict[object, Door] = {}
    for timed in doors:
        door = timed.door
        if door.claim is not None and claims.setdefault(door.claim, door) != door:
            raise FirewallError(
                f"{door.what} of {door.who} can't lead to two targets at once: ask for one of them"
            )
        for element in elements_of(door):
            wanted[element] = max(wanted.get(element, 0), milliseconds(timed.seconds))
    return wanted


def doors_of(dumps: Dumps) -> list[TimedDoor]:
    """The doors that dumps of our sets stand for.

    Elements that can't be ours, which somebody must have added by hand, are left out, and
    so are doors that lack an element: they let nobody in.
    """
    held = {lookup.name: _by_key(lookup, items) for lookup, items in dumps.items()}
    return [
        timed
        for lookup in dumps
        if lookup.kind.name in _NAMING
        for item in held[lookup.name].values()
        if (timed := _timed(lookup, item, held)) is not None
    ]


Held = Mapping[str, Mapping[bytes, LoadedElement]]


def _by_key(lookup: Lookup, items: Iterable[LoadedElement]) -> dict[bytes, LoadedElement]:
    """Those with whole fields: nft's ``*``, which stands for every key, comes without one."""
    key, data = (sum(map(lookup.size, parts)) for parts in (lookup.kind.key, lookup.kind.data))
    return {item.key: item for item in items if len(item.key) == key and len(item.data) == data}


def _timed(lookup: Lookup, item: LoadedElement, held: Held) -> TimedDoor | None:
    values = parts_of(lookup, item.key, item.data)
    for bare in _bare_doors(lookup, values):
        source_nat = _source_nat(bare, held)
        door = replace(bare, source_nat=source_nat) if source_nat else bare
        items = [_find(element, held) for element in elements_of(door)]
        found = [each for each in items if each is not None]
        if len(found) == len(items):
            return TimedDoor(door, min(_seconds(each) for each in found))
    return None


def _find(element: Element, held: Held) -> LoadedElement | None:
    found = held.get(element.set_name, {}).get(element.key)
    return found if found is not None and found.data == element.data else None


def _seconds(item: LoadedElement) -> float:
    return math.inf if item.remaining is None else item.remaining / 1000


def _bare_doors(lookup: Lookup, values: Values) -> Iterator[Door]:
    """What doors the first element of a door can stand for, but for their source NAT."""
    port = _port_spec(values)
    if Part.PORT in values and port is None:
        return
    target = ip_address(values[Part.TARGET]) if Part.TARGET in values else None
    at = ip_address(values[Part.DESTINATION]) if Part.DESTINATION in values else None
    inside = _target_port(values) or (port.port if port else 0)
    door = Door(
        ip_address(values[Part.SOURCE]),
        port,
        NatTarget(target, inside) if target else None,
        prefix=None if lookup.bits == lookup.family.bits else lookup.bits,
        translate=bool(lookup.kind.data),
        destination=at,
    )
    yield door
    if door.redirects and port is not None:
        yield replace(door, local=True)


def _port_spec(values: Values) -> PortSpec | None:
    number = values.get(Part.PROTOCOL, b"\0")[0]
    if number not in _PROTOCOLS:
        return None
    return PortSpec(_PROTOCOLS[number], _PORT.unpack(values[Part.PORT])[0])


def _target_port(values: Values) -> int:
    return int.from_bytes(values.get(Part.TARGET_PORT, b"")[:2])


def _source_nat(door: Door, held: Held) -> SourceNat | None:
    if not door.forwarded:
        return None
    passing = _passing(door)
    for how in ("snat", "masq"):
        lookup = _lookup(f"{how}_{passing}", door)
        items = held.get(lookup.name)
        found = items.get(_join(_values(door), lookup.kind.key)) if items else None
        if found is not None:
            return SourceNat(ip_address(found.data) if how == "snat" else None)
    return None


# Kinds of look-up


def _kinds(door: Door) -> Sequence[str]:
    if not door.forwarded and not door.redirects:
        return (_at("open", door),)
    kinds = [_at("all_redirect" if door.port is None else "redirect", door)]
    if door.local:
        return (*kinds, _at("router", door))
    passing = _passing(door)
    masking = [] if door.source_nat is None else [_masking(door.source_nat, passing)]
    return (*(kinds if door.redirects else ()), passing, *masking)


def _passing(door: Door) -> str:
    if door.nat is None:
        return "all"
    everything = "all_" if door.port is None else ""
    return _at(f"{everything}inside", door) if door.redirects else f"{everything}through"


def _masking(source_nat: SourceNat, passing: str) -> str:
    return f"{'masq' if source_nat.address is None else 'snat'}_{passing}"


def _opposed_kinds(door: Door) -> list[str]:
    if door.local:
        return [_at("inside", door)]
    if not door.forwarded:
        return []
    passing = _passing(door)
    wanted = "" if door.source_nat is None else _masking(door.source_nat, passing)
    opposed = [name for how in ("snat", "masq") if (name := f"{how}_{passing}") != wanted]
    return [*opposed, *([_at("router", door)] if passing.startswith("inside") else [])]


def _at(name: str, door: Door) -> str:
    return name if door.destination is None else f"{name}_at"


def _lookup(name: str, door: Door) -> Lookup:
    return _looked_up(name, IPV4 if door.address.version == 4 else IPV6, door.prefix)


@lru_cache(maxsize=64)
def _looked_up(name: str, family: Family, prefix: int | None) -> Lookup:
    return Lookup(KINDS[name], family, family.bits if prefix is None else prefix)


# Fields


def _values(door: Door) -> Values:
    """The fields of every element that ``door`` needs. Raises FirewallError."""
    values = {Part.SOURCE: door.address.packed}
    if door.port is not None:
        values[Part.PROTOCOL] = _PROTOCOL.pack(door.port.protocol.number)
        values[Part.PORT] = _PORT.pack(door.port.port)
    if door.nat is not None:
        _check_family(door, door.nat.address, "sent on to")
        values[Part.TARGET] = door.nat.address.packed
        values[Part.TARGET_PORT] = _PORT.pack(door.nat.port)
    if door.destination is not None:
        _check_family(door, door.destination, "made to")
        values[Part.DESTINATION] = door.destination.packed
    mask = door.source_nat and door.source_nat.address
    if mask:
        _check_family(door, mask, "made to come from")
        values[Part.MASK] = mask.packed
    return values


def _check_family(door: Door, address: Address, what: str) -> None:
    if address.version != door.address.version:
        raise FirewallError(
            f"connections of {door.who} can't be {what} {address}: "
            "one is IPv4, the other IPv6. Let the client knock over the other family"
        )


def _element(lookup: Lookup, values: Values) -> Element:
    kind = lookup.kind
    return Element(lookup.name, _join(values, kind.key), _join(values, kind.data))


def _join(values: Values, parts: Sequence[Part]) -> bytes:
    return b"".join([values[part] for part in parts])


def parts_of(lookup: Lookup, key: bytes, data: bytes) -> dict[Part, bytes]:
    """The fields of an element."""
    values: dict[Part, bytes] = {}
    rest = key + data
    for part in lookup.parts:
        size = lookup.size(part)
        values[part], rest = rest[:size], rest[size:]
    return values
