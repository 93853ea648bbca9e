"""Running what knocks ask for: the command of a packet, or a configured one and its undoing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

from fwknopd.command_queue import Asker, CommandQueue, CommandRunner
from fwknopd.command_reporting import CommandReporting
from fwknopd.cycle_table import OpenCycle
from fwknopd.events import EventLog
from fwknopd.open_cycles import CycleMemory, Forgetful, OpenCycles
from fwknopd.policy.packet import Packet
from fwknopd.policy.stanza import Stanza
from fwknopd.policy.verdict import CommandDecision, CycleDecision, Reason, Refusal

STOP_SECONDS = 2.0
"""How long the end of the daemon waits for closing commands. Who stops it has patience for four
seconds, and the firewall's rules are still to be removed; what is not closed by then is closed
at the next start."""


class KnockCommands:
    """Commands of authorised knocks."""

    def __init__(
        self,
        runner: CommandRunner,
        events: EventLog,
        monotonic: Callable[[], float],
        memory: CycleMemory | None = None,
    ) -> None:
        self._runner = runner
        self._queue = CommandQueue(runner)
        self._reporting = CommandReporting(events)
        self.cycles = OpenCycles(self._queue, self._reporting, monotonic, memory or Forgetful())

    def no_room(self, decision: CommandDecision | CycleDecision) -> Refusal | None:
        """The refusal of a command that can't be run now."""
        stanza = decision.stanza
        why = self._queue.why_full(stanza.label)
        if not why and isinstance(decision, CycleDecision):
            why = self.cycles.why_full(decision)
        return Refusal(Reason.TOO_MANY_COMMANDS, why, stanza, decision.message) if why else None

    def run(self, packet: Packet, decision: CommandDecision | CycleDecision) -> None:
        """Run the command; an event tells how it ended."""
        stanza = decision.stanza
        asker = Asker(stanza.label, stanza.identity, packet.source)
        turn, effect = stanza.label, tuple[object, ...]()
        if isinstance(decision, CycleDecision):
            turn, cycle = self.cycles.open(decision)
            purpose, command = "open", decision.opening
            asker = replace(asker, address=decision.address, id=cycle.id if cycle else "")
            effect = cycle.effect if cycle else ()
        else:
            purpose, command = "knock", decision.command
        told = partial(self._reporting.ended, purpose, command, stanza.label, packet.source)
        self._queue.add(turn, command, told, effect=effect, asker=asker)

    # Cycles

    def adopt(self, cycles: Iterable[OpenCycle], fault: str) -> None:
        """Go on with the cycles an earlier process has left; ``fault``: what is wrong with them."""
        if fault:
            self._reporting.trouble(f"Command cycles of an earlier run: {fault}")
        self.cycles.adopt(cycles)

    def close_of_the_gone(self, stanzas: Iterable[Stanza], why: str) -> None:
        """Close at once what clients have opened that may not knock any more."""
        present = {
            name for stanza in stanzas if stanza.enabled for name in (stanza.identity, stanza.label)
        }
        self.revoke(lambda asked: (asked.owner or asked.client) not in present, why)

    def revoke(self, select: Callable[[OpenCycle | Asker], bool], why: str = "revoked") -> int:
        """Close the selected cycles now, and never begin what waits; how many cycles."""
        self._queue.forget(select, why)
        return self.cycles.revoke(select, why)

    def next_due(self) -> float | None:
        """Monotonic second at which `tick` has something to do, None when never."""
        return self.cycles.next_due()

    def tick(self, now: float) -> None:
        """Close cycles that are over."""
        self.cycles.tick(now)

    def stop(self) -> None:
        """Close all cycles, as far as that is done soon."""
        if self.revoke(lambda cycle: True, "the daemon stops"):
            self._runner.wait(lambda: not self.cycles.closing, STOP_SECONDS)
