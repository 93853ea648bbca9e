"""A clock tests turn by hand."""

from __future__ import annotations

from fwknop_webui.clock import Clock


class HandClock:
    """Both times of a router, moving only when told to."""

    def __init__(self, wall: float = 1_795_300_000.0) -> None:
        self.wall_seconds = wall
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds

    def wall(self) -> float:
        return self.wall_seconds

    def forward(self, seconds: float) -> None:
        self.seconds += seconds
        self.wall_seconds += seconds

    @property
    def clock(self) -> Clock:
        return Clock(self.wall, self.monotonic)
