"""Ports at which anybody gets in without a knock, as the daemon found them, in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fwknop_webui.i18n import _
from fwknop_webui.untyped import Json, children, numbers, text, texts

OPEN, SOME = "open", "some"


@dataclass(frozen=True, slots=True)
class ExposedPort:
    """How strangers fare at a port on a device, and by what. ``reach`` is open, some or unknown."""

    port: str
    device: str
    versions: tuple[int, ...]
    reach: str
    how: str
    name: str
    chain: str
    leads_to: str
    clients: tuple[str, ...]

    @property
    def is_open(self) -> bool:
        """Anybody gets in."""
        return self.reach == OPEN

    @property
    def text(self) -> str:
        """What was found, in a sentence or two."""
        place = {"port": self.port, "device": f"{self.device}{_over(self.versions)}"}
        if self.reach == SOME:
            told = _("Some may get in at {port} on {device} without a knock, by {rule}.")
        elif self.is_open:
            told = _("Anybody gets in at {port} on {device} without a knock, by {rule}.")
        else:
            told = _("For {rule}, nobody can tell who gets in at {port} on {device}.")
        led = _("It leads to {target}.").format(target=self.leads_to) if self.leads_to else ""
        return f"{told.format(**place, rule=self._by)} {led}".rstrip()

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return {
            "rule": _("Switch it off in LuCI: Network, Firewall, Traffic Rules."),
            "redirect": _("Switch it off in LuCI: Network, Firewall, Port Forwards."),
            "zone": _("Let it reject input, in LuCI: Network, Firewall, Zones."),
            "policy": _("Let the chain drop what no rule accepts."),
            "nothing": _("Make a firewall that drops what no rule accepts."),
        }.get(self.how, _("Take the rule away where it was made."))

    @property
    def _by(self) -> str:
        by = {
            "rule": _("the traffic rule “{name}”"),
            "redirect": _("the port forward “{name}”"),
            "zone": _("the zone “{name}”, which accepts input"),
            "policy": _("the chain {name}, which accepts what no rule refuses"),
            "nothing": _("no rule at all: nothing is refused here"),
        }.get(self.how, _("the rule {name} in {chain}"))
        return by.format(name=self.name, chain=self.chain)


@dataclass(frozen=True, slots=True)
class Exposed:
    """All that was found. ``problem`` says why nothing could be."""

    ports: tuple[ExposedPort, ...] = ()
    closed: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    problem: str = ""

    def of(self, labels: Iterable[str]) -> tuple[ExposedPort, ...]:
        """Ports at which anybody gets in to what is one of these clients' alone."""
        wanted = set(labels)
        return tuple(p for p in self.ports if p.is_open and not wanted.isdisjoint(p.clients))


def exposed_of(answer: Json) -> Exposed:
    """What the daemon told."""
    return Exposed(
        tuple(map(_port, children(answer, "ports"))),
        tuple(texts(answer, "closed")),
        tuple(texts(answer, "devices")),
        text(answer, "detail"),
    )


def _port(data: Json) -> ExposedPort:
    return ExposedPort(
        port=text(data, "port"),
        device=text(data, "device"),
        versions=tuple(map(int, numbers(data, "versions"))),
        reach=text(data, "reach"),
        how=text(data, "how"),
        name=text(data, "name"),
        chain=text(data, "chain"),
        leads_to=text(data, "leads_to"),
        clients=tuple(texts(data, "clients")),
    )


def _over(versions: tuple[int, ...]) -> str:
    return f" (IPv{', IPv'.join(map(str, versions))})" if versions else ""
