"""Networks as the configuration files write them.

fwknopd reads addresses with the C library's ``inet_aton``, which knows short forms
(``10.1`` is 10.0.0.1), octal (``010``) and hexadecimal (``0x0a``). Old files may hold them,
so they are read the same way here, and named in a warning because nobody means them.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from fwknopd.config.invalid import InvalidValue, Leniencies, shown
from fwknopd.policy.stanza import Address, NatRange, Network

_RANGE_EXAMPLE = "Write it like 192.168.1.10:22, 192.168.2.0/24 or [fd00::10]:22"
# With a port an IPv6 address stands in brackets, as in an URL.
_RANGE = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:./]+)\]|(?P<host>[0-9./]+|[0-9A-Fa-f:./]*:[0-9A-Fa-f:./]*:"
    r"[0-9A-Fa-f:./]*))(?::(?P<port>[0-9]{1,5}))?"
)

EXAMPLE = "Write ANY, or addresses and networks such as 192.0.2.7, 198.51.100.0/24"


def parse_networks(text: str, leniencies: Leniencies) -> tuple[Network, ...] | None:
    """The networks of a comma list; None for ANY. Raises InvalidValue."""
    if text.upper() == "ANY":
        return None
    items = [item.strip() for item in text.split(",") if item.strip()]
    if any(item.upper() == "ANY" for item in items):
        leniencies.add("ANY in a list means everywhere", "Write only ANY, or leave it out.")
        return None
    if not items:
        raise InvalidValue("it names no address", f"{EXAMPLE}.")
    return tuple(_network(item, leniencies) for item in items)


def _network(item: str, leniencies: Leniencies) -> Network:
    address, slash, mask = item.partition("/")
    if ":" in address:
        return _network_v6(item, mask if slash else "128")
    host = parse_ipv4(address)
    if host is None:
        raise InvalidValue(
            f"{shown(item)} is no address or network (host names are not possible)", f"{EXAMPLE}."
        )
    if str(host) != address:
        leniencies.add(f"{shown(address)} is read as {host}", f"Write {host}.")
    return _network_v4(item, host, mask if slash else "32")


def _network_v4(item: str, host: IPv4Address, mask: str) -> IPv4Network:
    length = _mask_length(mask)
    if length is None:
        raise InvalidValue(
            f"{shown(item)} has no usable mask; expected /1 to /32, or one like /255.255.255.0",
            f"{EXAMPLE}.",
        )
    if length == 0:
        raise InvalidValue(f"{shown(item)} means every address", "Write ANY if you want that.")
    return IPv4Network((host, length), strict=False)


def _mask_length(mask: str) -> int | None:
    """0..32, or None when it is neither a length nor a contiguous mask."""
    if mask.isascii() and mask.isdigit():
        return int(mask) if len(mask) <= 2 and int(mask) <= 32 else None
    address = parse_ipv4(mask) if "." in mask else None
    if address is None:
        return None
    bits = f"{int(address):032b}"
    return None if "01" in bits else bits.count("1")


def _network_v6(item: str, length: str) -> IPv6Network:
    try:
        network = IPv6Network(item, strict=False)
    except ValueError as error:
        raise InvalidValue(
            f"{shown(item)} is no IPv6 address or network",
            "Write it like 2001:db8::7 or 2001:db8::/32.",
        ) from error
    if network.prefixlen == 0:
        raise InvalidValue(f"{shown(item)} means every address", "Write ANY if you want that.")
    return network


def parse_ipv4(text: str) -> IPv4Address | None:
    """An IPv4 address in any form inet_aton takes, or None."""
    parts = [_number(part) for part in text.split(".")]
    if not 1 <= len(parts) <= 4:
        return None
    value = 0
    for position, part in enumerate(parts):
        last = position == len(parts) - 1
        bits = 8 * (5 - len(parts)) if last else 8
        if part is None or part >= 1 << bits:
            return None
        value = (value << bits) | part
    return IPv4Address(value)


def _number(part: str) -> int | None:
    if not part or not part.isascii() or len(part) > 12 or not part[0].isdigit():
        return None
    base = 16 if part[:2].lower() == "0x" else 8 if part[0] == "0" else 10
    digits = part[2:] if base == 16 else part
    allowed = "0123456789abcdef"[:base]
    if not digits or not all(char in allowed for char in digits.lower()):
        return None
    return int(digits, base)


def parse_host(text: str) -> Address | None:
    """A plain IPv4 or IPv6 address without a zone, or None."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return None if isinstance(address, IPv6Address) and address.scope_id else address


def parse_nat_ranges(text: str, leniencies: Leniencies) -> tuple[NatRange, ...]:
    """Addresses and networks with or without a port, with commas between. Raises InvalidValue."""
    items = [item.strip() for item in text.split(",") if item.strip()]
    if not items:
        raise InvalidValue("it names no computer", f"{_RANGE_EXAMPLE}, or leave it out.")
    return tuple(_nat_range(item, leniencies) for item in items)


def _nat_range(item: str, leniencies: Leniencies) -> NatRange:
    found = _RANGE.fullmatch(item)
    port = int(found["port"] or 0) if found else 0
    if found is None or (found["port"] and not 1 <= port <= 65535):
        raise InvalidValue(
            f"{shown(item)} is no address or network with a port from 1 to 65535 or without",
            f"{_RANGE_EXAMPLE}.",
        )
    return NatRange(_network(found["six"] or found["host"], leniencies), port)
