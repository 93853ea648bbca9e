"""Hours and days: any text is read or refused, and what is read is what a calendar says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fwknopd.config.hours import parse_days, parse_hours
from fwknopd.config.invalid import InvalidValue
from fwknopd.policy.schedule import DAY_NAMES, MINUTES, HourRange, Schedule, local_time

WEEK = 7 * MINUTES
minutes = st.integers(0, MINUTES - 1)
ranges = st.builds(HourRange, minutes, st.integers(0, MINUTES)).filter(lambda r: r.start != r.end)
schedules = st.builds(
    Schedule, st.lists(ranges, max_size=3).map(tuple), st.frozensets(st.integers(0, 6))
)
texts = st.one_of(st.text(max_size=40), st.from_regex(r"[0-9: ,-]{0,30}", fullmatch=True))


@given(texts)
def test_any_text_is_hours_or_refused(text: str) -> None:
    try:
        found = parse_hours(text)
    except InvalidValue as error:
        assert error.remedy
        return
    assert parse_hours(", ".join(map(str, found))) == found


@given(st.one_of(texts, st.from_regex(r"[a-z -]{0,30}", fullmatch=True)))
def test_any_text_is_days_or_refused(text: str) -> None:
    try:
        found = parse_days(text)
    except InvalidValue as error:
        assert error.remedy
        return
    assert parse_days(" ".join(DAY_NAMES[day] for day in found)) == found


@given(schedules, st.integers(0, 2**34), st.integers(-14 * 3600, 14 * 3600))
def test_allowed_is_what_was_painted_into_the_week(
    schedule: Schedule, now: int, offset: int
) -> None:
    """Each range as minutes of the week from its own day on, whatever day it ends on."""
    painted = set()
    for day in schedule.days or range(7):
        for hours in schedule.hours or (HourRange(0, MINUTES),):
            length = (hours.end - hours.start) % MINUTES or MINUTES
            start = day * MINUTES + hours.start
            painted |= {(start + step) % WEEK for step in range(length)}
    here = local_time(now, offset)
    assert schedule.allows(here) is (here.day * MINUTES + here.minute in painted)
