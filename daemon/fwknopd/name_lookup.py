"""The address of a host name, asked for in a child: a resolver may take its time."""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address

from fwknopd.children import Outcome
from fwknopd.workers import Workers

LOOKUP_SECONDS = 5.0
"""Longer than a resolver's first retry, and no longer than somebody waits for a door."""

Address = IPv4Address | IPv6Address
Found = Callable[[Address | str], None]
"""Told the address, or why there is none."""


def look_up(workers: Workers, name: str, version: int, found: Found) -> None:
    """Ask for ``name``'s first address of IP ``version``, and tell ``found`` later."""
    workers.start(
        lambda: _address_of(name, version),
        LOOKUP_SECONDS,
        lambda outcome: found(_read(outcome, name, version)),
    )


def _address_of(name: str, version: int) -> bytes:
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    try:
        answers = socket.getaddrinfo(name, None, family, socket.SOCK_STREAM)
    except OSError:
        return b""
    return str(answers[0][4][0]).encode() if answers else b""


def _read(outcome: Outcome, name: str, version: int) -> Address | str:
    if outcome.fault:
        return f"{name} could not be looked up: {outcome.fault}"
    try:
        return ip_address(outcome.result.decode("ascii", "replace"))
    except ValueError:
        return f"{name} has no IPv{version} address that the router's resolver knows"
