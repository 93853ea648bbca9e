"""Those who never knocked, and what must go on undisturbed: tried all the time, in a thread."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import cycle
from math import inf
from time import monotonic

from tests.netns.matrix.arenas import Arena
from tests.netns.matrix.attempts import LONG_PATIENCE, PATIENCE, Attempt, Prober, Tried
from tests.netns.matrix.kind_table import KINDS
from tests.netns.matrix.services import Answer
from tests.netns.matrix.site import HOST, ROUTER, SERVER, STRANGER, VERSIONS, Home, Site

PAUSE = 0.01
WEB = 80
MOST_COMPLAINTS = 20

Expected = dict[Attempt, Answer | None]


def strangers_attempts(site: Site, arena: Arena) -> Expected:
    """Everywhere a door of any kind leads; nothing of it for somebody who didn't knock."""
    ways = {way for kind in KINDS for way in (*kind.ways, *kind.behind)}
    expected: Expected = {}
    for version in VERSIONS:
        source = STRANGER[version]
        for to, port in sorted({(way.address(version), way.port) for way in ways}):
            protocol, _, number = port.partition("/")
            attempt = Attempt(site.outside, source, to, int(number), protocol)
            expected[attempt] = arena.public(attempt)
    return expected


def bystanders_attempts(site: Site) -> Expected:
    """The LAN's own traffic: out to the Internet, over IPv4 under the router's address."""
    seen = {4: ROUTER[4], 6: HOST[6]}
    return {
        Attempt(site.host, HOST[version], SERVER[version], WEB, protocol): Answer(
            "outside", WEB, seen[version]
        )
        for version in VERSIONS
        for protocol in ("tcp", "udp")
    }


@dataclass(slots=True)
class Time:
    """Of something, in monotonic seconds; without an end while it goes on."""

    began: float
    end: float = inf


def calls_home(site: Site, homes: Iterable[Home]) -> Expected:
    """The LAN host is a client of something at a phone's address, whatever doors that has."""
    seen = {4: ROUTER[4], 6: HOST[6]}
    return {
        Attempt(site.host, HOST[home.version], home.phone, WEB): Answer(
            "outside", WEB, seen[home.version]
        )
        for home in homes
    }


class Watch:
    """Tries while the block runs; ``wrong`` is what it found."""

    def __init__(self, expected: Expected, often: Expected) -> None:
        """``often`` is tried at every third turn."""
        self._expected = {**expected, **often}
        self._order = cycle(_mixed(list(expected), list(often)))
        self._prober = Prober()
        self._end = threading.Event()
        self._lock = threading.Lock()
        self._outages: list[Time] = []
        self._interruptions: list[Time] = []
        self.wrong: list[str] = []
        self.count = 0
        self._thread = threading.Thread(target=self._run, name="watch")

    def outage(self) -> AbstractContextManager[None]:
        """While the router's own firewall is not there, what happens is not our doing."""
        return self._noted(self._outages)

    def interruption(self) -> AbstractContextManager[None]:
        """While the router's own firewall lets nobody through, that is not our doing."""
        return self._noted(self._interruptions)

    @contextmanager
    def _noted(self, times: list[Time]) -> Iterator[None]:
        time_ = Time(monotonic())
        with self._lock:
            times.append(time_)
        try:
            yield
        finally:
            time_.end = monotonic()

    def also(self, expected: Expected) -> None:
        """Have an eye on these, too, from now on."""
        with self._lock:
            self._expected |= expected
            self._order = cycle(_mixed(list(self._expected), list(expected)))

    def no_longer(self, attempts: Iterable[Attempt]) -> None:
        """Whatever becomes of these from now on is right."""
        with self._lock:
            for attempt in attempts:
                self._expected.pop(attempt, None)
            self._order = cycle(list(self._expected))

    def _run(self) -> None:
        while not self._end.is_set():
            with self._lock:
                attempt = next(self._order)
                patience = PATIENCE if self._expected[attempt] is None else LONG_PATIENCE
            self._prober.launch(attempt, patience)
            self._judge(self._prober.poll(PAUSE))
            self._end.wait(PAUSE)
        while len(self._prober):
            self._judge(self._prober.poll(1.0))
        self._prober.close()

    def _judge(self, tried: list[Tried]) -> None:
        with self._lock:
            for one in tried:
                self.count += 1
                known = one.attempt in self._expected
                if known and one.answer != self._expected[one.attempt] and not self._excused(one):
                    self._complain(one)

    def _excused(self, tried: Tried) -> bool:
        times = [*self._outages, *(() if tried.answer else self._interruptions)]
        return any(tried.began <= time.end and tried.ended >= time.began for time in times)

    def _complain(self, tried: Tried) -> None:
        if len(self.wrong) < MOST_COMPLAINTS:
            expected = self._expected[tried.attempt] or "shut"
            found = tried.answer or "shut"
            self.wrong.append(f"all along: {tried.attempt}: expected {expected}, found {found}")

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._end.set()
        self._thread.join()


def _mixed(rare: list[Attempt], often: list[Attempt]) -> list[Attempt]:
    """All of the rare ones, with one of the others after every two."""
    if not often:
        return rare
    turn = cycle(often)
    mixed: list[Attempt] = []
    for number, attempt in enumerate(rare):
        mixed += [attempt, *([next(turn)] if number % 2 else [])]
    return mixed
