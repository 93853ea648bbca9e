"""What a process needs: memory, descriptors, children."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

LOOKS, LOOK_SECONDS = 5, 0.05
LONG_SECONDS = 30 * 60
"""From here on what is remembered is full by the second quarter of the time."""

GROWTH_KIB = 512
"""By which the last quarter may lie above the second: as much as a page cache of Python's."""

SHORT_GROWTH_KIB = 4096
"""While what is remembered is still being filled: this only tells a flood of memory."""

PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024


def growth_limit(seconds: float) -> int:
    """KiB by which the last quarter of so long a soak may lie above the second."""
    return GROWTH_KIB if seconds >= LONG_SECONDS else SHORT_GROWTH_KIB


@dataclass(slots=True)
class Gauges:
    """Looked at again and again. KiB of resident memory over monotonic seconds."""

    pid: int
    times: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)

    def look(self, now: float) -> None:
        """Note the memory."""
        self.times.append(now)
        self.memory.append(self.resident())

    def resident(self) -> int:
        """KiB now."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * PAGE_KIB

    def descriptors(self) -> int:
        """How many are open while nobody asks anything: who just did may not be forgotten yet."""
        counts = []
        for _ in range(LOOKS):
            counts.append(len(list(Path(f"/proc/{self.pid}/fd").iterdir())))
            time.sleep(LOOK_SECONDS)
        return min(counts)

    def children(self) -> str:
        """The numbers of its children, dead or alive."""
        return Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()

    def quarters(self) -> list[int]:
        """The median KiB of each quarter of the time."""
        size = max(1, len(self.memory) // 4)
        return [int(median(self.memory[n * size : (n + 1) * size])) for n in range(4)]

    def growth_per_hour(self) -> float:
        """KiB by which it grew in an hour, over the second half of the time: least squares."""
        half = len(self.times) // 2
        return _slope(self.times[half:], self.memory[half:]) * 3600


def _slope(xs: Sequence[float], ys: Sequence[float]) -> float:
    middle_x, middle_y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - middle_x) ** 2 for x in xs)
    together = sum((x - middle_x) * (y - middle_y) for x, y in zip(xs, ys, strict=True))
    return together / spread if spread else 0.0
