"""One contestant on its own router, running, with everything to measure it by."""

from __future__ import annotations

import gc
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.accounting import Group
from tests.bench.clients import Client, addresses, make_clients
from tests.bench.contestants import Contestant
from tests.bench.errors import BenchError
from tests.bench.installation import Installation
from tests.bench.probing import Prober
from tests.bench.site import Site, made_site
from tests.lab.process import Process

LONG = 300
"""Seconds a door stays open where its end doesn't matter: the C daemon's longest."""

START_LIMIT = 20.0
SETTLE_SECONDS = 0.4
"""Time for the knocks that a starting daemon got too many of."""


@dataclass(frozen=True, slots=True)
class Setup:
    """How a contestant is set up. ``seconds`` is how long doors stay open."""

    clients: int = 1
    seconds: int = LONG
    keep_doors: bool = False


@dataclass(frozen=True, slots=True)
class Started:
    """Of a start: seconds to the first door, and of processor time until then."""

    seconds: float
    cpu: float


class Trial:
    """A contestant's router and daemon; methods run in the outside machine."""

    def __init__(
        self, installation: Installation, setup: Setup, site: Site, prober: Prober, group: Group
    ) -> None:
        self.contestant = installation.contestant
        self.installation = installation
        self.setup = setup
        self.site = site
        self.prober = prober
        self.group = group
        self.clients = make_clients(setup.clients)
        self.visitors = addresses()
        self._process: Process | None = None

    @property
    def process(self) -> Process:
        """The running daemon. Raises BenchError when it has ended."""
        if self._process is None or not self._process.running():
            words = self._process.last_words() if self._process else ""
            raise BenchError(f"{self.contestant.label}: the daemon has ended{words}")
        return self._process

    @property
    def client(self) -> Client:
        """Who knocks: the last client, so that all are tried for it."""
        return self.clients[-1]

    def take(self, count: int) -> list[str]:
        """That many addresses nobody had before."""
        return [next(self.visitors) for _ in range(count)]

    def start(self, every: float = 0.1) -> Started:
        """Start the daemon, and knock until a door opens. Raises BenchError."""
        self.installation.write(self.clients, self.setup.seconds, keep_doors=self.setup.keep_doors)
        started = time.perf_counter()
        with self.site.router.entered():
            self._process = Process(
                self.contestant.name,
                self.group.command(self.installation.command()),
                log=self.installation.log,
                environment=self.installation.environment(),
            )
        self.group.watch(self._process.pid)
        self._knock_until_open(started + START_LIMIT, every)
        return Started(time.perf_counter() - started, self.group.cpu())

    def _knock_until_open(self, deadline: float, every: float) -> None:
        visitor, words = next(self.visitors), ""
        while time.perf_counter() < deadline:
            if self.prober.knock(self.client.knock(visitor), visitor, limit=every):
                return
            words = self.process.last_words()
        raise BenchError(
            f"{self.contestant.label}: no door opens in {START_LIMIT:g} s after a start{words}"
        )

    def stop(self) -> None:
        """End the daemon in the orderly way."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def cpu_during(self, seconds: float) -> float:
        """Seconds of processor time it takes in that time."""
        before = self.group.cpu()
        time.sleep(seconds)
        return self.group.cpu() - before


@contextmanager
def prepared(
    contestant: Contestant, setup: Setup, folder: Path, c_daemon: Path | None
) -> Iterator[Trial]:
    """A contestant that is set up and not started; gone after the block, whatever happens."""
    with ExitStack() as cleanup:
        own = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="run-", dir=folder)))
        site = cleanup.enter_context(made_site(contestant))
        group = cleanup.enter_context(closing(Group()))
        cleanup.enter_context(site.outside.entered())
        prober = Prober(site, announces=contestant.announces)
        cleanup.callback(prober.close)
        trial = Trial(Installation(contestant, own, c_daemon), setup, site, prober, group)
        cleanup.callback(trial.stop)
        cleanup.callback(gc.enable)
        gc.disable()
        yield trial


@contextmanager
def running(
    contestant: Contestant, setup: Setup, folder: Path, c_daemon: Path | None
) -> Iterator[Trial]:
    """The same, started and at rest."""
    with prepared(contestant, setup, folder, c_daemon) as trial:
        trial.start()
        time.sleep(SETTLE_SECONDS)
        yield trial


def run_quietly(command: list[str], script: str) -> None:
    """Run a program with ``script`` as its input. Raises BenchError."""
    done = subprocess.run(command, input=script, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise BenchError(f"{command[0]} failed: {done.stderr.strip()[:300]}")
