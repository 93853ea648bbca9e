"""Jobs in children: what they return, what happens to slow, broken and too many ones."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fwknopd import children
from fwknopd.children import RESULT_LIMIT, Outcome, run_apart
from fwknopd.loop import Loop
from fwknopd.workers import Workers
from tests.unit.signal_state import ignored_signals

SOON = 20.0


def sleep() -> bytes:
    time.sleep(SOON)
    return b""


class Desk:
    """Workers with a loop of their own, and what their jobs came to."""

    def __init__(self, running_limit: int = 4, waiting_limit: int = 64) -> None:
        self.loop = Loop()
        self.workers = Workers(self.loop, running_limit=running_limit, waiting_limit=waiting_limit)
        self.outcomes: list[Outcome] = []

    def start(self, job: Callable[[], bytes], seconds: float = SOON) -> None:
        self.workers.start(job, seconds, self.outcomes.append)

    def finish(self) -> list[Outcome]:
        self.workers.finish()
        self.loop.turn(0)
        return self.outcomes


def is_dead(pid: int) -> bool:
    """Killed, at the latest when the system has got round to it; a zombie counts."""
    end = time.monotonic() + SOON
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state in "ZX":
            return True
    return False


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.workers.close()
    desk.loop.close()


def test_a_job_returns_its_result(desk: Desk) -> None:
    desk.start(lambda: b"done")
    assert desk.outcomes == []
    assert desk.finish() == [Outcome(b"done")]


def test_the_daemons_loop_goes_on_while_a_job_runs(desk: Desk) -> None:
    desk.start(sleep)
    began = time.monotonic()
    desk.loop.turn(0.01)
    assert time.monotonic() - began < SOON / 2
    assert len(desk.workers) == 1


def test_a_slow_job_is_killed_with_everything_it_started(desk: Desk, tmp_path: Path) -> None:
    numbers = tmp_path / "numbers"

    def slow() -> bytes:
        child = os.fork()
        if child:
            numbers.write_text(str(child))
        time.sleep(SOON)
        return b""

    desk.start(slow, 1)
    (outcome,) = desk.finish()
    assert outcome.fault == "it took more than 1 seconds and was stopped"
    assert outcome.status == -signal.SIGKILL
    assert is_dead(int(numbers.read_text()))


def test_a_job_that_raises_is_a_fault_without_its_words(desk: Desk) -> None:
    def broken() -> bytes:
        raise ValueError("a secret")

    desk.start(broken)
    (outcome,) = desk.finish()
    assert outcome.fault
    assert b"secret" not in outcome.result
    assert "secret" not in outcome.fault


def test_a_job_may_become_another_program(desk: Desk) -> None:
    def become() -> bytes:
        os.execv("/bin/sh", ["sh", "-c", "echo hello; exit 3"])  # noqa: S606

    desk.start(become)
    assert desk.finish() == [Outcome(b"hello\n", 3, "it ended with status 3")]


def test_a_job_has_none_of_the_daemons_descriptors_or_signals(desk: Desk) -> None:
    before = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    kept = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(kept, True)

    def look() -> bytes:
        default = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        descriptors = sorted(int(entry.name) for entry in Path("/proc/self/fd").iterdir())
        return repr((default, blocked, descriptors[:3], kept in descriptors)).encode()

    try:
        desk.start(look)
        (outcome,) = desk.finish()
    finally:
        os.close(kept)
        signal.signal(signal.SIGTERM, before)
    assert outcome.result == b"(True, set(), [0, 1, 2], False)"


def test_what_a_c_library_ignores_is_not_ignored_by_the_job(desk: Desk) -> None:
    libc = ctypes.CDLL(None)
    libc.signal(signal.SIGWINCH, ctypes.c_void_p(1))
    try:
        desk.start(lambda: Path("/proc/self/status").read_bytes())
        (outcome,) = desk.finish()
    finally:
        libc.signal(signal.SIGWINCH, ctypes.c_void_p(0))
    assert ignored_signals(outcome.result.decode()) == set()


def test_more_jobs_than_may_run_wait_for_their_turn() -> None:
    desk = Desk(running_limit=1)
    for number in range(3):
        desk.start(lambda number=number: str(number).encode())  # type: ignore[misc]
    assert len(desk.workers) == 3
    assert [outcome.result for outcome in desk.finish()] == [b"0", b"1", b"2"]


def test_too_many_jobs_are_refused_and_told_later() -> None:
    desk = Desk(running_limit=1, waiting_limit=1)
    for _ in range(3):
        desk.start(lambda: b"done")
    assert desk.outcomes == []
    outcomes = desk.finish()
    assert [outcome.result for outcome in outcomes if not outcome.fault] == [b"done", b"done"]
    (refused,) = [outcome for outcome in outcomes if outcome.fault]
    assert "jobs are running or waiting already" in refused.fault


def test_a_long_result_is_cut(desk: Desk) -> None:
    desk.start(lambda: b"x" * (RESULT_LIMIT + 1))
    (outcome,) = desk.finish()
    assert len(outcome.result) == RESULT_LIMIT


def test_closing_kills_what_runs_and_tells_nobody(desk: Desk) -> None:
    desk.start(sleep)
    desk.workers.close()
    assert len(desk.workers) == 0
    assert desk.finish() == []


def test_a_job_whose_end_could_not_be_seen_is_killed_and_told(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids: list[int] = []

    def full(pid: int) -> int:
        pids.append(pid)
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "pidfd_open", full)
    desk.start(sleep)
    assert desk.finish() == [Outcome(fault="no process could be started: Too many open files")]
    with pytest.raises(ChildProcessError):
        os.waitpid(pids[0], os.WNOHANG)


def test_a_child_that_can_not_be_prepared_says_so(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(output: int) -> None:
        raise MemoryError

    monkeypatch.setattr(children, "_leave_daemon", fail)
    desk.start(sleep)
    (outcome,) = desk.finish()
    assert outcome.result == b"its process could not be prepared"
    assert outcome.fault == "it ended with status 70"


def test_a_job_apart_returns_and_leaves_nothing_in_this_process() -> None:
    done: list[bytes] = []

    def job() -> bytes:
        done.append(b"here")
        return b"there"

    assert run_apart(job, SOON) == Outcome(b"there")
    assert done == []


def test_a_job_apart_that_fails_says_how() -> None:
    assert run_apart(lambda: bytes(1 // 0), SOON).fault == "it ended with status 70"
    late = run_apart(sleep, 0.01)
    assert (late.late, late.fault) == (True, "it took more than 0.01 seconds and was stopped")
