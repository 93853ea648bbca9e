"""Commands as events: what is run to close something, and how each command ended."""

from __future__ import annotations

from fwknopd.cycle_table import OpenCycle
from fwknopd.events import EventKind, EventLog, printable
from fwknopd.policy.command import Command, Ended


class CommandReporting:
    """Makes events of commands. What is begun for a knock is told with its verdict."""

    def __init__(self, events: EventLog) -> None:
        self._events = events

    def ended(
        self, purpose: str, command: Command, client: str, source: object, ended: Ended
    ) -> None:
        """A command is over. ``purpose`` is "knock", "open" or "close"."""
        self._events.record(
            EventKind.COMMAND,
            source=source,
            client=client,
            request=command.text,
            detail=ended_text(command, ended),
            purpose=purpose,
            stage="ended",
            account=printable(command.account),
            status=ended.status,
            signal=ended.signal,
            late=ended.late,
            seconds=round(ended.seconds, 3),
        )

    def closing(self, cycle: OpenCycle, why: str) -> None:
        """A closing command begins, or waits for its turn; ``why`` is "" when its time came."""
        self._close_event(cycle, why or "its time is over", "started")

    def spared(self, cycle: OpenCycle) -> None:
        """A cycle is over whose closing command is not run yet."""
        detail = "not run: another client's cycle that undoes the same is still open"
        self._close_event(cycle, detail, "spared")

    def _close_event(self, cycle: OpenCycle, detail: str, stage: str) -> None:
        self._events.record(
            EventKind.COMMAND,
            source=cycle.address,
            client=cycle.client,
            request=cycle.closing.text,
            detail=detail,
            purpose="close",
            stage=stage,
            account=printable(cycle.closing.account),
        )

    def closed(self, cycle: OpenCycle, ended: Ended) -> None:
        """A closing command is over."""
        self.ended("close", cycle.closing, cycle.client, cycle.address, ended)

    def gave_up(self, cycle: OpenCycle) -> None:
        """A closing command could not be brought to its end, and is not tried again."""
        self._events.record(
            EventKind.ERROR,
            source=cycle.address,
            client=cycle.client,
            request=cycle.closing.text,
            detail="What a command cycle opened may still be open: its closing command "
            f"does not end, or can't be run. Run it by hand: {cycle.closing.text}",
        )

    def trouble(self, detail: str) -> None:
        """Something about commands that an administrator has to see to."""
        self._events.record(EventKind.ERROR, detail=detail)


def ended_text(command: Command, ended: Ended) -> str:
    """How a command ended, for people."""
    if ended.fault:
        return f"could not be run: {ended.fault}"
    if ended.late:
        return f"took more than {command.seconds} s and was killed (CMD_EXEC_TIMEOUT)"
    if ended.signal:
        return f"was ended by signal {ended.signal} after {ended.seconds:.1f} s"
    return f"ended with status {ended.status} after {ended.seconds:.1f} s"
