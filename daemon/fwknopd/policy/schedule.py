"""Hours and weekdays at which a client may knock, in the router's local time."""

from __future__ import annotations

from dataclasses import dataclass

DAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES = 24 * 60
"""Minutes of a day; as the end of a range it is midnight."""

_EPOCH_DAY = 3  # 1970-01-01 was a Thursday


@dataclass(frozen=True, slots=True)
class LocalTime:
    """A moment on the router's wall clock; ``day`` 0 is Monday, ``minute`` counts from midnight.

    ``offset`` is how many seconds the clock is ahead of UTC.
    """

    day: int
    minute: int
    offset: int

    def __str__(self) -> str:
        hours, minutes = divmod(abs(self.offset) // 60, 60)
        zone = f"{'-' if self.offset < 0 else '+'}{hours:02}:{minutes:02}"
        return f"{DAY_NAMES[self.day]} {clock_text(self.minute)} (UTC{zone})"


def local_time(now: int, offset: int) -> LocalTime:
    """``now`` (epoch seconds) where clocks are ``offset`` seconds ahead of UTC."""
    days, seconds = divmod(now + offset, 24 * 3600)
    return LocalTime((days + _EPOCH_DAY) % 7, seconds // 60, offset)


def clock_text(minute: int) -> str:
    """A minute of the day as people write it."""
    return f"{minute // 60:02}:{minute % 60:02}"


@dataclass(frozen=True, slots=True)
class HourRange:
    """From one minute of the day up to, not including, another.

    An end before the start is on the next day.
    """

    start: int
    end: int

    def __str__(self) -> str:
        return f"{clock_text(self.start)}-{clock_text(self.end)}"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a client may knock: at ``hours`` of ``days``. Empty means all of them.

    A range over midnight belongs to the day it begins on: fri 22:00-06:00 ends on Saturday.
    """

    hours: tuple[HourRange, ...] = ()
    days: frozenset[int] = frozenset()

    def allows(self, when: LocalTime) -> bool:
        """May the client knock then?"""
        return any(self._within(hours, when) for hours in self.hours or (HourRange(0, MINUTES),))

    def _within(self, hours: HourRange, when: LocalTime) -> bool:
        today, yesterday = self._on(when.day), self._on((when.day - 1) % 7)
        if hours.start < hours.end:
            return today and hours.start <= when.minute < hours.end
        return (today and when.minute >= hours.start) or (yesterday and when.minute < hours.end)

    def _on(self, day: int) -> bool:
        return not self.days or day in self.days

    def __str__(self) -> str:
        days = " ".join(DAY_NAMES[day] for day in sorted(self.days)) or "every day"
        return f"{days}, {', '.join(map(str, self.hours)) or 'at any hour'}"
