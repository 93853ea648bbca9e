"""The one place where packet, verdict, grant, firewall and event meet.

A grant is reported only once the kernel has it; what the firewall refuses is an
error event and never a success. Nothing in here raises for anything a packet holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from fwknopd.events import EventKind, EventLog, RejectedTally
from fwknopd.firewall import Firewall, FirewallError
from fwknopd.grants import Grant
from fwknopd.open_doors import OpenDoors
from fwknopd.policy.authorizer import Authorizer
from fwknopd.policy.packet import Packet
from fwknopd.policy.settings import PolicySettings
from fwknopd.policy.stanza import Stanza
from fwknopd.policy.verdict import (
    AccessDecision,
    CommandDecision,
    Reason,
    Refusal,
    Verdict,
    doors_of,
)
from fwknopd.replay import ReplayCache, ReplayEntry
from fwknopd.spa.message import SpaMessage

REPEATABLE = frozenset(
    {Reason.REPLAY, Reason.TOO_OLD, Reason.FROM_THE_FUTURE, Reason.CLOCK_NOT_SET}
)
"""Reasons that anybody who recorded one knock can cause again and again by sending it."""

LISTED_PER_MINUTE = 10
"""Refusals listed for each of the repeatable reasons; what is beyond is only summed up."""

CLOSE_RETRY_SECONDS = 1.0
"""Pause after the firewall failed to close doors whose time is over."""


class Clock(Protocol):
    """Wall time for packet ages and people, monotonic time for lifetimes."""

    def now(self) -> float:
        """Epoch seconds."""

    def monotonic(self) -> float:
        """Seconds of a clock that never jumps."""

    def problem(self) -> str:
        """Why `now` can't be believed; "" when it can."""


class Memory(Protocol):
    """The replay cache, and what keeps it over the end of this process. Nothing raises."""

    @property
    def cache(self) -> ReplayCache:
        """What was used."""

    def use(self, settings: PolicySettings) -> None:
        """Work by these settings from now on."""

    def refresh(self) -> None:
        """Packets are about to be judged: take account of the clock as it is now."""

    def outlived(self) -> None:
        """Doors that an earlier run opened are still open."""

    def remember(self, entries: Sequence[ReplayEntry]) -> None:
        """Make used packets outlive this process, before anything comes of them."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """``test`` judges without acting; ``list_rejected`` makes an event of every packet."""

    policy: PolicySettings
    stanzas: Sequence[Stanza]
    test: bool = False
    list_rejected: bool = False


class Engine:
    """Judges packets, opens and closes doors, and tells what happened."""

    def __init__(
        self,
        *,
        clock: Clock,
        events: EventLog,
        firewall: Firewall,
        memory: Memory,
    ) -> None:
        self.events = events
        self.firewall = firewall
        self.doors = OpenDoors(firewall, clock, self._tell_grant)
        self.replay = memory.cache
        self.settings = EngineSettings(PolicySettings(), ())
        self.judged: Callable[[Packet, Verdict], None] = lambda packet, verdict: None
        """Told of every verdict before anything comes of it, for who wants to watch closely."""
        self._clock = clock
        self.memory = memory
        self._tally = RejectedTally()
        self._close_at = 0.0
        self._close_fault = ""
        self._listed: Counter[Reason] = Counter()
        self._authorizer = Authorizer((), PolicySettings(), self.replay)

    def configure(self, settings: EngineSettings) -> None:
        """Judge by these settings from now on. Open doors and the replay cache stay.

        Whatever it raises, the settings before are in force then.
        """
        if settings.stanzas:
            # Loading the crypto library takes longer than everything else a knock needs.
            import fwknopd.spa.cipher  # noqa: F401
        authorizer = Authorizer(settings.stanzas, settings.policy, self.replay)
        self.memory.use(settings.policy)
        self.settings, self._authorizer = settings, authorizer

    def handle(self, packet: Packet) -> Verdict:
        """Judge one packet and act on the verdict."""
        return self.handle_all((packet,))[0]

    def handle_all(self, packets: Sequence[Packet]) -> list[Verdict]:
        """Judge packets, then act on the verdicts: what they use up is written in one go."""
        self.memory.refresh()
        verdicts = [self._judge(packet) for packet in packets]
        # Before any door opens: a crash in between must not make a packet fresh again.
        used = [verdict.replay_entry for verdict in verdicts]
        self.memory.remember([entry for entry in used if entry is not None])
        for packet, verdict in zip(packets, verdicts, strict=True):
            self._act(packet, verdict)
        return verdicts

    def _judge(self, packet: Packet) -> Verdict:
        clock = self._clock
        return self._authorizer.judge(packet, int(clock.now()), clock.problem())

    def _act(self, packet: Packet, verdict: Verdict) -> None:
        self.judged(packet, verdict)
        if isinstance(verdict, AccessDecision):
            self._grant(packet, verdict)
        elif isinstance(verdict, CommandDecision):
            self._command(packet, verdict)
        else:
            self._refuse(packet, verdict)

    # Verdicts

    def _refuse(self, packet: Packet, refusal: Refusal) -> None:
        self.events.count(refusal.reason)
        if not (self.settings.list_rejected or self._worth_listing(refusal)):
            self._tally.add(refusal.reason, self._clock.monotonic())
            return
        self.events.record(
            EventKind.VERDICT,
            source=packet.source,
            client=refusal.stanza.label if refusal.stanza else None,
            verdict="refuse",
            reason=refusal.reason,
            request=request_text(refusal.message),
            detail=refusal.detail,
            **dict(refusal.facts),
        )

    def _worth_listing(self, refusal: Refusal) -> bool:
        """Junk and floods of copies are summed up: they must not push real knocks out."""
        if refusal.stanza is None and refusal.reason is not Reason.REPLAY:
            return False
        if refusal.reason not in REPEATABLE:
            return True
        self._listed[refusal.reason] += 1
        self._tally.start(self._clock.monotonic())
        return self._listed[refusal.reason] <= LISTED_PER_MINUTE

    def _command(self, packet: Packet, decision: CommandDecision) -> None:
        if self.settings.test:
            self._record_accept(packet, decision, "test mode: the command is not run")
            return
        detail = "this version runs no commands; the packet is used up"
        self._refuse(
            packet, Refusal(Reason.NOT_SUPPORTED, detail, decision.stanza, decision.message)
        )

    def _grant(self, packet: Packet, decision: AccessDecision) -> None:
        if self.settings.test:
            self._record_accept(packet, decision, "test mode: no door is opened")
            return
        stanza = decision.stanza
        try:
            granted = self.doors.open(
                doors_of(decision), stanza.label, stanza.identity, decision.lifetime
            )
        except FirewallError as error:
            self._refuse(
                packet, Refusal(Reason.FIREWALL_ERROR, str(error), stanza, decision.message)
            )
            return
        self._record_accept(packet, decision, "")
        for grant in granted:
            self._tell_grant(EventKind.GRANT, grant, source=packet.source)

    def _record_accept(
        self, packet: Packet, decision: AccessDecision | CommandDecision, detail: str
    ) -> None:
        self.events.count(Reason.ACCEPTED)
        self.events.record(
            EventKind.VERDICT,
            source=packet.source,
            client=decision.stanza.label,
            verdict="accept",
            reason=Reason.ACCEPTED,
            request=request_text(decision.message),
            detail=detail,
        )

    def _tell_grant(
        self, kind: EventKind, grant: Grant, why: str = "", *, source: object = None
    ) -> None:
        detail = grant_text(grant, self.epoch(grant.expires))
        self.events.record(
            kind,
            source=source,
            client=grant.client,
            request=f"{grant.door.address},{grant.door.port}",
            detail=f"{detail} ({why})" if why else detail,
            expires=self.epoch(grant.expires),
            place=self.firewall.place(grant.door),
        )

    def epoch(self, monotonic: float) -> float:
        """A monotonic second as wall-clock time, for people."""
        return round(self._clock.now() - self._clock.monotonic() + monotonic, 3)

    # Time

    def next_due(self) -> float | None:
        """Monotonic second at which `tick` has something to do, None when never."""
        due = self.doors.next_due()
        # After a failure to close doors, not before its retry.
        dues = [] if due is None else [max(due, self._close_at)]
        return min(dues if self._tally.due is None else [*dues, self._tally.due], default=None)

    def tick(self) -> None:
        """Close and report grants that ran out, and sums of junk."""
        now = self._clock.monotonic()
        if now >= self._close_at:
            self._expire(now)
        if self._tally.due is not None and self._tally.due <= now:
            self.report_rejected()

    def _expire(self, now: float) -> None:
        try:
            self.doors.expire()
        except FirewallError as error:
            # The doors are still open, so their grants stay on the list.
            self._close_at = now + CLOSE_RETRY_SECONDS
            if str(error) != self._close_fault:
                self._close_fault = str(error)
                detail = f"Doors whose time is over can't be closed: {error}"
                self.events.record(EventKind.ERROR, detail=detail)
            return
        self._close_fault = ""

    def report_rejected(self) -> None:
        """One event per reason for the packets not listed since the last report."""
        self._listed.clear()
        for reason, count in self._tally.take():
            self.events.record(
                EventKind.REJECTED,
                verdict="refuse",
                reason=reason,
                count=count,
                detail=f"{count} packets not listed one by one",
            )


def request_text(message: SpaMessage | None) -> str | None:
    """What the packet asked for, as its own text; the caller makes it safe to print."""
    if message is None:
        return None
    asked = message.message.decode("latin-1")
    if message.nat_access is not None:
        asked += f" -> {message.nat_access.decode('latin-1')}"
    return asked


def grant_text(grant: Grant, expires: float) -> str:
    """The C daemon's words for a rule, less the verb."""
    door = grant.door
    kind = "access" if door.nat is None else "local NAT" if door.local else "DNAT"
    target = "0.0.0.0/0" if door.nat is None else str(door.nat)
    return f"{kind} rule for {door.address} -> {target} {door.port}, expires at {int(expires)}"
