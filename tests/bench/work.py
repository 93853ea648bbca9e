"""How much work a call is, counted instead of timed: the same on every machine, every time.

Counted are instructions of the Python interpreter, calls into C, and memory that stays. What
C code does in one call isn't seen, so a slower hash or regular expression is not; a loop that
grew, a look-up that became a scan, and a value made twice are.
"""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

RUNS = 3
"""How often `work_of` runs what it is given; the first run warms up caches."""


@dataclass(frozen=True, slots=True)
class Work:
    """``instructions`` of the interpreter, and ``calls`` into C by the name of the function."""

    instructions: int
    calls: Counter[str]

    @property
    def c_calls(self) -> int:
        """All calls into C."""
        return self.calls.total()


def work_of(action: Callable[[], object]) -> Work:
    """What ``action`` takes. It is run `RUNS` times."""
    action()
    return Work(_instructions(action), _calls(action))


def memory_kept(action: Callable[[], object]) -> int:
    """Bytes more in use after ``action`` than before, when it was run once already."""
    action()
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        action()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return after - before


def _instructions(action: Callable[[], object]) -> int:
    if sys.version_info >= (3, 12):
        return _monitored(action)
    count = 0

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    finally:
        sys.settrace(before)
    return count


if sys.version_info >= (3, 12):

    def _monitored(action: Callable[[], object]) -> int:
        """From Python 3.12 on, tracing misses instructions; this is what is meant for it."""
        monitoring, count = sys.monitoring, 0

        def executed(_code: object, _offset: int) -> None:
            nonlocal count
            count += 1

        monitoring.use_tool_id(monitoring.PROFILER_ID, "work")
        try:
            monitoring.register_callback(
                monitoring.PROFILER_ID, monitoring.events.INSTRUCTION, executed
            )
            monitoring.set_events(monitoring.PROFILER_ID, monitoring.events.INSTRUCTION)
            action()
            monitoring.set_events(monitoring.PROFILER_ID, monitoring.events.NO_EVENTS)
        finally:
            monitoring.free_tool_id(monitoring.PROFILER_ID)
        return count


def _calls(action: Callable[[], object]) -> Counter[str]:
    calls: Counter[str] = Counter()

    def profile(_frame: FrameType, event: str, argument: Any) -> None:
        if event == "c_call":
            calls[argument.__name__] += 1

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        action()
    finally:
        sys.setprofile(before)
    # The one that ends the count.
    calls["setprofile"] -= 1
    return +calls
