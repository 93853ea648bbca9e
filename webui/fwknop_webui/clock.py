"""Time as a value that tests can set.

Two times on purpose: sessions and locks run on the monotonic one, because a router's
wall clock jumps by decades when NTP first answers, and that must not log anybody out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def _boot() -> str:
    with suppress(OSError, UnicodeDecodeError):
        return _BOOT_ID.read_text().strip()
    return ""


@dataclass(frozen=True, slots=True)
class Clock:
    """``wall()``: epoch seconds, for showing. ``monotonic()``: seconds, for waiting.

    ``boot`` names the machine's run that monotonic seconds belong to; "" when it can't be told.
    """

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    boot: str = field(default_factory=_boot)
