"""Lists of ports, such as ``tcp/22, udp/1194``: what clients may open, and what they may not."""

from __future__ import annotations

import re
from functools import lru_cache

from fwknopd.config.invalid import InvalidValue, Leniencies, shown
from fwknopd.config.variable import Variable
from fwknopd.spa.request import PortSpec, Protocol

MOST_NAMED = 5
MAX_PORT = 65535
_PROTOCOLS = frozenset(Protocol)
_PORT = re.compile(
    r"(?P<protocol>[A-Za-z]+)\s*/\s*(?P<port>[0-9]{1,5})(?P<rest>(?![0-9]).*)\Z", re.DOTALL
)


def read_ports(variable: Variable, text: str, leniencies: Leniencies) -> frozenset[PortSpec]:
    """Every port that is named. Raises InvalidValue."""
    items = [item.strip() for item in text.split(",") if item.strip()]
    if not items:
        raise InvalidValue("it names no port", f"Write {variable.example}, or leave it out.")
    # Reading only part of an entry opens fewer ports than were written, which is safe. In a
    # list of forbidden ports the same would forbid fewer.
    strict = variable.name == "RESTRICT_PORTS"
    wrong = [item for item in items if not _is_port(item, strict)]
    if len(wrong) > 1:
        named = ", ".join(map(shown, wrong[:MOST_NAMED]))
        raise InvalidValue(
            f"{named} are no ports; expected tcp/ or udp/ and numbers up to {MAX_PORT}",
            f"Write one entry for each port, for example {variable.example}.",
        )
    return _shared(frozenset(_port(item, variable, strict, leniencies) for item in items))


@lru_cache(maxsize=256)
def _shared(ports: frozenset[PortSpec]) -> frozenset[PortSpec]:
    """The same object for the same ports: thousands of clients have the same few lists."""
    return ports


def _is_port(item: str, strict: bool) -> bool:
    found = _PORT.match(item)
    if found is None or found["protocol"].lower() not in _PROTOCOLS:
        return False
    return int(found["port"]) <= MAX_PORT and not (found["rest"] and strict)


def _port(item: str, variable: Variable, strict: bool, leniencies: Leniencies) -> PortSpec:
    found = _PORT.match(item)
    if found is None or not _is_port(item, strict):
        raise InvalidValue(
            # 0 is let through, as the C daemon does; nobody can knock for it.
            f"{shown(item)} is no port; expected tcp/ or udp/ and a number up to {MAX_PORT}",
            f"Write one entry for each port, for example {variable.example}.",
        )
    port = PortSpec(Protocol(found["protocol"].lower()), int(found["port"]))
    if found["rest"]:
        leniencies.add(
            f"of {shown(item)} only {port} counts",
            "Write one entry for each port; ranges and port names are not possible.",
        )
    return port
