"""Doors as elements of our sets, and back. Pure.

Concatenated keys pad every field to four bytes: a protocol is one byte and three
of padding, a port two and two.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, ip_address

from fwknopd.firewall import FirewallError, TimedDoor, port_of
from fwknopd.firewall.nfnetlink import Element, LoadedElement
from fwknopd.firewall.nft_ruleset import FAMILIES, IPV4, IPV6, Family
from fwknopd.grants import Door
from fwknopd.policy.stanza import Address, NatTarget
from fwknopd.spa.request import PortSpec, Protocol

# The kernel counts in jiffies of 10 ms on most routers and takes a time that
# rounds to none for "never expires".
SHORTEST_MS = 100
# 34 years; the kernel refuses what 64 bits of nanoseconds do not hold.
LONGEST_MS = 1 << 40

_PORT = struct.Struct("!B3xH2x")
_INSIDE_PORT = struct.Struct("!H2x")
_PROTOCOLS = {protocol.number: protocol for protocol in Protocol}
_SHARED = frozenset(name for family in FAMILIES for name in (family.forwarded, family.local))


def elements_of(door: Door) -> tuple[Element, ...]:
    """All that has to be in the kernel for ``door`` to be open. Raises FirewallError."""
    family = _family(door.address)
    port = port_of(door)
    outside = door.address.packed + _PORT.pack(port.protocol.number, port.port)
    if door.nat is None:
        return (Element(family.opened, outside),)
    if door.nat.address.version != door.address.version:
        raise FirewallError(
            f"connections of {door.address} can't be sent on to {door.nat}: "
            "one is IPv4, the other IPv6. Let the client knock over the other family"
        )
    target = door.nat.address.packed + _INSIDE_PORT.pack(door.nat.port)
    return (Element(family.redirected, outside, target), _admission(family, door, door.nat))


def is_shared(element: Element) -> bool:
    """Whether two doors may need this one element.

    True where the element knows only the inside of a translation: two outside ports
    may lead one client to the same place.
    """
    return element.set_name in _SHARED


def milliseconds(seconds: float) -> int:
    """A time to live in ms, rounded up. Raises FirewallError if it isn't one."""
    if not math.isfinite(seconds) or seconds <= 0:
        raise FirewallError(f"a door can't be opened for {seconds} seconds: ask for more than 0")
    return min(max(math.ceil(seconds * 1000), SHORTEST_MS), LONGEST_MS)


def elements_to_add(doors: Iterable[TimedDoor]) -> dict[Element, int]:
    """Elements and their ms, each once. Raises FirewallError if two doors contradict."""
    wanted: dict[Element, int] = {}
    targets: dict[tuple[str, bytes], Element] = {}
    for timed in doors:
        for element in elements_of(timed.door):
            key = (element.set_name, element.key)
            if targets.setdefault(key, element) != element:
                raise FirewallError(
                    f"{timed.door.port} of {timed.door.address} can't lead to two targets at once: "
                    "ask for one of them"
                )
            wanted[element] = max(wanted.get(element, 0), milliseconds(timed.seconds))
    return wanted


def doors_of(sets: Mapping[str, Iterable[LoadedElement]]) -> list[TimedDoor]:
    """The doors that dumps of our sets (by set name) stand for.

    Elements that can't be ours, which somebody must have added by hand, are left out.
    """
    doors: list[TimedDoor] = []
    for family in FAMILIES:
        local = {element.key for element in sets.get(family.local, ())}
        for loaded in sets.get(family.opened, ()):
            _append(doors, _plain_door(loaded), loaded)
        for loaded in sets.get(family.redirected, ()):
            _append(doors, _translated_door(family, loaded, local), loaded)
    return doors


def _append(doors: list[TimedDoor], door: Door | None, loaded: LoadedElement) -> None:
    if door is not None:
        seconds = math.inf if loaded.remaining is None else loaded.remaining / 1000
        doors.append(TimedDoor(door, seconds))


def _plain_door(loaded: LoadedElement) -> Door | None:
    protocol, port = _PORT.unpack(loaded.key[-_PORT.size :])
    if protocol not in _PROTOCOLS:
        return None
    address = ip_address(loaded.key[: -_PORT.size])
    return Door(address, PortSpec(_PROTOCOLS[protocol], port))


def _translated_door(family: Family, loaded: LoadedElement, local: set[bytes]) -> Door | None:
    plain = _plain_door(loaded)
    if plain is None:
        return None
    nat = NatTarget(
        ip_address(loaded.data[: -_INSIDE_PORT.size]),
        _INSIDE_PORT.unpack(loaded.data[-_INSIDE_PORT.size :])[0],
    )
    door = Door(plain.address, plain.port, nat, local=True)
    if _admission(family, door, nat).key in local:
        return door
    return Door(plain.address, plain.port, nat)


def _admission(family: Family, door: Door, nat: NatTarget) -> Element:
    port = _PORT.pack(port_of(door).protocol.number, nat.port)
    name = family.local if door.local else family.forwarded
    return Element(name, door.address.packed + nat.address.packed + port)


def _family(address: Address) -> Family:
    return IPV4 if isinstance(address, IPv4Address) else IPV6
