"""The two clocks, behind one seam that tests replace, and whether wall time can be believed.

A router without a clock battery starts in 1970 or at the time of its last shutdown,
until NTP corrects it. Packets carry the client's time, so judging them by such a
clock refuses everybody, or takes old packets for fresh. `time_sources` knows whether NTP
has come; a time before this program was made is wrong in any case.
"""

from __future__ import annotations

import time

from fwknopd.time_sources import TimeSources
from fwknopd.time_zone import TimeZone

RELEASED = 1_780_272_000
"""2026-06-01 00:00:00 UTC: no copy of this program ran before, so no true clock says so."""


class SystemClock:
    """The machine's clocks."""

    def __init__(self, sources: TimeSources | None = None) -> None:
        self._zone = TimeZone()
        self._sources = TimeSources(RELEASED) if sources is None else sources

    def now(self) -> float:
        """Seconds since 1970 UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since some fixed moment."""
        return time.monotonic()

    def problem(self) -> str:
        """Why the wall clock can't be right, or ""."""
        now = time.time()
        return unbelievable(now) or (_awaited(now) if self._sources.awaited() else "")

    def utc_offset(self, now: float) -> int:
        """Seconds the wall clock is ahead of UTC at ``now``, by the time zone set."""
        return self._zone.offset(now)


def unbelievable(now: float) -> str:
    """Why ``now`` (epoch seconds) can't be the present, or ""."""
    if now >= RELEASED:
        return ""
    return (
        f"this machine's clock says {_shown(now)}, before this program was made; "
        "set the clock or let NTP set it"
    )


def _awaited(now: float) -> str:
    return (
        f"this machine's clock says {_shown(now)}, but no time server has confirmed it since "
        "the start; look whether NTP works, set the clock, or switch off WAIT_FOR_CLOCK"
    )


def _shown(now: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(max(0.0, now)))
