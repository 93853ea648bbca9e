"""At which ports of clients anybody gets in, knock or not: what the verb `exposed` answers."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Any

from fwknopd.control.protocol import VerbError
from fwknopd.events import printable_name
from fwknopd.firewall import FirewallError
from fwknopd.firewall.exposure import MOST_PORTS, Exposure, Found, exposed
from fwknopd.firewall.nftables import NftablesFirewall
from fwknopd.policy.outside_ports import Led, is_same_place, outside_ports
from fwknopd.policy.stanza import NatTarget, Stanza
from fwknopd.service import Service
from fwknopd.spa.errors import SpaError
from fwknopd.spa.request import PortSpec, parse_access

Json = dict[str, Any]

BELIEVED = 30.0
"""Seconds for which an answer is believed: it takes a run of nft, and pages ask all the time."""

SLOW = 0.5
"""Knocks wait during a look. After one of so many seconds nobody looks again for a while,"""

REST = 20
"""which is so many times as long as the look was, whoever asks."""


class ExposedPorts:
    """Asks about ports, and remembers the answer for a while."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._asked: tuple[object, ...] = ()
        self._found: Found | None = None
        self._problem = ""
        self._until = self._resting_until = -inf

    def told(self, arguments: Json) -> Json:
        """What the verb answers. Raises VerbError for ports that are none."""
        asked, owners = _asked(arguments.get("ports", "")), self._owners()
        ports = sorted(asked or owners)
        if ports:
            self._look(frozenset(ports[:MOST_PORTS]), anew=bool(arguments.get("anew")))
        found = self._found if ports else None
        exposures = found.exposures if found else ()
        judged = found.ports if found else frozenset()
        items = [self._item(each, owners.get(each.port, ())) for each in exposures]
        not_closed = {each.port for each in exposures}
        return {
            "ports": _merged(item for item in items if asked or item["clients"]),
            "closed": [str(p) for p in sorted(judged - not_closed)],
            "devices": list(found.devices) if found else [],
            "detail": self._problem if ports else "",
            "more": len(ports) - len(judged) if found else max(0, len(ports) - MOST_PORTS),
        }

    def _owners(self) -> dict[PortSpec, list[Stanza]]:
        owners: dict[PortSpec, list[Stanza]] = {}
        now = self._service.clock.now()
        for stanza in self._service.engine.settings.stanzas:
            for port in outside_ports(stanza, now):
                owners.setdefault(port, []).append(stanza)
        return owners

    def _look(self, ports: frozenset[PortSpec], *, anew: bool) -> None:
        service = self._service
        asked, began = (ports, service.guard.devices), service.clock.monotonic()
        is_same, is_resting = asked == self._asked, began < self._resting_until
        if is_same and (is_resting or (began < self._until and not anew)):
            return
        self._asked, self._found = (), None
        if is_resting:
            left = self._resting_until - began
            self._problem = (
                "looking at these rules takes this router long, and knocks wait meanwhile: "
                f"ask again in {left:.0f} seconds"
            )
            return
        self._problem = ""
        try:
            self._found = _exposed(service, ports)
        except FirewallError as error:
            self._problem = str(error)
        ended = service.clock.monotonic()
        self._asked, self._until = asked, ended + BELIEVED
        if ended - began > SLOW:
            self._resting_until = ended + REST * (ended - began)

    def _item(self, found: Exposure, owners: Iterable[Stanza]) -> Json:
        settings, port = self._service.engine.settings.policy, found.port
        led = Led(found.address, found.inside, found.here) if found.led else None
        return {
            "port": str(port),
            "device": found.device,
            "versions": [found.version],
            "reach": found.reach,
            "how": found.how,
            "name": printable_name(found.name),
            "chain": printable_name(found.chain),
            "leads_to": _place(found),
            "clients": [
                printable_name(stanza.label)
                for stanza in owners
                if is_same_place(stanza, port, led, settings)
            ],
        }


def _merged(items: Iterable[Json]) -> list[Json]:
    """What is the same for both IP versions is told once."""
    found: dict[str, Json] = {}
    for item in items:
        same = found.setdefault(str({**item, "versions": None}), item)
        if same is not item:
            same["versions"] += item["versions"]
    return list(found.values())


def _exposed(service: Service, ports: frozenset[PortSpec]) -> Found:
    firewall = service.engine.firewall
    if not isinstance(firewall, NftablesFirewall):
        raise FirewallError(
            f"this is told where the firewall is nftables; here it is {firewall.name}"
        )
    return exposed(ports, firewall.mark, service.guard.devices, firewall.table)


def _place(found: Exposure) -> str:
    """Where strangers are led to, "" for nowhere else."""
    if not found.led:
        return ""
    if found.address is None:
        return f":{found.inside}" if found.here and found.inside else "?"
    return str(NatTarget(found.address, found.inside or 0))


def _asked(text: str) -> frozenset[PortSpec]:
    """The ports that were named, none for "". Raises VerbError."""
    if not text:
        return frozenset()
    try:
        return frozenset(parse_access(f"0.0.0.0,{text}".encode()).ports)
    except (SpaError, UnicodeError):
        raise VerbError(
            "bad-argument", "these are no ports", "Write them like tcp/22,udp/53"
        ) from None
