"""A program that does not finish: it is stopped, and others get on with their work."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from fwknopd.firewall import FirewallBarred, FirewallStuck
from fwknopd.firewall.process import find_program, run_anew, run_program

LIMIT = 0.3
SLEEP = find_program("sleep") or "sleep"


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    run_anew()
    yield
    run_anew()


def hang() -> None:
    with pytest.raises(FirewallStuck, match=r"sleep did not finish within 0\.3 seconds"):
        run_program(SLEEP, ["60"], time_limit=LIMIT)


def test_it_is_not_waited_for_again_at_once_and_the_reason_is_the_same() -> None:
    hang()
    began = time.monotonic()
    with pytest.raises(FirewallBarred, match=r"sleep did not finish within 0\.3 seconds"):
        run_program(SLEEP, ["60"], time_limit=LIMIT)
    assert time.monotonic() - began < LIMIT


def test_it_is_run_again_after_as_long_as_it_took() -> None:
    hang()
    time.sleep(LIMIT)
    assert run_program(SLEEP, ["0"]).status == 0
    assert run_program(SLEEP, ["0"]).status == 0


def test_other_programs_are_run_meanwhile() -> None:
    hang()
    assert run_program(find_program("true") or "true", []).status == 0


def test_whoever_ends_runs_it_all_the_same() -> None:
    hang()
    run_anew()
    assert run_program(SLEEP, ["0"]).status == 0
