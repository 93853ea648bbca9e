"""ACCESS_EXPIRE: a day written as month/day/year, read as fwknopd reads it."""

from __future__ import annotations

import re
import time

from fwknopd.config.invalid import InvalidValue, Leniencies

_DATE = re.compile(
    r"([0-9]{1,2})/\s*([0-9]{1,2})/\s*([0-9]{2}|[0-9]{4})(?P<rest>(?![0-9/]).*)", re.DOTALL
)
REMEDY = "Write month/day/year, for example 12/31/2030."


def parse_date(text: str, leniencies: Leniencies) -> int:
    """Seconds since 1970 of the local midnight that starts the day. Raises InvalidValue.

    Months and days beyond the calendar roll over, as in the C daemon: 31/12/2030 is
    12 July 2032. That is recorded, for it is nearly always a day/month/year. Month 0 is
    January there, and what follows the date, be it a time, does not count.
    """
    found = _DATE.fullmatch(text)
    if found is None:
        raise InvalidValue("it is not a date", REMEDY)
    month, day, year = (int(group) for group in found.groups()[:3])
    if year < 100:
        year += 2000
    if not year >= 1970:
        raise InvalidValue(f"the year {year} is in the past", REMEDY)
    if found["rest"].strip():
        leniencies.add("only the day counts, from its first minute on", REMEDY)
    seconds = _midnight(year, max(month, 1), day)
    actual = time.localtime(seconds)
    if (actual.tm_year, actual.tm_mon, actual.tm_mday) != (year, month, day):
        leniencies.add(
            f"there is no month {month} with a day {day}; it is read as "
            f"{actual.tm_mon}/{actual.tm_mday}/{actual.tm_year}",
            REMEDY,
        )
    return seconds


def _midnight(year: int, month: int, day: int) -> int:
    try:
        return int(time.mktime((year, month, day, 0, 0, 0, 0, 0, -1)))
    except (OverflowError, ValueError) as error:
        # A 32-bit C library ends in 2038.
        raise InvalidValue(f"this system can't handle the year {year}", REMEDY) from error
