"""Reading allowed_hours and allowed_days."""

from __future__ import annotations

import pytest

from fwknopd.config.hours import parse_days, parse_hours
from fwknopd.config.invalid import InvalidValue
from fwknopd.config.problems import ConfigError
from fwknopd.config.uci_config import configuration_from_uci
from fwknopd.config.uci_format import parse_uci
from fwknopd.policy.schedule import HourRange, Schedule
from fwknopd.policy.stanza import Stanza


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("08:00-18:00", [(480, 1080)]),
        ("8:00 - 18:00", [(480, 1080)]),
        ("08:00-12:00,13:30-18:00", [(480, 720), (810, 1080)]),
        (" 08:00-12:00  13:30-18:00 ", [(480, 720), (810, 1080)]),
        ("22:00-06:00", [(1320, 360)]),
        ("00:00-24:00", [(0, 1440)]),
        ("22:00-00:00", [(1320, 0)]),
        ("08:00-09:00, 08:00-09:00", [(480, 540)]),
    ],
)
def test_hours(text: str, ranges: list[tuple[int, int]]) -> None:
    assert parse_hours(text) == tuple(HourRange(*each) for each in ranges)


@pytest.mark.parametrize(
    "text",
    [
        *("", " , ", "8-18", "08:00", "08:00-", "08:60-09:00", "24:00-06:00", "00:00-24:01"),
        *("25:00-26:00", "08:00-08:00", "08:00-18:00;", "08:00-18:00-20:00", "x" * 999),
        "\u0660\u0668:00-18:00",
    ],
)
def test_what_is_no_hours(text: str) -> None:
    with pytest.raises(InvalidValue) as raised:
        parse_hours(text)
    assert raised.value.remedy


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("mon", {0}),
        ("mon tue wed thu fri", {0, 1, 2, 3, 4}),
        ("Mon-Fri", {0, 1, 2, 3, 4}),
        ("mon - fri, sunday", {0, 1, 2, 3, 4, 6}),
        ("sat,sun", {5, 6}),
        ("fri-mon", {4, 5, 6, 0}),
        ("wed-wed", {2}),
        ("Thursday thurs THU", {3}),
    ],
)
def test_days(text: str, days: set[int]) -> None:
    assert parse_days(text) == days


@pytest.mark.parametrize(
    "text", ["", " , ", "mo", "monday2", "0", "mon-", "-fri", "mon-tue-wed", "noday", "mon;"]
)
def test_what_is_no_day(text: str) -> None:
    with pytest.raises(InvalidValue) as raised:
        parse_days(text)
    assert raised.value.remedy


def client(*options: str) -> Stanza:
    lines = ["config access", "option SOURCE 'ANY'", "option KEY 'secret one'", *options]
    [stanza] = configuration_from_uci(parse_uci("\n".join(lines), "fwknopd"), "fwknopd").stanzas
    return stanza


def test_a_client_in_uci() -> None:
    assert client().schedule is None
    assert client("option allowed_days 'sat sun'").schedule == Schedule(days=frozenset({5, 6}))
    both = client("list allowed_hours '08:00-12:00'", "list allowed_hours '13:00-18:00'")
    assert both.schedule == Schedule((HourRange(480, 720), HourRange(780, 1080)))
    assert client("option log_only '1'").log_only is True
    assert client("option log_only '0'").log_only is False


def test_hours_that_cannot_be_read_let_nobody_in_at_all_hours() -> None:
    with pytest.raises(ConfigError, match="allowed_hours: '8-18' is no range of hours"):
        client("option allowed_hours '8-18'")
