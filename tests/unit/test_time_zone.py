"""The time zone that is set on this machine, followed when somebody changes it."""

from __future__ import annotations

import calendar
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fwknopd.policy.schedule import HourRange, Schedule, local_time
from fwknopd.time_zone import TimeZone

BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"
HOUR = 3600
SUMMER, WINTER = calendar.timegm((2027, 7, 1, 12, 0, 0)), calendar.timegm((2027, 1, 1, 12, 0, 0))
SPRING = calendar.timegm((2027, 3, 28, 1, 0, 0))
"""Clocks go from 02:00 to 03:00."""
AUTUMN = calendar.timegm((2027, 10, 31, 1, 0, 0))
"""Clocks go from 03:00 to 02:00."""


@pytest.fixture(autouse=True)
def _own_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.delenv("TZ")
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "TZ"
    path.write_text(f"{BERLIN}\n")
    return path


def test_openwrts_file_counts_and_so_does_summer_time(file: Path) -> None:
    zone = TimeZone(file)
    assert (zone.offset(WINTER), zone.offset(SUMMER)) == (HOUR, 2 * HOUR)


def test_a_zone_changed_while_the_daemon_runs(file: Path) -> None:
    zone = TimeZone(file)
    assert zone.offset(WINTER) == HOUR
    file.unlink()
    file.write_text("<-03>3\n")
    assert zone.offset(WINTER) == -3 * HOUR


def test_the_environment_wins(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "JST-9")
    assert TimeZone(file).offset(WINTER) == 9 * HOUR


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", None])
def test_without_a_usable_file_the_systems_zone_counts(file: Path, content: bytes | None) -> None:
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    time.tzset()
    assert TimeZone(file).offset(WINTER) == time.localtime(WINTER).tm_gmtoff


@pytest.mark.parametrize(
    ("now", "clock", "allowed"),
    [
        (SPRING - 60, "01:59", False),
        (SPRING, "03:00", True),  # 02:30 never comes; the range is entered late
        (SPRING + 30 * 60, "03:30", False),
        (AUTUMN - HOUR, "02:00", False),
        (AUTUMN - HOUR + 30 * 60, "02:30", True),
        (AUTUMN, "02:00", False),
        (AUTUMN + 30 * 60, "02:30", True),  # and comes twice here
        (AUTUMN + 90 * 60, "03:30", False),
    ],
)
def test_hours_on_the_days_the_clocks_change(
    file: Path, now: int, clock: str, allowed: bool
) -> None:
    here = local_time(now, TimeZone(file).offset(now))
    assert f" {clock} " in str(here)
    assert Schedule((HourRange(150, 210),)).allows(here) is allowed
