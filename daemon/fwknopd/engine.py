"""The one place where packet, verdict, grant, firewall and event meet.

A grant is reported only once the kernel has it; what the firewall refuses is an
error event and never a success. Nothing in here raises for anything a packet holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fwknopd.adopting import OwnerMemory
from fwknopd.door_requests import DoorRequest
from fwknopd.engine_edges import Clock, LookUp, Memory
from fwknopd.events import EventKind, EventLog, FirewallWork
from fwknopd.firewall import Firewall, FirewallError
from fwknopd.judging import Judging
from fwknopd.late_commands import LateCommands
from fwknopd.open_doors import Answer, OpenDoors
from fwknopd.policy.authorizer import NO_MATCH
from fwknopd.policy.doors import resolved
from fwknopd.policy.gpg_questions import NeedsGpg
from fwknopd.policy.packet import Packet
from fwknopd.policy.settings import PolicySettings
from fwknopd.policy.stanza import Address, Stanza
from fwknopd.policy.verdict import (
    AccessDecision,
    CommandDecision,
    CycleDecision,
    Decision,
    Reason,
    Refusal,
    Verdict,
)
from fwknopd.reporting import Reporting
from fwknopd.undecided import Gpg, NoGpg

if TYPE_CHECKING:
    from fwknopd.command_queue import CommandRunner
    from fwknopd.open_cycles import CycleMemory

CLOSE_RETRY_SECONDS = 1.0
"""Pause after the firewall failed to close doors whose time is over."""


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
        look_up: LookUp,
        runner: CommandRunner,
        cycles: CycleMemory | None = None,
        gpg: Gpg | None = None,
        owners: OwnerMemory | None = None,
    ) -> None:
        """Without ``cycles`` open command cycles end with this process.

        Without ``owners`` nobody knows after it whose the open doors are.
        """
        self.events = events
        self.reporting = Reporting(events, clock, firewall)
        self.commands = LateCommands(runner, events, clock.monotonic, cycles)
        self.doors = OpenDoors(firewall, clock, self.reporting.grant, owners)
        self.replay = memory.cache
        self.settings = EngineSettings(PolicySettings(), ())
        self.judged: Callable[[Packet, Verdict], None] | None = None
        """Told of every verdict before anything comes of it, for who wants to watch closely."""
        self._clock = clock
        self.memory = memory
        self._look_up = look_up
        self.judging = Judging(clock, memory, gpg or NoGpg(), self._settle)
        self._close_at = 0.0
        self._close_fault = ""

    @property
    def firewall(self) -> Firewall:
        """Where doors are opened."""
        return self.doors.firewall

    @firewall.setter
    def firewall(self, firewall: Firewall) -> None:
        self.doors.firewall = self.reporting.firewall = firewall
        self.doors.table.late = firewall.closes_late

    def configure(self, settings: EngineSettings) -> None:
        """Judge by these settings from now on. Open doors and the replay cache stay.

        Whatever it raises, the settings before are in force then.
        """
        if settings.stanzas:
            # Loading the crypto library takes longer than everything else a knock needs.
            import fwknopd.spa.cipher  # noqa: F401
        self.commands.use(settings.stanzas)
        self.judging.configure(settings.stanzas, settings.policy)
        self.settings = settings
        self.reporting.list_rejected = settings.list_rejected
        self.reporting.remember_only(settings.stanzas)

    def handle(self, packet: Packet) -> Verdict | NeedsGpg:
        """Judge one packet and act on the verdict, if there is one yet."""
        return self.handle_all((packet,))[0]

    def handle_all(self, packets: Sequence[Packet]) -> list[Verdict | NeedsGpg]:
        """Judge packets, then act on the verdicts.

        What they use up is written in one go, and so are the doors opened. A packet that
        needs gpg gets its verdict later, by the clock of now.
        """
        return self.judging.judge(packets)

    def _settle(self, judged: list[tuple[Packet, Verdict]]) -> None:
        # Before any door opens: the end of this process must not make a packet fresh again.
        used = [verdict.replay_entry for _, verdict in judged]
        self.memory.remember([entry for entry in used if entry is not None])
        if self.judged is not None:
            for packet, verdict in judged:
                self.judged(packet, verdict)
        self._act_on_all(self._without_strangers(judged))

    def _without_strangers(
        self, judged: list[tuple[Packet, Verdict]]
    ) -> list[tuple[Packet, Verdict]]:
        """What is to be told one by one; packets from nobody we know are only counted."""
        if self.settings.list_rejected:
            return judged
        known = [item for item in judged if item[1] is not NO_MATCH]
        if len(known) < len(judged):
            self.reporting.strangers(NO_MATCH, len(judged) - len(known))
        return known

    def _act_on_all(self, judged: Sequence[tuple[Packet, Verdict]]) -> None:
        """Open all doors in one go, then run commands and tell of every packet in its turn."""
        if not judged:
            return
        meanwhile = self.judging.between(judged)
        opening = [self._at_once(verdict) for _, verdict in judged]
        answers = iter(self.doors.open([_request(d) for d in opening if d is not None]))
        # Not before: no door outlives a power failure, and a disk takes longer than all the rest.
        # But before any command runs, and before anybody is told.
        self.memory.sync()
        for (packet, verdict), decision in zip(judged, opening, strict=True):
            if decision is None:
                self._act(packet, verdict)
            else:
                self._opened(packet, decision, next(answers))
            meanwhile()

    def _at_once(self, verdict: Verdict) -> AccessDecision | None:
        """The verdict if its doors are to be opened without further ado."""
        if not isinstance(verdict, AccessDecision) or self.settings.test:
            return None
        return None if verdict.stanza.log_only or verdict.lookup else verdict

    def _act(self, packet: Packet, verdict: Verdict) -> None:
        if not isinstance(verdict, Refusal) and verdict.stanza.log_only:
            self._only_report(packet, verdict)
        elif isinstance(verdict, AccessDecision):
            self._grant(packet, verdict)
        elif isinstance(verdict, CommandDecision | CycleDecision):
            self._command(packet, verdict)
        else:
            self.reporting.refuse(packet, verdict)

    # Verdicts

    def _only_report(self, packet: Packet, decision: Decision) -> None:
        # Few clients are log-only: loaded with the first such knock.
        from fwknopd.policy.explanation_facts import decision_text

        self.reporting.accept(packet, decision, decision_text(decision))

    def _command(self, packet: Packet, decision: CommandDecision | CycleDecision) -> None:
        if self.settings.test:
            self.reporting.accept(packet, decision, "test mode: the command is not run")
        elif refusal := self.commands.loaded.no_room(decision):
            self.reporting.refuse(packet, refusal)
        else:
            self.reporting.accept(packet, decision)
            self.commands.loaded.run(packet, decision)

    def _grant(self, packet: Packet, decision: AccessDecision) -> None:
        if self.settings.test:
            self.reporting.accept(packet, decision, "test mode: no door is opened")
        else:
            version = decision.doors[0].address.version
            self._look_up(decision.lookup, version, lambda a: self._found(packet, decision, a))

    def _found(self, packet: Packet, decision: AccessDecision, address: Address | str) -> None:
        """A host name's address, or why there is none, is known."""
        if isinstance(address, str):
            why = Refusal(Reason.NAT_TARGET_INVALID, address, decision.stanza, decision.message)
            self.reporting.refuse(packet, why)
            return
        if decision.stanza not in self.settings.stanzas:
            changed = f"it was changed or deleted while {decision.lookup} was looked up"
            why = Refusal(Reason.CLIENT_DISABLED, changed, decision.stanza, decision.message)
            self.reporting.refuse(packet, why)
            return
        final = resolved(decision, address)
        if isinstance(final, Refusal):
            self.reporting.refuse(packet, final)
        else:
            self._opened(packet, final, self.doors.open([_request(final)])[0])

    def _opened(self, packet: Packet, decision: AccessDecision, answer: Answer) -> None:
        """Tell what the firewall did."""
        if isinstance(answer, FirewallError):
            self.events.firewall_errors[FirewallWork.OPEN] += 1
            why = Refusal(Reason.FIREWALL_ERROR, str(answer), decision.stanza, decision.message)
            self.reporting.refuse(packet, why)
            return
        self.reporting.accept(packet, decision)
        for grant in answer:
            self.reporting.grant(EventKind.GRANT, grant, source=packet.source)

    # Time

    def next_due(self) -> float | None:
        """Monotonic second at which `tick` has something to do, None when never."""
        due = self.doors.next_due()
        # After a failure to close doors, not before its retry.
        dues = [] if due is None else [max(due, self._close_at)]
        dues += [due for due in self._other_dues() if due is not None]
        return min(dues, default=None)

    def _other_dues(self) -> tuple[float | None, ...]:
        return self.reporting.summary_due, self.commands.next_due()

    def tick(self) -> None:
        """Close and report grants and cycles that ran out, and sums of junk."""
        now = self._clock.monotonic()
        if now >= self._close_at:
            self._expire(now)
        due = self.reporting.summary_due
        if due is not None and due <= now:
            self.reporting.summarize()
        self.commands.tick(now)

    def cut_off(self) -> None:
        """At the end, when all doors are shut: whose connections are to end with the door.

        Later nobody sees to it.
        """
        self.doors.cut(lambda grant: grant.cut_at_expiry, "fwknopd ends")

    def _expire(self, now: float) -> None:
        try:
            self.doors.expire()
        except FirewallError as error:
            # The doors are still open, so their grants stay on the list.
            self._close_at = now + CLOSE_RETRY_SECONDS
            self.events.firewall_errors[FirewallWork.CLOSE] += 1
            if str(error) != self._close_fault:
                self._close_fault = str(error)
                detail = f"Doors whose time is over can't be closed: {error}"
                self.events.record(EventKind.ERROR, detail=detail)
            return
        self._close_fault = ""


def _request(decision: AccessDecision) -> DoorRequest:
    stanza = decision.stanza
    return DoorRequest(
        decision.doors,
        stanza.label,
        stanza.identity,
        decision.lifetime,
        cut_at_expiry=stanza.cut_at_expiry,
    )
