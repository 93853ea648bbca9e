"""Step by step: what these clients and settings make of one packet, and why. Nothing happens.

The verdict comes from an `Authorizer` like the daemon's, and each step asks the same
function the Authorizer asks. Unlike the Authorizer, an explanation goes on after a step
failed, as far as there is something to look at: whoever wants to know why a knock was
refused wants to know of the second reason too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from fwknopd.policy import explanation_facts as facts
from fwknopd.policy.addresses import plain
from fwknopd.policy.authorizer import Authorizer, not_heard
from fwknopd.policy.candidates import Candidate, Opened, Unopened, why_barred
from fwknopd.policy.command_rules import command_allowed
from fwknopd.policy.doors import doors_of_knock, forced, target_of
from fwknopd.policy.explanation_reading import heard_step, read_steps, seen_step
from fwknopd.policy.explanation_steps import Case, Outcome, Step, judged
from fwknopd.policy.gpg_candidate import GpgCandidate
from fwknopd.policy.gpg_questions import UNKNOWN, GpgFacts, GpgQuestion, NeedsGpg
from fwknopd.policy.knock import Knock
from fwknopd.policy.packet import Packet
from fwknopd.policy.replay_check import ReplayCheck
from fwknopd.policy.rules import (
    clock_unset,
    decide,
    ports_allowed,
)
from fwknopd.policy.settings import PolicySettings
from fwknopd.policy.spa_refusals import refusal_of
from fwknopd.policy.stanza import Stanza
from fwknopd.policy.verdict import Reason, Refusal, Verdict
from fwknopd.replay import ReplayCache
from fwknopd.spa.errors import SpaError
from fwknopd.spa.message import SpaMessage
from fwknopd.spa.packet import MIN_GPG_TEXT, WireText
from fwknopd.spa.request import CommandRequest

__all__ = ["ClientExplanation", "Explanation", "Outcome", "Step", "explain", "verdict_json"]

LISTED = 100
"""Clients shown at most whose packet it is not."""

_OTHER_KEYS = "its MAC is not this client's: made with other keys, or another HMAC type"
_TOO_SHORT = f"too short for this client's GPG key, whose packets have {MIN_GPG_TEXT} or more"
_SIGNATURE = frozenset({Reason.SIGNATURE_MISSING, Reason.SIGNATURE_BAD})


@dataclass(frozen=True, slots=True)
class ClientExplanation:
    """What one client says to the packet. ``message`` is None when its keys don't open it.

    A client with an AES key and a GPG key has two of these. ``question`` is what gpg has to
    be asked before there is more to say.
    """

    stanza: Stanza
    steps: tuple[Step, ...]
    message: SpaMessage | None
    decision: Verdict | None
    question: GpgQuestion | None = None

    @property
    def foreign(self) -> bool:
        """It is not this client's packet, as far as anybody can tell."""
        last = self.steps[-1].refusal
        return last is not None and last.stanza is None

    @property
    def verdict(self) -> Verdict | None:
        """What this client alone would say."""
        return self.refusal or self.decision

    @property
    def refusal(self) -> Refusal | None:
        """What stops the packet at this client: the first step that failed."""
        return next((step.refusal for step in self.steps if step.refusal), None)

    def as_json(self) -> dict[str, Any]:
        """Plain values; ``outcome`` "foreign" means that it is not this client's packet."""
        refusal = self.steps[-1].refusal if self.foreign else self.refusal
        outcome = "accept" if refusal is None else "foreign" if self.foreign else "refuse"
        verdict = refusal or self.decision
        return {
            "client": self.stanza.label,
            "number": self.stanza.number,
            "outcome": outcome,
            "reason": verdict.reason.value if verdict else Reason.ACCEPTED.value,
            "steps": [step.as_json() for step in self.steps],
            "fields": dict(facts.fields(self.message)) if self.message else {},
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """Steps of the packet as such, then of each client in file order, and the verdict."""

    steps: tuple[Step, ...]
    clients: tuple[ClientExplanation, ...]
    left_out: int
    verdict: Verdict

    @property
    def questions(self) -> tuple[GpgQuestion, ...]:
        """What gpg has to be asked for the whole of it, each once."""
        asked = (client.question for client in self.clients)
        return tuple(dict.fromkeys(question for question in asked if question))

    def as_json(self) -> dict[str, Any]:
        """Plain values, as the control socket sends them. No keys."""
        return {
            "packet": [step.as_json() for step in self.steps],
            "clients": [client.as_json() for client in self.clients],
            "clients_left_out": self.left_out,
            "verdict": verdict_json(self.verdict),
        }


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    """A verdict in plain values, as an explanation has it."""
    refused = isinstance(verdict, Refusal)
    return {
        "outcome": "refuse" if refused else "accept",
        "reason": verdict.reason.value,
        "client": verdict.stanza.label if verdict.stanza else None,
        "detail": verdict.detail if isinstance(verdict, Refusal) else facts.decision_text(verdict),
    }


def explain(
    packet: Packet,
    stanzas: Sequence[Stanza],
    settings: PolicySettings,
    replay: ReplayCache | None,
    now: int,
    clock_problem: str = "",
    utc_offset: int = 0,
    gpg: GpgFacts = UNKNOWN,
) -> Explanation:
    """Judge ``packet`` without remembering it; the arguments are those of `Authorizer`.

    ``replay`` is None when nobody knows which packets were used before. A source that is
    not known is 0.0.0.0. While the explanation has ``questions``, it is to be made anew
    with gpg's answers to them.
    """
    cache = ReplayCache() if replay is None else replay
    settings = replace(settings, test=True)
    authorizer = Authorizer(stanzas, settings, cache)
    check = ReplayCheck(stanzas, settings, cache)
    case = Case(packet, settings, check, replay is not None, now, clock_problem, utc_offset, gpg)
    verdict = authorizer.judge(packet, now, clock_problem, utc_offset, gpg)
    if isinstance(verdict, NeedsGpg):
        verdict = Refusal(Reason.GPG_FAILED, "gpg was not asked", verdict.stanza)
    steps, wire = read_steps(case)
    if wire is None:
        return Explanation(steps, (), 0, verdict)
    more = (heard_step(case, authorizer.candidates), seen_step(case, wire))
    clients = [_Trial(case, wire, candidate).run() for candidate in authorizer.candidates]
    shown = _shown(clients)
    return Explanation((*steps, *more), shown, len(clients) - len(shown), verdict)


def _shown(clients: Sequence[ClientExplanation]) -> tuple[ClientExplanation, ...]:
    foreign = [client for client in clients if client.foreign]
    hidden = set(map(id, foreign[LISTED:]))
    return tuple(client for client in clients if id(client) not in hidden)


# One client


class _Trial:
    """One packet tried on one client."""

    def __init__(self, case: Case, wire: WireText, candidate: Candidate) -> None:
        self._case = case
        self._wire = wire
        self._candidate = candidate
        self._stanza = candidate.stanza
        self._steps: list[Step] = []
        self._question: GpgQuestion | None = None

    def run(self) -> ClientExplanation:
        self._conditions()
        opened = self._open() if self._authentic() else None
        decision = None if opened is None else self._ask(opened)
        message = None if opened is None else opened.message
        steps = tuple(self._steps)
        return ClientExplanation(self._stanza, steps, message, decision, self._question)

    def _step(self, check: str, refusal: Refusal | None, fact: str | Callable[[], str]) -> None:
        self._steps.append(judged(check, refusal, fact))

    def _note(self, check: str, detail: str) -> None:
        self._steps.append(Step(check, Outcome.NOTED, detail))

    def _conditions(self) -> None:
        candidate, packet = self._candidate, self._case.packet
        source = plain(packet.source)
        unheard = None if candidate.hears(source) else not_heard(packet)
        if unheard is not None:
            detail = f"{source} is not in this client's SOURCE"
            unheard = replace(unheard, detail=detail, stanza=self._stanza)
        self._step("source", unheard, "SOURCE covers it")
        misses = candidate.misses(plain(packet.destination))
        self._bar("destination", Reason.DESTINATION_NOT_ALLOWED, misses, "DESTINATION covers it")
        self._bar("enabled", Reason.CLIENT_DISABLED, not self._stanza.enabled, "switched on")
        expired = candidate.expired(self._case.now)
        self._bar("expiry", Reason.CLIENT_EXPIRED, expired, "this client's access has not ended")

    def _bar(self, check: str, reason: Reason, applies: bool, fact: str) -> None:
        detail = why_barred(reason, self._stanza, self._case.packet)
        self._step(check, Refusal(reason, detail, self._stanza) if applies else None, fact)

    def _authentic(self) -> bool:
        if not self._candidate.takes(self._wire):
            self._step("type", Refusal(Reason.WRONG_LENGTH, _TOO_SHORT), "")
            return False
        if self._candidate.matches is None:
            self._note("hmac", "this client has no usable HMAC key; only decryption can tell")
            return True
        fits = self._candidate.matches(self._wire.text)
        refusal = None if fits else Refusal(Reason.NO_CLIENT_MATCHED, _OTHER_KEYS)
        self._step("hmac", refusal, f"the HMAC ({self._stanza.keys.hmac_type}) fits")
        return fits

    def _open(self) -> Opened | None:
        authenticated = self._candidate.matches is not None
        how = f"opened with this client's key ({self._candidate.keys.mode})"
        try:
            opened = self._candidate.open(self._wire, self._case.gpg)
        except SpaError as error:
            refusal = refusal_of(error, self._stanza, authenticated=authenticated)
            if refusal.reason in _SIGNATURE:
                self._step("decrypt", None, how)
            self._step("signature" if refusal.reason in _SIGNATURE else "decrypt", refusal, "")
            return None
        if isinstance(opened, Unopened):
            self._question = opened.question
            self._note("decrypt", "gpg was not asked")
            return None
        self._step("decrypt", None, how)
        return opened

    def _ask(self, opened: Opened) -> Verdict:
        case, message = self._case, opened.message
        forwarded_for = self._wire.forwarded_for
        knock = Knock(
            self._stanza,
            message,
            case.packet,
            forwarded_for,
            case.settings,
            case.now,
            case.utc_offset,
            opened.signer,
        )
        unset = clock_unset(knock, case.clock_problem)
        self._step("clock", unset, lambda: facts.clock_fact(knock, case.clock_problem))
        if case.remembers and case.check.enabled:
            self._step("replay", self._spent(opened), "not used before in any spelling")
        for name, rule, fact in facts.CHECKS:
            if name != "signer" or isinstance(self._candidate, GpgCandidate):
                self._step(name, rule(knock), partial(fact, knock))
        self._request(knock)
        if self._stanza.log_only:
            self._note("log-only", "log_only is set: nothing is done for this client")
        return decide(knock)

    def _spent(self, opened: Opened) -> Refusal | None:
        case, stanza, message = self._case, self._stanza, opened.message
        return case.check.known(opened.key, stanza, message, case.packet) or case.check.no_room(
            stanza, message, case.now
        )

    def _request(self, knock: Knock) -> None:
        stanza, request = self._stanza, knock.message.request
        if isinstance(request, CommandRequest):
            self._step("command", command_allowed(knock, request), facts.command_fact(stanza))
            return
        ports = request.ports
        self._step("ports", ports_allowed(knock, ports), lambda: facts.ports_fact(stanza, ports))
        if stanza.cmd_cycle_open:
            self._note("cycle", facts.cycle_fact(stanza, knock.message.client_timeout))
            return
        target = target_of(knock)
        led = None if isinstance(target, Refusal) else target
        doors = target if isinstance(target, Refusal) else doors_of_knock(knock, ports, target)
        refused = doors if isinstance(doors, Refusal) else None
        self._step("nat-target", refused, lambda: facts.nat_fact(led, forced=forced(stanza)))
        self._note("lifetime", facts.lifetime_fact(stanza, knock.message.client_timeout))
