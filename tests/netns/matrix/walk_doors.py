"""Who takes part in a random walk, and which doors each asks for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.netns.matrix.kind_table import TO_OUTER, USUAL
from tests.netns.matrix.kinds import Kind, at, led
from tests.netns.matrix.ledger import Entry
from tests.netns.matrix.memory import Door
from tests.netns.matrix.site import HOST, INSIDE, ROUTER, Home


def _named(*names: str) -> tuple[Kind, ...]:
    return tuple(kind for kind in USUAL if kind.name in names)


(_TCP,) = _named("tcp")
(_NAT,) = _named("nat")
TWIN = replace(_TCP, name="twin")
"""Another client who asks for the same door."""

ELSEWHERE = replace(
    _NAT,
    name="elsewhere",
    ways=led(TO_OUTER, 7001),
    behind=at("host", "tcp/7001"),
    nat="{host},7001",
)
"""Another client who wants the same port to lead elsewhere."""

_MANY = (
    *_named("tcp", "udp", "several", "nat", "nat-udp", "nat-forwarded", "local", "force-nat"),
    *_named("masquerade", "snat", "no-dnat", "wide", "narrow"),
    TWIN,
    ELSEWHERE,
)
# A door to everything is alone with those that can't be confused with it.
KINDS_AT: dict[int, tuple[Kind, ...]] = {
    1: _MANY,
    2: _MANY,
    3: (*_named("all-to-target"), _TCP, TWIN),
    4: (*_named("all-masquerade"), _TCP, TWIN),
}
"""Which clients are on which phone, by the number of its home."""

WALKED = tuple(dict.fromkeys(kind for kinds in KINDS_AT.values() for kind in kinds))


@dataclass(frozen=True, slots=True)
class Client:
    """A client of the configuration on a phone."""

    kind: Kind
    home: Home

    @property
    def name(self) -> str:
        """As the daemon calls it."""
        return self.kind.client(self.home.version)

    def __str__(self) -> str:
        return f"{self.name} at {self.home.phone}"


def clients(*, confusing: bool) -> list[Client]:
    """All clients on all phones. ``confusing``: also those whose doors look the same inside.

    Without marks a connection to a target may come from any door that leads there.
    """
    every = [
        Client(kind, Home(number, version))
        for number, kinds in KINDS_AT.items()
        for kind in kinds
        for version in kind.versions
    ]
    return [c for c in every if confusing or not _confuses(c)]


def _confuses(client: Client) -> bool:
    sourced = client.kind.name in ("masquerade", "snat")
    same_target = client.kind.name in ("force-nat", "no-dnat", "elsewhere")
    return (client.home.number == 1 and sourced) or (client.home.number == 2 and same_target)


class Doors:
    """Every door that was asked for, each once whoever asks."""

    def __init__(self, late: float) -> None:
        """``late``: seconds that a door may shut late."""
        self._late = late
        self._known: dict[tuple[object, ...], Door] = {}

    def __iter__(self) -> Iterator[Door]:
        return iter(list(self._known.values()))

    def of(self, client: Client) -> list[Door]:
        """Those a client's knock opens, in the order it asks for them."""
        kind = client.kind
        if _is_plain(kind):
            return [self._plain(client, number) for number in range(len(kind.ways))]
        return [self._leading(client)]

    def known(self, client: Client) -> list[Door]:
        """Those of them that somebody has asked for."""
        keys = self._keys(client)
        return [self._known[key] for key in keys if key in self._known]

    def _keys(self, client: Client) -> list[tuple[object, ...]]:
        kind, home = client.kind, client.home
        if not _is_plain(kind):
            return [(home, kind.name)]
        return [(*kind.holders(home), way.port) for way in kind.ways]

    def _plain(self, client: Client, number: int) -> Door:
        kind, home = client.kind, client.home
        way = kind.ways[number]
        (who,) = kind.holders(home)
        known = self._known.get((who, way.port))
        if known is None:
            # Without a destination rule it is open at every address of the router.
            both = replace(kind, ways=(way, replace(way, to="second")))
            entry = Entry(f"{way.port} for {who}", both, home, 0, late=self._late)
            known = self._known[who, way.port] = Door(entry, (who, way.port, None, None), None)
        return known

    def _leading(self, client: Client) -> Door:
        kind, home = client.kind, client.home
        known = self._known.get((home, kind.name))
        if known is None:
            name = f"{kind.name} for {home.phone}"
            entry = Entry(name, kind, home, 0, late=self._late)
            what = "all" if kind.everything else kind.ports
            source = _source_nat(kind, home.version)
            listed = (home.phone, what, _target(kind, home.version), source)
            place = kind.ways[0].to
            claim = (home, what, place)
            known = self._known[home, kind.name] = Door(entry, listed, claim)
        return known


def _is_plain(kind: Kind) -> bool:
    """It leads to the router itself, under the same port."""
    return all(way.role == "router" and way.number == way.inner for way in kind.ways)


def _source_nat(kind: Kind, version: int) -> str | None:
    seen = kind.ways[0].seen
    if seen is None:
        return None
    return "masquerade" if seen is INSIDE else seen[version]


def _target(kind: Kind, version: int) -> str | None:
    way = kind.ways[0]
    if "FORCE_NAT" not in kind.options and not kind.nat:
        return None
    address = HOST[version] if way.role == "host" else ROUTER[version]
    if kind.everything:
        return address
    return f"{address}:{way.inner}" if version == 4 else f"[{address}]:{way.inner}"
