"""allowed_hours and allowed_days: ranges of a day, and weekdays by name."""

from __future__ import annotations

import re

from fwknopd.config.invalid import InvalidValue, shown
from fwknopd.policy.schedule import DAY_NAMES, MINUTES, HourRange

_SEPARATORS = re.compile(r"[\s,]+")
_AROUND_DASH = re.compile(r"\s*-\s*")
_RANGE = re.compile(r"([0-9]{1,2}):([0-9]{2})-([0-9]{1,2}):([0-9]{2})")
_LONG_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_HOURS_REMEDY = "Write it like 08:00-18:00; a range such as 22:00-06:00 goes over midnight."
_DAYS_REMEDY = "Write days like mon tue wed, or mon-fri."


def parse_hours(text: str) -> tuple[HourRange, ...]:
    """Ranges with blanks or commas between them. Raises InvalidValue."""
    words = _words(text)
    if not words:
        raise InvalidValue("it names no hours", _HOURS_REMEDY)
    return tuple(dict.fromkeys(map(_range, words)))


def parse_days(text: str) -> frozenset[int]:
    """Days and ranges of days, 0 is Monday. Raises InvalidValue."""
    words = _words(text)
    if not words:
        raise InvalidValue("it names no day", _DAYS_REMEDY)
    return frozenset(day for word in words for day in _days(word))


def _words(text: str) -> list[str]:
    joined = _AROUND_DASH.sub("-", text)
    return [word for word in _SEPARATORS.split(joined) if word]


def _range(word: str) -> HourRange:
    found = _RANGE.fullmatch(word)
    if found is None:
        raise InvalidValue(f"{shown(word)} is no range of hours", _HOURS_REMEDY)
    start, end = _minute(found[1], found[2]), _minute(found[3], found[4])
    if start is None or end is None or start == MINUTES:
        raise InvalidValue(f"{shown(word)} has a time that no clock shows", _HOURS_REMEDY)
    if start == end:
        why = f"{shown(word)} begins when it ends"
        raise InvalidValue(why, "Leave the option out for the whole day.")
    return HourRange(start, end)


def _minute(hour: str, minute: str) -> int | None:
    """The minute of the day, 24:00 for its end; None for what is beyond."""
    total = int(hour) * 60 + int(minute)
    return total if int(minute) < 60 and total <= MINUTES else None


def _days(word: str) -> list[int]:
    first, dash, last = word.partition("-")
    start = _day(first, word)
    if not dash:
        return [start]
    length = (_day(last, word) - start) % 7
    return [(start + step) % 7 for step in range(length + 1)]


def _day(name: str, word: str) -> int:
    name = name.lower()
    for number, (short, long) in enumerate(zip(DAY_NAMES, _LONG_NAMES, strict=True)):
        if len(name) >= len(short) and long.startswith(name):
            return number
    raise InvalidValue(f"{shown(word)} is no day of the week", _DAYS_REMEDY)
