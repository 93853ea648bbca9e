"""The site with the real daemon on its router, and knocks to it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import monotonic
from types import MappingProxyType
from typing import Any

from tests.lab.configs import write_private
from tests.lab.daemon import Daemon
from tests.lab.errors import LabError
from tests.lab.events import Event, EventStream, event_is
from tests.lab.hosts import Host
from tests.lab.paths import LabPaths
from tests.lab.process import SYSTEM_PATH
from tests.netns.matrix.arenas import Arena
from tests.netns.matrix.kind_table import TCP_PORTS, UDP_PORTS, WAKER
from tests.netns.matrix.kinds import Kind
from tests.netns.matrix.knocking import STRICT, USUAL, config_text, knock
from tests.netns.matrix.ledger import Entry
from tests.netns.matrix.services import Services
from tests.netns.matrix.site import (
    ALIAS,
    HOST,
    INSIDE,
    ROUTER,
    SECOND,
    SERVER,
    VERSIONS,
    Home,
    Site,
    matrix_site,
)
from tests.netns.matrix.watch import WEB
from tests.netns.namespaces import Machines

ANSWER_SECONDS = 30.0
EMPTY: Mapping[str, str] = MappingProxyType({})
AT_ONCE = 10
"""Knocks under way at the same time: few enough to know well when each was answered."""


class Refused(Exception):
    """The daemon granted nothing, or said nothing. The text is its reason."""


@dataclass(slots=True)
class Guarded:
    """A router with its owner's firewall, and a daemon whose configuration knows ``kinds``."""

    site: Site
    machines: Machines
    arena: Arena
    daemon: Daemon
    kinds: Sequence[Kind]
    server: dict[str, str]

    @property
    def events(self) -> EventStream:
        """What the daemon says."""
        return self.daemon.events

    def configure(self, disabled: frozenset[str] = frozenset()) -> None:
        """Write the daemon's configuration; it is used from its next start or reload on."""
        write_private(self.daemon.paths.uci, config_text(self.kinds, self.server, disabled))

    def ask(self, verb: str, **arguments: object) -> dict[str, Any]:
        """Ask the daemon."""
        return self.daemon.ask(verb, **arguments)

    # Knocks

    def knock(self, wanted: Iterable[Entry]) -> list[str]:
        """Knock for doors; what went wrong."""
        left = iter(wanted)
        wrong: list[str] = []
        while some := list(islice(left, AT_ONCE)):
            mark = self.events.mark()
            sent = [(e, self.send(e.kind, e.home, e.seconds)) for e in some]
            for entry, asked in sent:
                try:
                    self.granted(entry.kind, entry.home, mark)
                except Refused as error:
                    wrong.append(f"{entry.name}: knock from {entry.home.phone}: {error}")
                else:
                    entry.opened(asked, monotonic())
        return wrong

    def send(self, kind: Kind, home: Home, seconds: int) -> float:
        """Send a knock; the monotonic second before that."""
        asked = monotonic()
        knock(self.site.outside, kind, home, seconds)
        return asked

    def granted(self, kind: Kind, home: Home, mark: int) -> None:
        """Wait until a knock sent after ``mark`` is granted. Raises Refused."""
        client = kind.client(home.version)
        wanted = event_is("verdict", source=home.phone, client=client)
        try:
            verdict = self.events.wait_for(wanted, since=mark, timeout=ANSWER_SECONDS)
        except LabError as error:
            raise Refused(str(error)) from error
        if verdict["verdict"] != "accept":
            raise Refused(f"{verdict['reason']}: {verdict['detail']}")

    # The daemon

    def kill(self) -> None:
        """As a crash does."""
        self.daemon.kill()

    def freeze(self) -> None:
        """Stop the process where it is."""
        self.daemon.process.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.daemon.process.signal(signal.SIGCONT)

    def heard(self, mark: int, wanted: Callable[[Event], bool]) -> Event:
        """Wait for an event."""
        return self.events.wait_for(wanted, since=mark, timeout=ANSWER_SECONDS)


@contextmanager
def served_site() -> Iterator[tuple[Site, Machines]]:
    """The machines with all their servers."""
    services = Services()
    with matrix_site() as (site, machines):
        services.tcp(site.router, TCP_PORTS)
        services.tcp(site.host, TCP_PORTS)
        services.tcp(site.outside, (WEB,))
        for version in VERSIONS:
            inside = (ROUTER, SECOND, INSIDE, ALIAS)
            services.udp(site.router, [pair[version] for pair in inside], UDP_PORTS)
            services.udp(site.host, [HOST[version]], UDP_PORTS)
            services.udp(site.outside, [SERVER[version]], (WEB,))
        with services:
            yield site, machines


@contextmanager
def guarded(
    served: tuple[Site, Machines],
    arena: Arena,
    folder: Path,
    kinds: Sequence[Kind],
    environment: Mapping[str, str] = EMPTY,
) -> Iterator[Guarded]:
    """The router with its owner's rules, and the daemon running, while the block does.

    ``environment``: what the daemon finds there beside the usual.
    """
    site, machines = served
    paths = LabPaths(folder)
    for made in (paths.uci.parent, paths.classic, paths.run_dir):
        made.mkdir(mode=0o700, parents=True)
    path = f"{arena.programs(folder / 'bin')}:{SYSTEM_PATH}"
    daemon = Daemon(
        Host("router", site.router, ROUTER[4], ROUTER[6]),
        paths,
        firewall=arena.backend,
        environment={"PATH": path, "HOME": str(folder), "LC_ALL": "C.UTF-8", **environment},
        events=EventStream(),
    )
    output = {} if arena.answers else {"ENABLE_IPT_OUTPUT": "Y"}
    server = (STRICT if any(kind.strict for kind in kinds) else USUAL) | output
    router = Guarded(site, machines, arena, daemon, (*kinds, WAKER), server)
    router.configure()
    try:
        yield router
    finally:
        daemon.close()
