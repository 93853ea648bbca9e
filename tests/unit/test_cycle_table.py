"""Open command cycles as state: what is the same cycle, what ends when."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from fwknopd.cycle_table import CycleTable, OpenCycle
from fwknopd.policy.command import Command

HERE = ip_address("192.0.2.7")


def cycle(
    undo: str = "close 192.0.2.7",
    *,
    client: str = "phone",
    owner: str | None = None,
    expires: float = 60.0,
    user: str = "",
) -> OpenCycle:
    words = tuple(undo.encode().split())
    owner = f"keys of {client}" if owner is None else owner
    closing = Command((*words, b"%d" % expires), user, "", 5)
    return OpenCycle(client, HERE, "tcp/22", closing, words, 0.0, expires, owner)


def test_knocking_again_extends_and_never_shortens() -> None:
    table = CycleTable()
    first = table.record(cycle())
    longer = table.record(replace(cycle(expires=90.0), opened=30.0))
    shorter = table.record(replace(cycle(expires=40.0), opened=35.0))
    assert len(table) == 1
    assert (longer.opened, longer.expires) == (0.0, 90.0)
    assert (shorter.opened, shorter.expires) == (0.0, 90.0)
    assert first.id == longer.id == shorter.id
    # What undoes it is what the newest knock says.
    assert shorter.closing.text == "close 192.0.2.7 40"


def test_other_effects_and_other_clients_are_other_cycles() -> None:
    table = CycleTable()
    cycles = [
        cycle(),
        cycle("close 192.0.2.8"),
        cycle(client="laptop"),
        cycle(user="nobody"),
        # Two clients may be called the same.
        cycle(owner="other keys"),
    ]
    for each in cycles:
        table.record(each)
    assert list(table) == cycles
    assert len({each.id for each in cycles}) == len(cycles)


def test_what_ends_when() -> None:
    table = CycleTable()
    assert table.next_expiry() is None
    late, soon = cycle("late", expires=30.0), cycle("soon", expires=10.0)
    table.record(late)
    table.record(soon)
    assert table.next_expiry() == 10.0
    assert table.due(9.9) == []
    assert table.due(10.0) == [soon]
    assert table.due(99.0) == [soon, late]
    table.drop(soon)
    assert list(table) == [late]


def test_a_client_takes_over_what_it_had_open_before_a_restart() -> None:
    table = CycleTable()
    table.adopt([cycle(owner="", expires=50.0), cycle(owner="", client="laptop")])
    assert table.knows(cycle())
    taken = table.record(replace(cycle(expires=90.0), opened=40.0))
    assert [each.owner for each in table] == ["", "keys of phone"]
    assert (taken.opened, taken.expires) == (0.0, 90.0)


def test_the_same_effect_may_be_held_twice() -> None:
    table = CycleTable()
    one, other = cycle(), cycle(client="laptop")
    table.record(one)
    table.record(other)
    table.drop(one)
    assert table.is_held(one)
    table.drop(other)
    assert not table.is_held(one)


def test_no_owner_in_a_repr() -> None:
    assert "keys of" not in repr(cycle())
