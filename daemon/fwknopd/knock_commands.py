"""Running what knocks ask for, and telling what became of it."""

from __future__ import annotations

from functools import partial

from fwknopd.command_queue import CommandQueue, CommandRunner
from fwknopd.events import EventKind, EventLog, printable
from fwknopd.policy.command import Command, Ended
from fwknopd.policy.packet import Packet
from fwknopd.policy.verdict import CommandDecision, Reason, Refusal


class KnockCommands:
    """Commands of authorised knocks."""

    def __init__(self, runner: CommandRunner, events: EventLog) -> None:
        self.queue = CommandQueue(runner)
        self._events = events

    def no_room(self, decision: CommandDecision) -> Refusal | None:
        """The refusal of a command that can't be run now."""
        stanza = decision.stanza
        why = self.queue.why_full(stanza.identity)
        return Refusal(Reason.TOO_MANY_COMMANDS, why, stanza, decision.message) if why else None

    def run(self, packet: Packet, decision: CommandDecision) -> None:
        """Run the command; an event tells how it ended."""
        command, stanza = decision.command, decision.stanza
        told = partial(self._ended, "knock", command, stanza.label, packet.source)
        self.queue.add(stanza.identity, command, told)

    def _ended(
        self, purpose: str, command: Command, client: str, source: object, ended: Ended
    ) -> None:
        self._events.record(
            EventKind.COMMAND,
            source=source,
            client=client,
            request=command.text,
            detail=ended_text(command, ended),
            purpose=purpose,
            account=printable(command.account),
            status=ended.status,
            signal=ended.signal,
            late=ended.late,
            seconds=round(ended.seconds, 3),
        )


def ended_text(command: Command, ended: Ended) -> str:
    """How a command ended, for people."""
    if ended.fault:
        return f"could not be run: {ended.fault}"
    if ended.late:
        return f"took more than {command.seconds} s and was killed (CMD_EXEC_TIMEOUT)"
    if ended.signal:
        return f"was ended by signal {ended.signal} after {ended.seconds:.1f} s"
    return f"ended with status {ended.status} after {ended.seconds:.1f} s"
