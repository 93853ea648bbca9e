"""Port lists for people: common services to tick, and the rest as text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from fwknop_webui.i18n import noop as N_

COMMON = (
    (N_("SSH"), "tcp/22"),
    (N_("LuCI, HTTPS"), "tcp/443"),
    (N_("LuCI, HTTP"), "tcp/80"),
    (N_("WireGuard"), "udp/51820"),
    (N_("OpenVPN"), "udp/1194"),
)
MOST_ASKED = 20
_PORT = re.compile(r"(?P<protocol>tcp|udp)/(?P<port>[0-9]{1,5})(?![0-9])", re.IGNORECASE)
FOR_NEW_CLIENTS = "tcp/22"


@dataclass(frozen=True, slots=True)
class Service:
    """A service to tick."""

    name: str
    port: str
    chosen: bool


def split(text: str) -> list[str]:
    """The entries of a list as people write it: lower case, once each."""
    return list(dict.fromkeys(item.lower() for item in re.split(r"[,\s]+", text) if item))


def askable(items: Iterable[str]) -> list[str]:
    """Those of the entries that are ports, as many as fit one question to the daemon."""
    found = (_PORT.match(item.strip()) for item in items)
    names = [f"{m['protocol'].lower()}/{int(m['port'])}" for m in found if m]
    return [name for name in dict.fromkeys(names) if _is_port(name)][:MOST_ASKED]


def _is_port(name: str) -> bool:
    return 0 < int(name.partition("/")[2]) < 65536


def services(text: str) -> tuple[Service, ...]:
    """The common services, those in ``text`` ticked."""
    chosen = split(text)
    return tuple(Service(name, port, port in chosen) for name, port in COMMON)


def others(text: str) -> str:
    """What of ``text`` is none of the common services."""
    common = {port for _, port in COMMON}
    return ", ".join(item for item in split(text) if item not in common)


def joined(ticked: Iterable[str], typed: str, stored: str) -> str:
    """One list of both; ``stored`` as it was written when it says the same."""
    wanted = list(dict.fromkeys((*split(",".join(ticked)), *split(typed))))
    return stored if set(wanted) == set(split(stored)) else ", ".join(wanted)
