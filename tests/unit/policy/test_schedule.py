"""Hours and days at which a client may knock."""

from __future__ import annotations

import calendar

import pytest

from fwknopd.policy.schedule import HourRange, LocalTime, Schedule, local_time
from fwknopd.policy.verdict import Reason, Refusal
from tests.unit.policy.knocks import NOW, Gate, client, knock

MON, TUE, WED, THU, FRI, SAT, SUN = range(7)
OFFICE = Schedule((HourRange(8 * 60, 18 * 60),), frozenset({MON, TUE, WED, THU, FRI}))
NIGHT = Schedule((HourRange(22 * 60, 6 * 60),), frozenset({FRI}))
HOUR = 3600


def at(day: int, text: str) -> LocalTime:
    hour, _, minute = text.partition(":")
    return LocalTime(day, int(hour) * 60 + int(minute), 0)


@pytest.mark.parametrize(
    ("schedule", "day", "time", "allowed"),
    [
        (OFFICE, MON, "8:00", True),
        (OFFICE, FRI, "17:59", True),
        (OFFICE, MON, "7:59", False),
        (OFFICE, MON, "18:00", False),
        (OFFICE, SAT, "12:00", False),
        # Over midnight: the night belongs to the day it begins on.
        (NIGHT, FRI, "22:00", True),
        (NIGHT, SAT, "5:59", True),
        (NIGHT, SAT, "6:00", False),
        (NIGHT, FRI, "5:00", False),
        (NIGHT, SAT, "22:00", False),
        (NIGHT, FRI, "12:00", False),
        (Schedule((HourRange(22 * 60, 6 * 60),), frozenset({SUN})), MON, "1:00", True),
        (Schedule((HourRange(22 * 60, 6 * 60),)), WED, "23:00", True),
        (Schedule((HourRange(22 * 60, 6 * 60),)), WED, "12:00", False),
        # Only days, only hours, several ranges.
        (Schedule(days=frozenset({SUN})), SUN, "0:00", True),
        (Schedule(days=frozenset({SUN})), SUN, "23:59", True),
        (Schedule(days=frozenset({SUN})), MON, "0:00", False),
        (Schedule((HourRange(0, 60), HourRange(23 * 60, 24 * 60))), TUE, "0:30", True),
        (Schedule((HourRange(0, 60), HourRange(23 * 60, 24 * 60))), TUE, "23:59", True),
        (Schedule((HourRange(0, 60), HourRange(23 * 60, 24 * 60))), TUE, "12:00", False),
    ],
)
def test_when_a_client_may_knock(schedule: Schedule, day: int, time: str, allowed: bool) -> None:
    assert schedule.allows(at(day, time)) is allowed


@pytest.mark.parametrize(
    ("offset", "shown"),
    [
        (0, "fri 08:00 (UTC+00:00)"),
        (2 * HOUR, "fri 10:00 (UTC+02:00)"),
        (-9 * HOUR, "thu 23:00 (UTC-09:00)"),
        (5 * HOUR + 1800, "fri 13:30 (UTC+05:30)"),
        (-(3 * HOUR + 1800), "fri 04:30 (UTC-03:30)"),
        (16 * HOUR, "sat 00:00 (UTC+16:00)"),
    ],
)
def test_local_time_follows_the_offset(offset: int, shown: str) -> None:
    assert str(local_time(NOW, offset)) == shown


def test_times_before_1970_are_no_trouble() -> None:
    assert str(local_time(-1, 0)) == "wed 23:59 (UTC+00:00)"


def test_every_day_of_a_year_is_the_one_in_the_calendar() -> None:
    first = calendar.timegm((2028, 1, 1, 0, 0, 0))
    for number in range(366):
        now = first + number * 24 * HOUR
        assert local_time(now, 0).day == (calendar.weekday(2028, 1, 1) + number) % 7


def test_in_words() -> None:
    assert str(OFFICE) == "mon tue wed thu fri, 08:00-18:00"
    assert str(Schedule(days=frozenset({SAT, SUN}))) == "sat sun, at any hour"
    assert str(Schedule((HourRange(0, 360), HourRange(1320, 1440)))) == (
        "every day, 00:00-06:00, 22:00-24:00"
    )


# Of a knock


@pytest.mark.parametrize(
    ("offset", "reason"),
    [(0, Reason.ACCEPTED), (9 * HOUR + 3540, Reason.ACCEPTED), (10 * HOUR, Reason.OUTSIDE_HOURS)],
)
def test_a_knock_is_judged_by_the_routers_wall_clock(offset: int, reason: Reason) -> None:
    phone = client(schedule=OFFICE)
    assert Gate(phone).reason(knock(phone), utc_offset=offset) is reason


def test_the_refusal_says_what_time_it_is_and_when_it_may_knock() -> None:
    phone = client(schedule=OFFICE)
    refusal = Gate(phone).refusal(knock(phone), utc_offset=-HOUR)
    assert (refusal.reason, refusal.stanza) == (Reason.OUTSIDE_HOURS, phone)
    assert refusal.detail == (
        "it is fri 07:00 (UTC-01:00) here, and this client may knock "
        "mon tue wed thu fri, 08:00-18:00"
    )


def test_it_is_used_up_all_the_same() -> None:
    phone = client(schedule=NIGHT)
    gate, payload = Gate(phone), knock(phone)
    assert gate.reason(payload) is Reason.OUTSIDE_HOURS
    assert gate.reason(payload, utc_offset=14 * HOUR) is Reason.REPLAY


def test_another_client_with_the_same_keys_may_be_in_time() -> None:
    night, day = client(schedule=NIGHT), client(number=2)
    assert Gate(night, day).access(knock(night)).stanza is day


def test_without_a_clock_hours_mean_nothing_so_nothing_is_granted() -> None:
    phone = client(schedule=OFFICE)
    gate = Gate(phone, enable_spa_packet_aging=False)
    assert gate.reason(knock(phone), clock_problem="never set") is Reason.CLOCK_NOT_SET
    free = client()
    gate = Gate(free, enable_spa_packet_aging=False)
    assert gate.reason(knock(free), clock_problem="never set") is Reason.ACCEPTED


# Log-only


def test_a_log_only_client_is_judged_in_full() -> None:
    phone = client(log_only=True, require_username="bob")
    gate = Gate(phone)
    assert gate.reason(knock(phone)) is Reason.USERNAME_MISMATCH
    payload = knock(phone, user="bob")
    decision = gate.access(payload)
    assert decision.reason is Reason.LOG_ONLY
    assert gate.reason(payload) is Reason.REPLAY


@pytest.mark.parametrize("reason", [Reason.ACCEPTED, Reason.LOG_ONLY])
def test_a_refusal_is_no_acceptance(reason: Reason) -> None:
    with pytest.raises(ValueError, match=reason):
        Refusal(reason)
