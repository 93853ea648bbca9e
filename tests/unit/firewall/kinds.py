"""Doors of every kind, for tests: what policy may ask a firewall for."""

from __future__ import annotations

from collections.abc import Hashable
from ipaddress import ip_network
from typing import Literal

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy, composite

from fwknopd.grants import Door
from fwknopd.policy.stanza import Address, NatTarget, SourceNat
from fwknopd.spa.request import PortSpec
from tests.unit.firewall.doors import PORTS

Version = Literal[4, 6]


def _inside(item: Door) -> PortSpec | None:
    """The port its connections have once they are translated."""
    if item.port is None or item.nat is None or not item.nat.port:
        return item.port
    return PortSpec(item.port.protocol, item.nat.port)


@composite
def _clients(draw: DrawFn, version: Version) -> tuple[Address, int | None]:
    """Who gets in: mostly one address, else a network."""
    if draw(st.integers(0, 3)):
        return draw(st.ip_addresses(v=version)), None
    address = draw(st.ip_addresses(v=version))
    prefix = draw(st.integers(8, address.max_prefixlen - 1))
    return ip_network((address.packed, prefix), strict=False).network_address, prefix


def _hosts(version: Version) -> SearchStrategy[Address]:
    return st.ip_addresses(v=version).filter(lambda address: not address.is_unspecified)


@composite
def every_door(draw: DrawFn) -> Door:
    """A door whose rules say all of it, as they do but for what DISABLE_DNAT leaves out."""
    version: Version = draw(st.sampled_from((4, 6)))
    address, prefix = draw(_clients(version))
    port = draw(PORTS)
    host = draw(_hosts(version))
    destination = draw(st.none() | st.just(draw(_hosts(version))))
    hidden = draw(st.none() | st.builds(SourceNat, st.none() | _hosts(version)))
    inside = draw(st.integers(0, 65535))
    kind = draw(st.sampled_from(("plain", "led", "local", "kept", "all", "all led", "all kept")))
    if kind == "plain":
        return Door(address, port, prefix=prefix, destination=destination)
    if kind == "led":
        led = NatTarget(host, inside)
        return Door(address, port, led, False, prefix, True, hidden, destination)
    if kind == "local":
        return Door(address, port, NatTarget(host, inside), True, prefix, True, None, destination)
    if kind == "kept":
        return Door(address, port, NatTarget(host, port.port), False, prefix, False, hidden)
    if kind == "all":
        return Door(address, None, None, False, prefix, False, hidden)
    everything = NatTarget(host, 0)
    if kind == "all led":
        return Door(address, None, everything, False, prefix, True, hidden, destination)
    return Door(address, None, everything, False, prefix, False, hidden)


def _outside(item: Door) -> Hashable:
    """What a translation looks at: it leads to one place."""
    return (item.address, item.prefix, item.port) if item.redirects else item


def _way(item: Door) -> Hashable:
    """What is let through: its source is hidden in one way."""
    host = item.nat.address if item.nat else None
    return (item.address, item.prefix, _inside(item), host) if item.forwarded else item


EVERY_DOOR = every_door()
EVERY_DOOR_LISTS = st.lists(EVERY_DOOR, min_size=1, max_size=10, unique_by=(_outside, _way))
"""Doors that don't contradict each other."""
