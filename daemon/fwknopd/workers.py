"""Jobs that may take long, in children of this process: name lookups, gpg, commands.

The loop never waits for one of them. A child is a fork, so that a job is an ordinary
function and loads what it needs (python-gnupg, the resolver) in its own memory, which is
gone with it. What it returns comes back through a memory file, bounded, when its end makes
a descriptor readable. One that takes too long is killed with its process group.
"""

from __future__ import annotations

import os
import select
import signal
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from io import FileIO
from math import inf
from time import monotonic

from fwknopd.loop import Loop
from fwknopd.spawning import open_memory_file

RUNNING_LIMIT = 4
"""Jobs at the same time: a router has one or two processors, and little memory."""

WAITING_LIMIT = 64
"""Jobs that wait for their turn; what is beyond is refused at once."""

RESULT_LIMIT = 65536
"""Bytes read of what a job returns."""

_FAILED = 70


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended. ``status`` is the exit status of its process, below 0 for a signal.

    ``fault`` is "" when the process ended by itself with status 0, else what happened, for
    people. ``result`` is what the job returned, or wrote to its standard output. ``began``:
    there was a process; ``late``: it was killed because its time was over; ``seconds`` it took.
    """

    result: bytes = b""
    status: int = 0
    fault: str = ""
    began: bool = field(default=True, compare=False)
    late: bool = field(default=False, compare=False)
    seconds: float = field(default=0.0, compare=False)


Job = Callable[[], bytes]
"""Runs in the child. It may replace the process (exec); then its standard output counts."""

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
                _kill(run.pid)
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
                _kill(run.pid)
                self._reap(run)
        self._running.clear()
        for lane in self._lanes:
            lane.close()

    def _fill(self) -> None:
        while self._waiting and len(self._running) < self._running_limit:
            self._begin(self._waiting.popleft())

    def _begin(self, waiting: _Waiting) -> None:
        try:
            output, pid, descriptor = _start(waiting.job)
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
        result, status = _collected(run.output, run.pid, run.descriptor)
        fault = _fault(status, run.seconds if run.late else None)
        seconds = max(0.0, self._clock() - run.due + run.seconds)
        return Outcome(result, status, fault, late=run.late, seconds=seconds)


def run_apart(job: Job, seconds: float) -> Outcome:
    """Run ``job`` and wait for it, ``seconds`` at most. What it loads is gone with its child.

    Raises OSError if there can be no process.
    """
    output, pid, descriptor = _start(job)
    late = not select.select([descriptor], [], [], seconds)[0]
    if late:
        _kill(pid)
    result, status = _collected(output, pid, descriptor)
    return Outcome(result, status, _fault(status, seconds if late else None), late=late)


def _collected(output: FileIO, pid: int, descriptor: int) -> tuple[bytes, int]:
    """What a child returned, and its exit status. It has ended, or is about to."""
    with output:
        _, ended = os.waitpid(pid, 0)
        os.close(descriptor)
        return os.pread(output.fileno(), RESULT_LIMIT, 0), os.waitstatus_to_exitcode(ended)


def _fault(status: int, limit: float | None) -> str:
    """What happened, for people. ``limit``: it was killed after so many seconds."""
    if limit is not None:
        return f"it took more than {limit:g} seconds and was stopped"
    if status < 0:
        return f"it was ended by signal {-status}"
    return f"it ended with status {status}" if status else ""


def _kill(group: int) -> None:
    # Some of its processes may run as others by now; root may kill them all the same.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _start(job: Job) -> tuple[FileIO, int, int]:
    """A child's output, number and descriptor of its end. Raises OSError, without a child."""
    output = open_memory_file()
    try:
        pid = _fork(job, output.fileno())
        return output, pid, _watchable(pid)
    except OSError:
        output.close()
        raise


def _watchable(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except OSError:
        # Nobody would see its end, nor that its time is over.
        _kill(pid)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise


def _fork(job: Job, output: int) -> int:
    """The child's number. The child does the job, and never comes back from here."""
    # Until the child has let go of the daemon's handlers, a signal to it must wait.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            _be_child(job, output)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    # In the parent too, or a kill that comes at once would find no such group. It fails when
    # the child is another program already, which then has seen to it.
    with suppress(OSError):
        os.setpgid(pid, pid)
    return pid


def _be_child(job: Job, output: int) -> None:
    try:
        os.setpgid(0, 0)
        _leave_daemon(output)
    except BaseException:
        # A program's own end with this status would look the same without a word.
        with suppress(BaseException):
            os.write(output, b"its process could not be prepared")
        os._exit(_FAILED)
    try:
        os.write(1, job()[:RESULT_LIMIT])
    except BaseException:
        # Nobody is there to see a traceback, which might hold secrets; `fault` tells.
        os._exit(_FAILED)
    os._exit(0)


def _leave_daemon(output: int) -> None:
    """Nothing of the daemon's reaches the job: no signal dispositions, no descriptors."""
    signal.set_wakeup_fd(-1)
    # What is ignored stays so in a program that takes the child's place. Python itself ignores
    # some, and does not know of those that a C library does.
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(nothing, 2)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
