"""A clock tests turn by hand."""

from __future__ import annotations

from fwknop_webui.clock import Clock


class HandClock:
    """Both times of a router, moving only when told to."""

    def __init__(self, wall: float = 1_795_300_000.0) -> None:
        self.wall_seconds = wall
        self.seconds = 1000.0
        self.boot = "first"

    def monotonic(self) -> float:
        return self.seconds

    def wall(self) -> float:
        return self.wall_seconds

    def forward(self, seconds: float) -> None:
        self.seconds += seconds
        self.wall_seconds += seconds

    def reboot(self, off_for: float = 0.0) -> None:
        """The monotonic clock begins anew; ``off_for``: seconds without power."""
        self.boot += "+"
        self.seconds = 1.0
        self.wall_seconds += off_for

    @property
    def clock(self) -> Clock:
        return Clock(self.wall, self.monotonic, self.boot)
