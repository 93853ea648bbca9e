"""When wall time can't be believed."""

from __future__ import annotations

import time

import pytest

from fwknopd.clock import RELEASED, SystemClock, unbelievable


@pytest.mark.parametrize("now", [-5.0, 0.0, 86400.0, RELEASED - 1.0])
def test_a_time_before_this_program_existed(now: float) -> None:
    assert "NTP" in unbelievable(now)


@pytest.mark.parametrize("now", [float(RELEASED), 4e9])
def test_a_time_after_it(now: float) -> None:
    assert unbelievable(now) == ""


def test_it_says_what_the_clock_says() -> None:
    assert "1970-01-02 00:00:00 UTC" in unbelievable(86400.0)


def test_the_machines_clocks() -> None:
    clock = SystemClock()
    assert abs(clock.now() - time.time()) < 5
    assert clock.monotonic() <= clock.monotonic()
    assert clock.problem() == ""
