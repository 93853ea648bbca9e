"""Which addresses of a rule a stranger may have, who may have any public one. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_network

from fwknopd.policy.stanza import Address

_PUBLIC6 = 1 << 125
"""So many addresses are public of IPv6: 2000::/3."""

_FEW = {4: 1 << 16, 6: 1 << 96}
"""So many public addresses, or fewer, are somebody in particular: one /16, or one /32."""

_ALL4 = (0, (1 << 32) - 1)
_INSIDE = tuple(
    (int(network[0]), int(network[-1]))
    for network in map(
        ip_network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.168.0.0/16", "224.0.0.0/3"),
        ),
    )
)
"""Addresses that no stranger has."""

Range = tuple[int, int, int]
"""IP version, first and last address."""


def is_among(values: Sequence[str], version: int) -> bool | None:
    """Whether a stranger has one of these addresses: all have (True), or hardly any (False)."""
    ranges = [_range(value) for value in values]
    parts = [0 if r is None else _public(r) for r in ranges]
    if None in ranges or any(r and r[0] != version for r in ranges):
        return None
    if any(map(_is_everybody, ranges)):
        return True
    return False if sum(parts) <= _FEW[version] else None


def _is_everybody(found: Range | None) -> bool:
    if found is None:
        return False
    return found[1:] == _ALL4 if found[0] == 4 else _public(found) == _PUBLIC6


def is_at(values: Sequence[str], address: Address) -> bool | None:
    """Whether ``address`` is one of them; None if that can't be told."""
    ranges = [_range(value) for value in values]
    number = int(address)
    if any(r and r[0] == address.version and r[1] <= number <= r[2] for r in ranges):
        return True
    return None if None in ranges else False


def unreachable(values: Sequence[str]) -> bool:
    """Whether these are all addresses that nobody from outside can connect to."""
    ranges = [_range(value) for value in values]
    return all(r is not None and _is_unreachable(r) for r in ranges)


def _is_unreachable(found: Range) -> bool:
    version, first, last = found
    kind = ip_address(first) if version == 4 else ip_address(first.to_bytes(16, "big"))
    other = ip_address(last) if version == 4 else ip_address(last.to_bytes(16, "big"))
    return any(
        getattr(kind, name) and getattr(other, name)
        for name in ("is_multicast", "is_loopback", "is_link_local", "is_unspecified")
    ) or (version == 4 and first == last == 0xFFFFFFFF)


def _range(text: str) -> Range | None:
    try:
        if "-" in text:
            first, last = map(ip_address, text.split("-", 1))
            return (first.version, int(first), int(last)) if first.version == last.version else None
        network = ip_network(text, strict=False)
    except ValueError:
        return None
    return network.version, int(network.network_address), int(network.broadcast_address)


def _public(found: Range) -> int:
    """How many public addresses it holds."""
    version, first, last = found
    if version == 4:
        return last - first + 1 - sum(_common(first, last, *inside) for inside in _INSIDE)
    return _common(first, last, _PUBLIC6, 2 * _PUBLIC6 - 1)


def _common(first: int, last: int, other_first: int, other_last: int) -> int:
    return max(0, min(last, other_last) - max(first, other_first) + 1)
