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


def hang(*, only_looks: bool = False) -> None:
    with pytest.raises(FirewallStuck, match=WORDS):
        run_program(SLEEP, ["60"], time_limit=LIMIT, only_looks=only_looks)


def takes_time(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that hangs takes its time limit, and any other none."""

    def has_ended(child: Child, time_limit: float = 0.0) -> bool:
        ended = waits(child, time_limit)
        clock.now += 0 if ended else time_limit
        return ended

    waits = Child.has_ended
    monkeypatch.setattr(Child, "has_ended", has_ended)


@pytest.mark.parametrize("program", ["sleep", "true"])
def test_neither_it_nor_another_is_waited_for_at_once_and_the_reason_is_the_same(
    clock: Clock, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """iptables is four programs, and what one waits for the others wait for, too."""
    takes_time(clock, monkeypatch)
    hang()
    clock.now += LIMIT - 0.01
    with pytest.raises(FirewallBarred, match=WORDS):
        run_program(find_program(program) or program, ["60"], time_limit=LIMIT)


def test_it_is_run_again_after_as_long_as_it_took(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    takes_time(clock, monkeypatch)
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


def test_a_look_that_hangs_keeps_no_change_away(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    takes_time(clock, monkeypatch)
    hang(only_looks=True)
    assert run_program(SLEEP, ["0"]).status == 0
    with pytest.raises(FirewallBarred, match=WORDS):
        run_program(SLEEP, ["0"], only_looks=True)
    clock.now += LIMIT
    assert run_program(SLEEP, ["0"], only_looks=True).status == 0


def test_both_together_take_half_of_the_time(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    takes_time(clock, monkeypatch)
    began = clock.now
    hang(only_looks=True)
    hang()
    # Both are kept away until as much time has passed as both took.
    clock.now = began + 4 * LIMIT - 0.01
    for only_looks in (True, False):
        with pytest.raises(FirewallBarred):
            run_program(SLEEP, ["0"], only_looks=only_looks)
    clock.now += 0.02
    assert run_program(SLEEP, ["0"]).status == 0
    # And that is settled.
    hang()
    clock.now += LIMIT + 0.01
    assert run_program(SLEEP, ["0"]).status == 0


def test_whoever_ends_runs_it_all_the_same() -> None:
    hang()
    run_anew()
    assert run_program(SLEEP, ["0"]).status == 0
