"""Many doors through the same trouble, each to its own end.

For every kind of access and IP version there is one phone for each way a door can end.
They knock, something happens to the router, their doors end, it happens again. In between
and all along it is tried who gets in.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from random import Random
from time import monotonic, sleep

from tests.netns.matrix.attempts import Attempt, alive, try_all
from tests.netns.matrix.guarded import Guarded
from tests.netns.matrix.kind_table import WAKER
from tests.netns.matrix.kinds import Kind
from tests.netns.matrix.ledger import Entry, Questions, ask
from tests.netns.matrix.scene import MENDING_LOOK, Scene
from tests.netns.matrix.services import Answer
from tests.netns.matrix.site import VERSIONS, Home
from tests.netns.matrix.troubles import STEADY, TROUBLES, Trouble, is_open
from tests.netns.matrix.watch import (
    Watch,
    bystanders_attempts,
    calls_home,
    strangers_attempts,
)

LIVES = ("open", "extend", "expire", "revoke", "cut")
LONG, SHORT = 280, 4
SECONDS = dict.fromkeys(LIVES, LONG) | {"extend": SHORT, "expire": SHORT}
MENDING = 15.0
"""Seconds within which a connection that lived through trouble brings an answer."""


@dataclass(eq=False, slots=True)
class Case:
    """One door and how it ends."""

    entry: Entry
    life: str
    connection: socket.socket | None = None


def cases_of(kinds: Iterable[Kind], trouble: str, turn: int | None) -> list[Case]:
    """One case for each kind of access, IP version and life; each has a network of its own.

    With a ``turn`` it is two lives of five, others at each turn.
    """
    cases: list[Case] = []
    for number, (kind, version) in enumerate((k, v) for k in kinds for v in k.versions):
        for life in LIVES if turn is None else _two_lives(number + turn):
            name = f"{kind.client(version)}/{life}/{trouble}"
            home = Home(len(cases) + 1, version)
            cases.append(Case(Entry(name, kind, home, SECONDS[life]), life))
    return cases


def _two_lives(number: int) -> tuple[str, str]:
    return LIVES[number % len(LIVES)], LIVES[(number + 2) % len(LIVES)]


@dataclass
class Report:
    """What a campaign has found."""

    cases: int
    wrong: list[str]
    certain: int
    unknown: int
    watched: int


class Campaign:
    """One run: see the module's words. ``seed`` decides what is left out of a look."""

    def __init__(
        self,
        router: Guarded,
        kinds: Sequence[Kind],
        trouble: str,
        seed: str,
        turn: int | None = None,
    ) -> None:
        self.router = router
        self.trouble: Trouble = TROUBLES[trouble]
        self.steady = trouble in STEADY and router.arena.closes
        self.cases = cases_of(kinds, trouble, turn)
        wakers = [Entry(f"waker-{v}", WAKER, Home(0, v), 300) for v in VERSIONS]
        expected = strangers_attempts(router.site, router.arena)
        homes = [c.entry.home for c in self.cases if c.entry.kind.everything]
        others = bystanders_attempts(router.site) | calls_home(router.site, homes)
        self.watch = Watch(expected, others)
        entries = [case.entry for case in self.cases]
        self.scene = Scene(router, self.watch, entries, wakers, Random(seed), thinned=34)

    def run(self) -> Report:
        """All of it; what was found."""
        arena, site, scene = self.router.arena, self.router.site, self.scene
        arena.load(site)
        site.remember_flows()
        before = arena.listing(site)
        with ExitStack() as cleanup:
            cleanup.callback(self._hang_up)
            cleanup.enter_context(self.watch)
            self.router.daemon.start()
            scene.look("before any knock")
            self._knock()
            self._suffer()
            scene.look("after the trouble")
            self._end_some()
            self._suffer()
            scene.look("after the trouble came again")
            self._wait_for_ends()
            scene.look("after the doors' time")
            self._check_connections("at the end")
            self.watch.no_longer(self._guests())
            self._stop(before)
        wrong = scene.judgement.wrong + self.watch.wrong
        judged = scene.judgement
        return Report(len(self.cases), wrong, judged.certain, judged.unknown, self.watch.count)

    def _suffer(self) -> None:
        self.scene.remember()
        self.trouble(self.scene)

    def _of(self, *lives: str) -> list[Case]:
        return [case for case in self.cases if case.life in lives]

    def _knock(self) -> None:
        scene = self.scene
        scene.wake()
        if self.steady:
            self.watch.also(self._guests())
        for lives in (("open", "revoke", "cut"), ("extend", "expire")):
            scene.knock([case.entry for case in self._of(*lives)], "first knock")
        self._connect()
        scene.look("after the knocks")

    def _guests(self) -> dict[Attempt, Answer | None]:
        questions: Questions = {}
        for waker in self.scene.wakers:
            ask(questions, self.router.site.outside, waker, behind=False, others=False)
        return {attempt: claims[0].answer for attempt, claims in questions.items() if claims}

    def _connect(self) -> None:
        """Keep a connection through every door."""
        wanted = {}
        for case in self.cases:
            questions: Questions = {}
            ask(questions, self.router.site.outside, case.entry, behind=False, others=False)
            wanted[next(iter(questions))] = case
        for tried in try_all(wanted, wanted, keep=True).values():
            wanted[tried.attempt].connection = tried.connection

    def _end_some(self) -> None:
        scene = self.scene
        for case in self._of("extend"):
            case.entry.seconds = LONG
        scene.knock([case.entry for case in self._of("extend")], "second knock")
        self._revoke(self._of("revoke"))
        self._revoke(self._of("cut"), cut=True)
        scene.look("after some were revoked")

    def _revoke(self, cases: list[Case], **how: bool) -> None:
        listed = self.router.ask("grants")["grants"]
        for case in cases:
            who = set(map(str, case.entry.kind.holders(case.entry.home)))
            ids = [grant["id"] for grant in listed if grant["address"] in who]
            if not ids:
                self.scene.judgement.wrong.append(f"{case.entry.name}: it is not listed")
            for identity in ids:
                self.router.ask("revoke", id=identity, **how)
            case.entry.closed()

    def _wait_for_ends(self) -> None:
        ending = [case.entry for case in self._of("expire")]
        while any(entry.possibly > monotonic() for entry in ending):
            self._learn_of_ends(ending)
            sleep(MENDING_LOOK)

    def _learn_of_ends(self, ending: Iterable[Entry]) -> None:
        """Where the daemon shuts doors it may be late; those it doesn't list any more are shut."""
        if not self.router.arena.closes:
            listed = {grant["address"] for grant in self.router.ask("grants")["grants"]}
            for entry in ending:
                gone = listed.isdisjoint(entry.kind.holders(entry.home))
                if gone and not entry.unlisted():
                    self.scene.judgement.wrong.append(f"{entry.name}: it was shut too early")

    def _check_connections(self, when: str) -> None:
        held = {case.connection: case for case in self.cases if case.connection}
        living = alive(list(held), MENDING, [c for c, case in held.items() if self._lives(case)])
        for connection, case in held.items():
            lives = connection in living
            if lives is not self._lives(case):
                fault = "goes on" if lives else "is dead"
                self.scene.judgement.wrong.append(f"{when}: {case.entry.name}: connection {fault}")

    def _lives(self, case: Case) -> bool:
        """Connections outlive their doors if the owner's rules let answers out, unless cut."""
        if case.life == "cut":
            return False
        through = case.entry.kind.ways[0].role == "host"
        return self.router.arena.answers or through or is_open(case.entry)

    def _hang_up(self) -> None:
        for case in self.cases:
            if case.connection:
                case.connection.close()

    def _stop(self, before: str) -> None:
        self.router.daemon.stop()
        for entry in self.scene.everybody:
            entry.closed()
        self.scene.look("after the daemon's end")
        after = self.router.arena.listing(self.router.site)
        if after != before:
            changed = sorted(set(after.splitlines()) ^ set(before.splitlines()))
            self.scene.judgement.wrong.append(f"rules are not as before: {changed}")
