"""Open command cycles: their closing commands, run in time whatever happens in between.

A cycle is written down before its opening command runs, and forgotten when its closing
command has ended. What can't be run, or doesn't end, is tried again a few times; the exit
status of a closing command is its own business, for often there is nothing left to undo.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Protocol

from fwknopd.command_queue import CommandQueue
from fwknopd.command_reporting import CommandReporting
from fwknopd.cycle_table import LIMIT, CycleTable, OpenCycle
from fwknopd.policy.command import Ended
from fwknopd.policy.verdict import CycleDecision

RETRY_SECONDS = 10.0
TRIES = 3
"""How often a closing command is begun, and the pause between."""


class CycleMemory(Protocol):
    """Keeps cycles beyond the end of this process."""

    def keep(self, cycles: Sequence[OpenCycle]) -> str:
        """Keep just these; "" when that is done, else why not."""


class Forgetful:
    """Keeps nothing."""

    def keep(self, cycles: Sequence[OpenCycle]) -> str:
        """Nothing to do."""
        return ""


class OpenCycles:
    """All cycles that are open or being closed."""

    def __init__(
        self,
        queue: CommandQueue,
        reporting: CommandReporting,
        monotonic: Callable[[], float],
        memory: CycleMemory,
    ) -> None:
        self.table = CycleTable()
        self.closing: list[OpenCycle] = []
        """Those whose closing command runs or waits for its turn."""
        self._queue = queue
        self._reporting = reporting
        self._monotonic = monotonic
        self._memory = memory
        self._fault = ""

    def why_full(self, decision: CycleDecision) -> str:
        """Why no further cycle can be opened now; "" when this one can."""
        if len(self.table) + len(self.closing) < LIMIT:
            return ""
        known = (planned := self._planned(decision)) is None or self.table.knows(planned)
        return "" if known else f"{LIMIT} command cycles are open already"

    def open(self, decision: CycleDecision) -> tuple[str, OpenCycle | None]:
        """Note a cycle, or that it ends later; among whose commands its opening one must run.

        That is its client's, unless another client's cycle has the same effect: what opens and
        what closes it must run in the order they were asked for, whoever asked.
        """
        cycle = self._planned(decision)
        if cycle is None:
            return decision.stanza.label, None
        others = chain(self.closing, self.table)
        same = (each.turn or each.client for each in others if each.effect == cycle.effect)
        turn = next(same, cycle.client)
        self.table.record(replace(cycle, turn=turn))
        self._keep()
        return turn, cycle

    def _planned(self, decision: CycleDecision) -> OpenCycle | None:
        if decision.closing is None:
            return None
        now = self._monotonic()
        return OpenCycle(
            client=decision.stanza.label,
            address=decision.address,
            port=str(decision.port),
            closing=decision.closing,
            undoes=decision.undoes,
            opened=now,
            expires=now + decision.lifetime,
            owner=decision.stanza.identity,
        )

    def adopt(self, cycles: Iterable[OpenCycle]) -> None:
        """Go on with what an earlier process has left. What is over is closed at the next tick."""
        self.table.adopt(cycles)

    # Ends

    def next_due(self) -> float | None:
        """Monotonic second at which `tick` has something to do, None when never."""
        return self.table.next_expiry()

    def tick(self, now: float) -> None:
        """Close what is over."""
        for cycle in self.table.due(now):
            self._close(cycle, "")

    def revoke(self, select: Callable[[OpenCycle], bool], why: str = "") -> int:
        """Close the selected cycles now; how many."""
        chosen = [cycle for cycle in self.table if select(cycle)]
        for cycle in chosen:
            self._close(cycle, why or "revoked")
        return len(chosen)

    def _close(self, cycle: OpenCycle, why: str) -> None:
        self.table.drop(cycle)
        if self.table.is_held(cycle):
            self._reporting.spared(cycle)
            self._keep()
            return
        # Kept on disk until it is closed; who adopts it must not take it for open.
        cycle = replace(cycle, expires=min(cycle.expires, self._monotonic()))
        self.closing.append(cycle)
        self._keep()
        self._reporting.closing(cycle, why)
        done = partial(self._closed, cycle)
        turn = cycle.turn or cycle.client
        self._queue.add(turn, cycle.closing, done, closing=True, effect=cycle.effect)

    def _closed(self, cycle: OpenCycle, ended: Ended) -> None:
        self.closing.remove(cycle)
        self._reporting.closed(cycle, ended)
        if ended.status is None and not self.table.knows(cycle):
            self._again(cycle)
        self._keep()

    def _again(self, cycle: OpenCycle) -> None:
        failures = cycle.failures + 1
        if failures >= TRIES:
            self._reporting.gave_up(cycle)
            return
        expires = self._monotonic() + RETRY_SECONDS
        self.table.record(replace(cycle, failures=failures, expires=expires))

    def _keep(self) -> None:
        fault = self._memory.keep([*self.table, *self.closing])
        if fault and fault != self._fault:
            self._reporting.trouble(f"Open command cycles would not survive a crash: {fault}")
        self._fault = fault
