"""A guarded router with doors on it: what is known of them, and looking whether it is so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from time import monotonic, sleep

from tests.netns.matrix.attempts import try_all
from tests.netns.matrix.guarded import Guarded
from tests.netns.matrix.ledger import Entry, Judgement, Questions, ask, hopeful
from tests.netns.matrix.watch import Watch

MENDING_SECONDS = 25.0
"""A loss that iptables-legacy doesn't tell is found out in rounds of 15 seconds."""

MENDING_LOOK = 0.1


@dataclass
class Scene:
    """``wakers``: clients whose knocks have no other purpose than to wake the daemon.

    ``thinned``: of all that has to be shut, so many in a hundred are tried at each look.
    """

    router: Guarded
    watch: Watch
    entries: list[Entry]
    wakers: list[Entry]
    random: Random
    thinned: int = 100
    judgement: Judgement = field(init=False)

    def __post_init__(self) -> None:
        self.judgement = Judgement(self.router.arena.public)

    def look(self, when: str) -> None:
        """Try who gets in, and note what is not as it should be."""
        questions = self._questions()
        tried = try_all(questions, hopeful(questions))
        known = len(self.judgement.wrong)
        self.judgement.judge(questions, tried.values())
        self.judgement.wrong[known:] = [f"{when}: {w}" for w in self.judgement.wrong[known:]]

    def _questions(self) -> Questions:
        questions: Questions = {}
        arena, outside = self.router.arena, self.router.site.outside
        for entry in self.everybody:
            ask(questions, outside, entry, behind=arena.tells_behind)
        shut = [attempt for attempt, claims in questions.items() if not claims]
        for attempt in shut:
            if self.random.randrange(100) >= self.thinned:
                del questions[attempt]
        return questions

    def knock(self, wanted: Iterable[Entry], when: str) -> None:
        """Knock for doors."""
        self.judgement.wrong += [f"{when}: {text}" for text in self.router.knock(wanted)]

    @property
    def everybody(self) -> tuple[Entry, ...]:
        """All doors."""
        return (*self.wakers, *self.entries)

    # What changes what is known

    def mended(self) -> None:
        """Rules of ours were deleted: they are back when this returns."""
        until = monotonic() + MENDING_SECONDS
        missing = [waker.home.phone for waker in self.wakers]
        while missing and monotonic() < until:
            sleep(MENDING_LOOK)
            arena, site = self.router.arena, self.router.site
            missing = [source for source in missing if not arena.admits(site, source)]
        if missing:
            self.judgement.wrong.append(f"rules were deleted, and are not back for {missing}")

    def wake(self) -> None:
        """Let the daemon change the firewall."""
        self.knock(self.wakers, "waking the daemon")

    @contextmanager
    def unattended(self) -> Iterator[None]:
        """Nobody shuts doors meanwhile, where the kernel doesn't do it by itself."""
        lingering = [] if self.router.arena.closes else list(self.everybody)
        for entry in lingering:
            entry.lingers()
        try:
            yield
        finally:
            for entry in lingering:
                entry.attended()
