"""Packets without a verdict yet: when they came, and which answer of gpg they wait for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple, Protocol

from fwknopd.policy.gpg import GpgHome
from fwknopd.policy.gpg_questions import (
    UNKNOWN,
    GpgAnswer,
    GpgFacts,
    GpgFailure,
    GpgQuestion,
    NeedsGpg,
)
from fwknopd.policy.packet import Address, Packet

NOTHING: Mapping[GpgQuestion, GpgAnswer] = {}

COPIES = 8
"""Packets that wait for one answer; there is one at most that can be let in."""


class Moment(NamedTuple):
    """When a packet came, by the router's clock: what its age is judged by, however long gpg takes.

    The fields are the arguments of `Authorizer.judge`.
    """

    now: int
    clock_problem: str
    utc_offset: int


@dataclass(frozen=True, slots=True)
class Case:
    """A packet, the moment it came, and what gpg has answered so far."""

    packet: Packet
    moment: Moment
    answers: Mapping[GpgQuestion, GpgAnswer] = field(default_factory=dict)


class Gpg(Protocol):
    """Who runs gpg. ``recipients`` are the ids of the secret keys of each ring read so far."""

    @property
    def recipients(self) -> Mapping[GpgHome, frozenset[str]]:
        """By key ring; see `GpgFacts`."""

    def ask(self, need: NeedsGpg, source: Address, done: Callable[[GpgAnswer], None]) -> None:
        """Have the question answered, and ``done`` told once. ``source`` sent the packet."""


class NoGpg:
    """For whoever judges without running gpg."""

    recipients: Mapping[GpgHome, frozenset[str]] = {}

    def ask(self, need: NeedsGpg, source: Address, done: Callable[[GpgAnswer], None]) -> None:
        """There is none."""
        done(GpgFailure("no gpg is run here"))


class Undecided:
    """Cases by the question they wait for. ``judge`` is told of them when it is answered.

    Copies of one packet wait together, for one run of gpg. They are judged in the order
    they came, so that all but the first find it used.
    """

    def __init__(self, gpg: Gpg, judge: Callable[[Sequence[Case]], object]) -> None:
        self.gpg = gpg
        self._judge = judge
        self._waiting: dict[GpgQuestion, list[Case]] = {}

    def __len__(self) -> int:
        """Packets that wait."""
        return sum(map(len, self._waiting.values()))

    def facts(self, answers: Mapping[GpgQuestion, GpgAnswer] = NOTHING) -> GpgFacts:
        """What a packet is judged by: ``answers``, and which keys there are."""
        recipients = self.gpg.recipients
        return GpgFacts(answers, recipients) if answers or recipients else UNKNOWN

    def add(self, case: Case, need: NeedsGpg) -> bool:
        """Let the case wait; False when too many copies of it do already."""
        question = need.question
        copies = self._waiting.get(question)
        if copies is None:
            self._waiting[question] = [case]
            self.gpg.ask(need, case.packet.source, partial(self._answered, question))
        elif len(copies) < COPIES:
            copies.append(case)
        else:
            return False
        return True

    def _answered(self, question: GpgQuestion, answer: GpgAnswer) -> None:
        cases = self._waiting.pop(question)
        self._judge([replace(case, answers={**case.answers, question: answer}) for case in cases])
