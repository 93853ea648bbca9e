"""Jobs that may take long, in children of this process: name lookups, gpg, commands.

The loop never waits for one of them; one that takes too long is killed with its process
group.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from io import FileIO
from math import inf
from time import monotonic

from fwknopd.children import Job, Outcome, collected, fault_of, kill_group, start_child
from fwknopd.loop import Loop

RUNNING_LIMIT = 4
"""Jobs at the same time: a router has one or two processors, and little memory."""

WAITING_LIMIT = 64
"""Jobs that wait for their turn; what is beyond is refused at once."""

Done = Callable[[Outcome], None]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A job that was not begun yet."""

    job: Job
    seconds: float
    done: Done


@dataclass(slots=True)
class _Running:
    """A job in its child."""

    pid: int
    descriptor: int
    output: FileIO
    due: float
    seconds: float
    done: Done
    late: bool = False


class Workers:
    """Runs jobs beside a loop; every `start` leads to exactly one call of its ``done``."""

    def __init__(
        self,
        loop: Loop,
        clock: Callable[[], float] = monotonic,
        *,
        running_limit: int = RUNNING_LIMIT,
        waiting_limit: int = WAITING_LIMIT,
        outlive: bool = False,
    ) -> None:
        """``outlive``: jobs that run when this is closed go on, without a limit or a listener."""
        self._loop = loop
        self._clock = clock
        self._running_limit = running_limit
        self._waiting_limit = waiting_limit
        self._outlive = outlive
        self._waiting: deque[_Waiting] = deque()
        self._running: dict[int, _Running] = {}
        self._lanes: list[Workers] = []

    def lane(self, running_limit: int, waiting_limit: int, *, outlive: bool = False) -> Workers:
        """Workers beside these, for jobs that must not take their turns.

        Whoever runs the timers of these runs those of the lane, and closes it with them.
        """
        lane = Workers(
            self._loop,
            self._clock,
            running_limit=running_limit,
            waiting_limit=waiting_limit,
            outlive=outlive,
        )
        self._lanes.append(lane)
        return lane

    def __len__(self) -> int:
        """Jobs that have not ended yet."""
        return len(self._running) + len(self._waiting)

    def start(self, job: Job, seconds: float, done: Done) -> None:
        """Run ``job`` for ``seconds`` at most and tell ``done``, never before this returns.

        Time spent waiting for a turn doesn't count. A job for which there is no room, or
        no process, ends with a fault too.
        """
        if len(self._waiting) >= self._waiting_limit:
            fault = f"{len(self)} jobs are running or waiting already"
            self._loop.soon(lambda: done(Outcome(fault=fault, began=False)))
            return
        self._waiting.append(_Waiting(job, seconds, done))
        self._fill()

    def next_due(self) -> float | None:
        """Monotonic second at which `run_timers` has something to do, None when never."""
        dues = [run.due for run in self._running.values() if not run.late] if self._running else []
        if self._lanes:
            dues += [due for lane in self._lanes if (due := lane.next_due()) is not None]
        return min(dues) if dues else None

    def run_timers(self, now: float) -> None:
        """Kill what took too long; its ``done`` is told when it is dead."""
        for run in self._running.values():
            if run.due <= now and not run.late:
                run.late = True
                kill_group(run.pid)
        for lane in self._lanes:
            lane.run_timers(now)

    def finish(self) -> None:
        """Wait for every job to end: for a capture file, whose end is the program's."""
        while self._running or self._waiting or self._loop.has_calls:
            self._turn(inf)

    def wait(self, over: Callable[[], bool], seconds: float) -> None:
        """Go on with the jobs until ``over``, for ``seconds`` at most."""
        end = self._clock() + seconds
        while not over() and self._clock() < end:
            self._turn(end)

    def _turn(self, end: float) -> None:
        due = min(end, inf if (due := self.next_due()) is None else due)
        self._loop.turn(None if due == inf else max(0.0, due - self._clock()))
        self.run_timers(self._clock())

    def close(self) -> None:
        """Kill every job, or let it go; nobody is told."""
        self._waiting.clear()
        for run in self._running.values():
            if self._outlive:
                self._let_go(run)
            else:
                kill_group(run.pid)
                self._reap(run)
        self._running.clear()
        for lane in self._lanes:
            lane.close()

    def _fill(self) -> None:
        while self._waiting and len(self._running) < self._running_limit:
            self._begin(self._waiting.popleft())

    def _begin(self, waiting: _Waiting) -> None:
        try:
            output, pid, descriptor = start_child(waiting.job)
        except OSError as error:
            fault = f"no process could be started: {error.strerror}"
            self._loop.soon(lambda: waiting.done(Outcome(fault=fault, began=False)))
            return
        due = self._clock() + waiting.seconds
        run = _Running(pid, descriptor, output, due, waiting.seconds, waiting.done)
        self._running[run.descriptor] = run
        self._loop.watch(run.descriptor, lambda _: self._ended(run))

    def _ended(self, run: _Running) -> None:
        del self._running[run.descriptor]
        outcome = self._reap(run)
        self._fill()
        run.done(outcome)

    def _let_go(self, run: _Running) -> None:
        self._loop.unwatch(run.descriptor)
        os.close(run.descriptor)
        run.output.close()

    def _reap(self, run: _Running) -> Outcome:
        self._loop.unwatch(run.descriptor)
        result, status = collected(run.output, run.pid, run.descriptor)
        fault = fault_of(status, run.seconds if run.late else None)
        seconds = max(0.0, self._clock() - run.due + run.seconds)
        return Outcome(result, status, fault, late=run.late, seconds=seconds)
