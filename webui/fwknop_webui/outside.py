"""What phones may call this router by on the internet, as far as the router itself knows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, ip_network

from fwknop_webui.i18n import _

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*\.[A-Za-z0-9._-]+")
_PRIVATE = [ip_network(n) for n in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]
_PRIVATE += [ip_network("169.254.0.0/16")]
# RFC 6598, and what routers behind DS-Lite and 464XLAT give their own end (RFC 7335).
_SHARED = [ip_network("100.64.0.0/10"), ip_network("192.0.0.0/29")]


class Reach(Enum):
    """From where an address is reached, the best first."""

    PUBLIC = 0
    SHARED = 1
    PRIVATE = 2


def reach_of(address: str) -> Reach | None:
    """From where an IPv4 address is reached; None for one nobody else reaches, or none at all."""
    try:
        found = IPv4Address(address)
    except ValueError:
        return None
    if any(found in network for network in _SHARED):
        return Reach.SHARED
    if any(found in network for network in _PRIVATE):
        return Reach.PRIVATE
    odd = found.is_loopback or found.is_multicast or found.is_unspecified or found.is_reserved
    return None if odd else Reach.PUBLIC


@dataclass(frozen=True, slots=True)
class Outside:
    """``server``: what to type in the app, "" when that is not known.

    ``choices`` are all there are, ``source`` says where the first comes from, and ``warning``
    why the router's own address is no good from outside.
    """

    server: str = ""
    choices: tuple[str, ...] = ()
    source: str = ""
    warning: str = ""


def outside(names: Iterable[str], addresses: Iterable[tuple[str, str]], port: int) -> Outside:
    """``names`` of Dynamic DNS, then ``addresses`` by device, those of the WAN first.

    ``port``: where knocks come in.
    """
    known = dict.fromkeys(name for name in names if _NAME.fullmatch(name))
    found = [(reach, device, a) for device, a in addresses if (reach := reach_of(a)) is not None]
    public = {a: device for reach, device, a in found if reach is Reach.PUBLIC}
    choices = (*known, *public)
    if known:
        source = _("Suggested: the name Dynamic DNS has for this router.")
    else:
        source = _by_address(*public.values()) if public else ""
    hidden = min(found, key=lambda item: item[0].value, default=None) if not public else None
    warning = _warning(*hidden, port) if hidden else ""
    return Outside(choices[0] if choices else "", choices, source, warning)


def _by_address(device: str, *_others: str) -> str:
    text = _(
        "Suggested: the address {device} has now. Should your provider change it, knocks go "
        "astray; with Dynamic DNS the router has a name that stays."
    )
    return text.format(device=device)


def _warning(reach: Reach, device: str, address: str, port: int) -> str:
    if reach is Reach.SHARED:
        text = _(
            "{device} has the address {address}, which your provider shares among customers "
            "(CGNAT). No knock from the internet arrives there over IPv4: ask your provider for "
            "a public address."
        )
    else:
        text = _(
            "{device} has the private address {address}: another router stands between this one "
            "and the internet. What stands here has to be that one's public address or name, and "
            "it has to forward UDP port {port}, and the ports that shall open, to {address}."
        )
    return text.format(device=device, address=address, port=port)
