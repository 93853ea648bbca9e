"""Time as a value that tests can set.

Two times on purpose: sessions and locks run on the monotonic one, because a router's
wall clock jumps by decades when NTP first answers, and that must not log anybody out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """``wall()``: epoch seconds, for showing. ``monotonic()``: seconds, for waiting."""

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
