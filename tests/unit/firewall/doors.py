"""Doors for tests: shorthand for one, and strategies for any."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

from hypothesis import strategies as st

from fwknopd.grants import Door
from fwknopd.policy.stanza import NatTarget, SourceNat
from fwknopd.spa.request import PortSpec, Protocol


def port(text: str) -> PortSpec:
    """``tcp/22`` as a PortSpec."""
    protocol, number = text.split("/")
    return PortSpec(Protocol(protocol), int(number))


def target(text: str) -> NatTarget:
    """``192.168.1.100:22`` as a NatTarget."""
    address, number = text.rsplit(":", 1)
    return NatTarget(ip_address(address), int(number))


def door(
    address: str,
    spec: str,
    nat: str = "",
    *,
    local: bool = False,
    prefix: int | None = None,
    translate: bool = True,
    mask: str = "",
    at: str = "",
) -> Door:
    """A door as a person would write it down.

    ``spec`` is tcp/22 or all, ``mask`` an address or masquerade, ``at`` the destination.
    """
    return Door(
        ip_address(address),
        None if spec == "all" else port(spec),
        target(nat) if nat else None,
        local,
        prefix=prefix,
        translate=translate,
        source_nat=source_nat(mask) if mask else None,
        destination=ip_address(at) if at else None,
    )


def source_nat(text: str) -> SourceNat:
    """An address, or masquerade, as a SourceNat."""
    return SourceNat(None if text == "masquerade" else ip_address(text))


PORTS = st.builds(PortSpec, st.sampled_from(Protocol), st.integers(1, 65535))
PLAIN_DOORS = st.builds(Door, st.ip_addresses(), PORTS)
IPV4_TARGETS = st.builds(NatTarget, st.ip_addresses(v=4), st.integers(1, 65535))
IPV6_TARGETS = st.builds(NatTarget, st.ip_addresses(v=6), st.integers(1, 65535))
TRANSLATED_DOORS = st.one_of(
    st.builds(Door, st.ip_addresses(v=4), PORTS, IPV4_TARGETS, st.booleans()),
    st.builds(Door, st.ip_addresses(v=6), PORTS, IPV6_TARGETS, st.booleans()),
)


def _outside(item: Door) -> tuple[IPv4Address | IPv6Address, PortSpec | None, bool]:
    return item.address, item.port, item.nat is not None


def _inside(item: Door) -> object:
    return item.nat and (item.address, item.port and item.port.protocol, item.nat)


def _is_consistent(items: list[Door]) -> bool:
    """Whether no inside of a translation is the router in one door and a host in another."""
    places = {(_inside(item), item.local) for item in items if item.nat}
    return len(places) == len({inside for inside, _ in places})


# One outside port of one client leads to one place, as in the kernel's map.
DOOR_LISTS = st.lists(
    st.one_of(PLAIN_DOORS, TRANSLATED_DOORS), min_size=1, max_size=12, unique_by=_outside
).filter(_is_consistent)
