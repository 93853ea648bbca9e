"""A guarded router with doors on it: what is known of them, and looking whether it is so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from time import monotonic, sleep, time

from tests.netns.matrix.attempts import Attempt, try_all
from tests.netns.matrix.guarded import Guarded
from tests.netns.matrix.kind_table import WAKER
from tests.netns.matrix.knocking import knock
from tests.netns.matrix.ledger import (
    KERNEL_LATE,
    LATE,
    Entry,
    Judgement,
    Questions,
    State,
    ask,
    hopeful,
)
from tests.netns.matrix.site import VERSIONS, Home
from tests.netns.matrix.watch import Watch

MENDING_SECONDS = 25.0
"""A loss that iptables-legacy doesn't tell is found out in rounds of 15 seconds."""

MENDING_LOOK = 0.1
IMPATIENT_SECONDS = 3.0
UNHEARD = 5000
"""Number of the first home whose knocks nobody hears."""


@dataclass
class Scene:
    """``wakers``: clients whose knocks have no other purpose than to wake the daemon.

    ``unjudged``: attempts that nobody claims, and of which it isn't known what becomes
    ``thinned``: of all that has to be shut, so many in a hundred are tried at each look.
    """

    router: Guarded
    watch: Watch
    entries: list[Entry]
    wakers: list[Entry]
    random: Random
    thinned: int = 100
    judgement: Judgement = field(init=False)
    impatient: bool = False
    unheard: list[Entry] = field(default_factory=list)
    _held: dict[str, int] = field(default_factory=dict)
    unjudged: Callable[[Attempt], bool] = lambda attempt: False

    def __post_init__(self) -> None:
        self.judgement = Judgement(self.router.arena.public)
        for entry in self.everybody:
            entry.late = KERNEL_LATE if self.router.arena.closes else LATE

    def look(self, when: str) -> None:
        """Try who gets in, and note what is not as it should be."""
        questions = self._questions()
        public = [attempt for attempt in questions if self.router.arena.public(attempt)]
        tried = try_all(questions, [*hopeful(questions), *public])
        known = len(self.judgement.wrong)
        self.judgement.judge(questions, tried.values())
        self.judgement.wrong[known:] = [f"{when}: {w}" for w in self.judgement.wrong[known:]]

    def _questions(self) -> Questions:
        questions: Questions = {}
        arena, outside = self.router.arena, self.router.site.outside
        for entry in self.everybody:
            ask(questions, outside, entry, behind=arena.tells_behind)
        unclear = set() if arena.tells_behind else self._behind_doors()
        open_ = set(hopeful(questions))
        for attempt, claims in list(questions.items()):
            thinned = not claims and self.random.randrange(100) >= self.thinned
            if attempt not in open_ and (
                thinned or attempt in unclear or (not claims and self.unjudged(attempt))
            ):
                del questions[attempt]
        return questions

    def _behind_doors(self) -> set[Attempt]:
        """What may be open beside what was asked for."""
        now, outside = monotonic(), self.router.site.outside
        return {
            way.attempt(outside, entry.home.phone)
            for entry in self.everybody
            if entry.state(now, now) is not State.SHUT
            for way in entry.kind.behind
        }

    def knock(self, wanted: Iterable[Entry], when: str) -> None:
        """Knock for doors."""
        self.judgement.wrong += [f"{when}: {text}" for text in self.router.knock(wanted)]

    def knock_unheard(self) -> None:
        """Knock where nobody hears it: nothing may come of it, now or later."""
        for version in VERSIONS:
            home = Home(UNHEARD + len(self.unheard), version)
            entry = Entry(f"unheard-{version}", WAKER, home, 60)
            knock(self.router.site.outside, entry.kind, entry.home, entry.seconds)
            self.unheard.append(entry)

    @property
    def everybody(self) -> tuple[Entry, ...]:
        """All doors."""
        return (*self.wakers, *self.entries, *self.unheard)

    # What changes what is known

    def remember(self) -> None:
        """Something is about to happen to the rules that are there now."""
        self._held = self.router.arena.held(self.router.site)

    def mended(self) -> None:
        """Rules of ours were deleted: those that were remembered are back when this returns.

        Where rules are lost again and again, iptables' are put back ever later. Who is
        ``impatient`` then knocks.
        """
        limit = IMPATIENT_SECONDS if self.impatient else MENDING_SECONDS
        missing = self._missing_for(limit)
        if missing and self.impatient:
            self.wake()
            missing = self._missing_for(limit)
        if missing:
            self.judgement.wrong.append(f"rules were deleted, and are not back for {missing}")

    def _missing_for(self, seconds: float) -> list[str]:
        """Whose rules are not there within some seconds."""
        until = monotonic() + seconds
        missing = self._missing()
        while missing and monotonic() < until:
            sleep(MENDING_LOOK)
            missing = self._missing()
        return missing

    def _missing(self) -> list[str]:
        arena, site = self.router.arena, self.router.site
        sources = [waker.home.phone for waker in self.wakers]
        shut = [source for source in sources if not arena.admits(site, source)]
        there = arena.held(site)
        return shut + [r for r, end in self._held.items() if r not in there and end > time() + LATE]

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
