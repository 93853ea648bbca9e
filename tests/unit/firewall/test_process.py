"""A program that does not finish: it is stopped, and others get on with their work."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fwknopd.firewall import FirewallBarred, FirewallStuck, process
from fwknopd.firewall.process import find_program, run_anew, run_program
from fwknopd.spawning import Child

LIMIT = 0.3
SLEEP = find_program("sleep") or "sleep"
WORDS = r"sleep did not finish within 0\.3 seconds"


class Clock:
    """Stands still but when a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    made = Clock()
    monkeypatch.setattr(process, "monotonic", made)
    run_anew()
    yield made
    run_anew()


def hang() -> None:
    with pytest.raises(FirewallStuck, match=WORDS):
        run_program(SLEEP, ["60"], time_limit=LIMIT)


@pytest.mark.parametrize("program", ["sleep", "true"])
def test_neither_it_nor_another_is_waited_for_at_once_and_the_reason_is_the_same(
    clock: Clock, program: str
) -> None:
    """iptables is four programs, and what one waits for the others wait for, too."""
    hang()
    clock.now += LIMIT - 0.01
    with pytest.raises(FirewallBarred, match=WORDS):
        run_program(find_program(program) or program, ["60"], time_limit=LIMIT)


def test_it_is_run_again_after_as_long_as_it_took(clock: Clock) -> None:
    hang()
    clock.now += LIMIT
    assert run_program(SLEEP, ["0"]).status == 0
    assert run_program(SLEEP, ["0"]).status == 0


def test_what_could_not_be_killed_at_once_counts_with_all_the_time_it_took(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    reap = Child.reap

    def slowly(child: Child) -> int:
        clock.now += 7
        return reap(child)

    with monkeypatch.context() as patched:
        patched.setattr(Child, "reap", slowly)
        hang()
    clock.now += 6.9
    with pytest.raises(FirewallBarred):
        run_program(SLEEP, ["0"])
    clock.now += 0.2
    assert run_program(SLEEP, ["0"]).status == 0


def test_whoever_ends_runs_it_all_the_same() -> None:
    hang()
    run_anew()
    assert run_program(SLEEP, ["0"]).status == 0
