"""Doors of every kind, for tests: what policy may ask a firewall for."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from ipaddress import ip_network
from typing import Literal

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite

from fwknopd.grants import Door
from fwknopd.policy.stanza import Address, NatTarget, SourceNat
from tests.unit.firewall.doors import PORTS

Version = Literal[4, 6]


@composite
def _clients(draw: DrawFn, version: Version) -> tuple[Address, int | None]:
    """Who gets in: mostly one address, else a network."""
    if draw(st.integers(0, 3)):
        return draw(st.ip_addresses(v=version)), None
    address = draw(st.ip_addresses(v=version))
    prefix = draw(st.integers(8, address.max_prefixlen - 1))
    return ip_network((address.packed, prefix), strict=False).network_address, prefix


@composite
def every_door(draw: DrawFn) -> Door:
    """Any door that policy can ask for, and some that it does not."""
    version: Version = draw(st.sampled_from((4, 6)))
    address, prefix = draw(_clients(version))
    hosts = st.ip_addresses(v=version).filter(lambda host: not host.is_unspecified)
    return draw(
        st.builds(
            Door,
            st.just(address),
            st.none() | PORTS,
            st.none() | st.builds(NatTarget, hosts, st.integers(0, 65535)),
            st.booleans(),
            st.just(prefix),
            st.booleans(),
            st.none() | st.builds(SourceNat, st.none() | hosts),
            st.none() | hosts,
        )
    )


def _claim(item: Door) -> Hashable:
    """Of doors with one claim only one can be open."""
    return item if item.claim is None else item.claim


def _way(item: Door) -> Hashable:
    """What is let through: its source is hidden in one way."""
    if not item.forwarded:
        return item
    host, inside = (item.nat.address, item.nat.port) if item.nat else (None, None)
    return (item.address, item.prefix, item.port and item.port.protocol, host, inside)


def _of_few_lengths(item: Door) -> Door:
    """The same, with one of few prefix lengths."""
    if item.prefix is None:
        return item
    lengths = (16, 24) if item.address.version == 4 else (56, 64)
    return replace(item, prefix=lengths[item.prefix % 2])


EVERY_DOOR = every_door()
EVERY_DOOR_LISTS = st.lists(EVERY_DOOR, min_size=1, max_size=10, unique_by=(_claim, _way))
"""Doors that don't contradict each other, in iptables either."""

NFT_DOOR_LISTS = st.lists(
    EVERY_DOOR.map(_of_few_lengths), min_size=1, max_size=12, unique_by=_claim
)
"""Doors that nftables can have open together; each length of a network costs rules there."""
