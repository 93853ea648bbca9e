"""Bounds on one input: CPU time, which a busy machine doesn't change, and memory."""

from __future__ import annotations

import gc
import signal
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

CPU_SECONDS = 5.0
"""For one input of a few thousand bytes; it needs a thousandth of that."""


class TooSlow(AssertionError):
    """An input took longer than any may."""


@contextmanager
def bounded(seconds: float = CPU_SECONDS) -> Iterator[None]:
    """Stop what takes more CPU time than that. Raises TooSlow."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise TooSlow(f"more than {seconds:g} seconds of CPU time")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def cpu_seconds(call: Callable[[], object]) -> float:
    """What a call costs, without Python's collector of cycles.

    One full collection takes 0.2 seconds in a process that has loaded every test. When it
    comes is decided by what ran before, not by the call.
    """
    with uncollected():
        begun = time.process_time()
        call()
        return time.process_time() - begun


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep the collector of cycles from running, if it is on."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def memory_peak(call: Callable[[], object]) -> int:
    """Bytes that Python's objects took at most during a call."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
