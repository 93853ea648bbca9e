"""The model: who should get where, and since when or until when that is certain.

A knock is answered some time after it was sent, and a door shuts some time after its end.
In between the model knows nothing, and allows both. A slow machine makes it know less,
never something wrong.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from math import inf

from tests.netns.matrix.attempts import Attempt, Tried
from tests.netns.matrix.kinds import Kind
from tests.netns.matrix.services import Answer
from tests.netns.matrix.site import Home
from tests.netns.namespaces import Machine

EARLY = 1.2
"""Seconds a door may shut before its time: iptables' rules name whole seconds."""

LATE = 10.0
"""Seconds it may shut late where the daemon shuts it, on a machine busy with other tests."""

KERNEL_LATE = 0.5
"""The same where the kernel does, which is on time however busy the machine is."""


class State(Enum):
    """Of a door, in a stretch of time."""

    OPEN = "open"
    SHUT = "shut"
    UNKNOWN = "unknown"


@dataclass(eq=False, slots=True)
class Entry:
    """A door that is asked for, for some seconds. Times are monotonic seconds.

    It is certainly open from the last call of `opened` until ``surely``, and may be open
    until ``possibly``, which is ``late`` seconds after its end at most.
    """

    name: str
    kind: Kind
    home: Home
    seconds: int
    surely: float = -inf
    possibly: float = -inf
    late: float = LATE
    _end: float = -inf

    def opened(self, asked: float, answered: float) -> None:
        """A knock sent at one time was granted by another."""
        self.surely = max(self.surely, asked + self.seconds - EARLY)
        self.possibly = max(self.possibly, answered + self.seconds + self.late)

    def closed(self) -> None:
        """It is certainly shut from now on."""
        self.surely, self.possibly = -inf, time.monotonic()

    def unlisted(self) -> bool:
        """The daemon has just left it out of its list, so it is shut; False if that is too early.

        Asked for while it shut, the list tells nothing about when.
        """
        early = self.surely > time.monotonic()
        self.closed()
        return not early

    def doubt(self) -> None:
        """It may have been closed, or not."""
        self.surely = -inf

    def lingers(self) -> None:
        """Nobody shuts it until further notice, whatever its time."""
        if self.possibly > time.monotonic():
            self._end, self.possibly = self.possibly, inf

    def attended(self) -> None:
        """From now on it is shut in time again."""
        if self.possibly == inf:
            self.possibly = max(self._end, time.monotonic() + self.late)

    def state(self, began: float, ended: float) -> State:
        """What is known of the door all through that time."""
        if ended <= self.surely:
            return State.OPEN
        return State.SHUT if began >= self.possibly else State.UNKNOWN


@dataclass(frozen=True, slots=True)
class Claim:
    """What an attempt is answered if that door is open."""

    entry: Entry
    answer: Answer


Questions = dict[Attempt, list[Claim]]
"""Attempts to make; one without claims is to fail at all times."""


def ask(
    questions: Questions, outside: Machine, entry: Entry, *, behind: bool, others: bool = True
) -> None:
    """Add what is to be tried around a phone: its own ways, what is shut, its neighbours.

    ``behind``: the firewall tells a connection to the target from a translated one.
    """
    kind, home = entry.kind, entry.home
    let_in = kind.let_in(home)
    for source in dict.fromkeys((*let_in, *(home.around if others else ()))):
        ways = kind.ways if source == home.phone else kind.ways[:1]
        for way in ways:
            claims = questions.setdefault(way.attempt(outside, source), [])
            if source in let_in:
                claims.append(Claim(entry, way.answer(source)))
    if others:
        shut = (*kind.closed, *(kind.behind if behind else ()))
        for way in shut:
            questions.setdefault(way.attempt(outside, home.phone), [])


def hopeful(questions: Questions) -> list[Attempt]:
    """The attempts that should succeed now."""
    now = time.monotonic()
    return [
        attempt
        for attempt, claims in questions.items()
        if any(claim.entry.state(now, now) is State.OPEN for claim in claims)
    ]


@dataclass(slots=True)
class Judgement:
    """What was found: disagreements in words, and how much was certain.

    ``public``: what the router's owner lets everybody do.
    """

    public: Callable[[Attempt], Answer | None]
    wrong: list[str] = field(default_factory=list)
    certain: int = 0
    unknown: int = 0

    def judge(self, questions: Mapping[Attempt, Iterable[Claim]], tried: Iterable[Tried]) -> None:
        """Compare what happened with what should have."""
        for one in tried:
            self._judge(list(questions[one.attempt]), one)

    def _judge(self, claims: list[Claim], tried: Tried) -> None:
        states = {claim: claim.entry.state(tried.began, tried.ended) for claim in claims}
        open_ = {c.answer for c, state in states.items() if state is State.OPEN}
        maybe = {c.answer for c, state in states.items() if state is State.UNKNOWN}
        allowed: set[Answer | None] = (
            {*open_, *maybe} if open_ else {self.public(tried.attempt), *maybe}
        )
        if maybe:
            self.unknown += 1
        else:
            self.certain += 1
        if tried.answer not in allowed:
            expected = " or ".join(sorted(str(a or "shut") for a in allowed))
            names = ", ".join(claim.entry.name for claim in claims) or "nobody's door"
            found = tried.answer or "shut"
            self.wrong.append(f"{names}: {tried.attempt}: expected {expected}, found {found}")
