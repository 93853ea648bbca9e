"""The steps of an explanation, and the case they are about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fwknopd.policy.gpg_questions import UNKNOWN, GpgFacts
from fwknopd.policy.packet import Packet
from fwknopd.policy.replay_check import ReplayCheck
from fwknopd.policy.settings import PolicySettings
from fwknopd.policy.verdict import Refusal


class Outcome(StrEnum):
    """How a step went. ``NOTED`` decides nothing."""

    PASSED = "passed"
    FAILED = "failed"
    NOTED = "noted"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing looked at; ``refusal`` is what it leads to when it failed."""

    check: str
    outcome: Outcome
    detail: str
    refusal: Refusal | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        reason = {} if self.refusal is None else {"reason": self.refusal.reason.value}
        return {"check": self.check, "outcome": self.outcome.value, "detail": self.detail} | reason


@dataclass(frozen=True, slots=True)
class Case:
    """One packet under the settings in force. ``remembers``: somebody knows used packets."""

    packet: Packet
    settings: PolicySettings
    check: ReplayCheck
    remembers: bool
    now: int
    clock_problem: str
    utc_offset: int = 0
    gpg: GpgFacts = UNKNOWN


def passed(check: str, detail: str) -> Step:
    """A step with nothing against the packet."""
    return Step(check, Outcome.PASSED, detail)


def judged(check: str, refusal: Refusal | None, fact: str | Callable[[], str]) -> Step:
    """The step of a rule: its refusal's own words, or ``fact``."""
    if refusal is None:
        return passed(check, fact if isinstance(fact, str) else fact())
    return Step(check, Outcome.FAILED, refusal.detail, refusal)
