"""The doors a process holds open, and when each ends."""

from __future__ import annotations

from fwknopd.firewall.iptables_held import Held, HeldDoors, rules_in
from fwknopd.firewall.iptables_rules import IptablesSettings, rules_of
from fwknopd.grants import Door
from tests.unit.firewall.doors import door

SSH = door("192.0.2.7", "tcp/22")


def held(item: Door, due: float) -> Held:
    return Held(item, rules_of(item, int(due), IptablesSettings()), due)


def test_doors_end_in_order() -> None:
    doors = HeldDoors()
    assert doors.next_due() is None
    for number in (3, 1, 2):
        doors.put(held(door(f"192.0.2.{number}", "tcp/22"), number))
    assert doors.next_due() == 1
    assert doors.due(0.9) == []
    assert [item.due for item in doors.due(2)] == [1, 2]
    # Until they are closed they stay due: a failure must not lose them.
    assert [item.due for item in doors.due(2)] == [1, 2]


def test_a_longer_time_takes_the_place_of_the_first() -> None:
    doors = HeldDoors()
    first, second = held(SSH, 10), held(SSH, 20)
    doors.put(first)
    assert doors.replaced_by(SSH) == [first]
    doors.put(second)
    assert doors.next_due() == 20
    assert list(doors) == [second]
    doors.drop(SSH)
    doors.drop(SSH)
    assert doors.next_due() is None


def test_thousands_of_extensions_cost_no_memory() -> None:
    doors = HeldDoors()
    for due in range(10_000):
        doors.put(held(SSH, due))
    assert doors.next_due() == 9999
    assert len(doors._ends) < 200


def test_a_port_leads_to_one_place() -> None:
    doors = HeldDoors()
    here = held(door("192.0.2.7", "tcp/4000", "10.0.0.9:22"), 10)
    there = held(door("192.0.2.7", "tcp/4000", "10.0.0.8:22"), 10)
    beside = held(door("192.0.2.7", "tcp/4000"), 10)
    for item in (here, beside, there):
        doors.put(item)
    assert list(doors) == [beside, there]
    doors.drop(here.door)
    assert doors.replaced_by(here.door) == [there]
    doors.clear()
    assert (len(doors), doors.next_due(), doors.replaced_by(here.door)) == (0, None, [])


def test_rules_by_family() -> None:
    four, six = held(SSH, 1), held(door("2001:db8::7", "tcp/22"), 1)
    assert rules_in([four, six], 6) == list(six.rules)
