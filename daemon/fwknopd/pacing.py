"""When to let packets gather: a flood that wakes the daemon for each packet costs twice as much.

Waking up for one packet costs more than judging it. So while packets come quickly, few at a
time, and nothing comes of them, the daemon rests for a moment, and finds several at once. A
knock among them waits that moment too. When nothing much happens, and when so much does
that packets gather by themselves, it never rests. Pure.
"""

from __future__ import annotations

from math import inf

REST_SECONDS = 0.002
"""What a knock in a flood may wait longer: a third of what it takes anyway."""

BUSY_RATE = 500.0
"""Packets a second that make a flood, below which resting saves next to nothing."""

GATHERED = 40
"""So many packets at once have gathered well enough by themselves."""


class Pacing:
    """Tells after each lot of packets how long to rest."""

    def __init__(self) -> None:
        self._last = -inf

    def rest(self, packets: int, now: float, *, in_vain: bool) -> float:
        """Seconds to rest after so many packets; ``in_vain`` if nothing came of any of them.

        ``now`` is a monotonic second.
        """
        if not packets:
            return 0.0
        since, self._last = now - self._last, now
        if not in_vain or packets >= GATHERED or packets < BUSY_RATE * since:
            return 0.0
        return REST_SECONDS
