"""Whose connections are cut, when, and what is told of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fwknopd.connections import Cut, NoConnections
from fwknopd.door_list import DoorList, DoorLister, Listed, last_to_close
from fwknopd.firewall import FirewallError, TimedDoor
from fwknopd.grants import Grant
from fwknopd.log_lines import log_lines
from fwknopd.open_doors import Revoked
from fwknopd.past_doors import PastDoors
from tests.unit.connection_table import Table
from tests.unit.firewall.doors import door

from .conftest import PHONE, Knock, Rig, other_client

CUTTER = replace(PHONE, cut_at_expiry=True)
DOOR, NEXT = door("192.0.2.7", "tcp/22"), door("192.0.2.8", "tcp/22")


@pytest.fixture
def table(rig: Rig) -> Table:
    made = Table(look=rig.doors)
    rig.engine.doors.endings.connections = made
    return made


def everybody(grant: Grant) -> bool:
    return True


def lines(rig: Rig) -> list[str]:
    return [text for event in rig.engine.events.recent(100) for _, text in log_lines(event)]


# Revoking


def test_closing_a_door_leaves_its_connections_alone(rig: Rig, knock: Knock, table: Table) -> None:
    rig.engine.handle(knock())
    assert rig.engine.doors.revoke(everybody).cut is None
    assert table.cuts == []
    (told,) = rig.events("revoke")
    assert "cut" not in told


def test_connections_are_cut_once_the_door_is_closed(rig: Rig, knock: Knock, table: Table) -> None:
    rig.engine.handle(knock())
    rig.engine.handle(knock("192.0.2.8,tcp/22"))
    table.by_door = {DOOR: 3, NEXT: 1}
    revoked = rig.engine.doors.revoke(lambda g: g.door == DOOR, "it was lost", cut=True)
    assert (revoked.doors, revoked.cut) == (1, Cut({DOOR: 3}))
    assert table.cuts == [({DOOR}, {NEXT})]
    assert table.doors_then == ["192.0.2.8 tcp/22"]
    (told,) = rig.events("revoke")
    assert told["cut"] == 3
    assert str(told["detail"]).endswith("(it was lost; 3 connections cut)")
    assert lines(rig)[-2:] == [
        "Removed rule from FAKE_CHAIN ahead of its expire time of 1800000030: "
        "access for 192.0.2.7 -> 0.0.0.0/0 tcp/22",
        "Cut 3 connections of access for 192.0.2.7 -> 0.0.0.0/0 tcp/22",
    ]


def test_a_door_that_stays_open_for_another_client_keeps_its_connections(
    rig: Rig, knock: Knock, table: Table
) -> None:
    laptop = other_client()
    rig.use(PHONE, laptop)
    rig.engine.handle(knock())
    rig.engine.handle(knock(keys=laptop.keys))
    table.spared = 2
    revoked = rig.engine.doors.revoke(lambda g: g.client == "phone", cut=True)
    assert table.cuts == [({DOOR}, {DOOR})]
    assert revoked.cut is not None
    assert revoked.cut.spared == 2
    assert "2 connections left alone that may have come in" in str(rig.events("revoke")[0])


def test_what_came_in_by_doors_that_have_closed_since_is_cut_too(
    rig: Rig, knock: Knock, table: Table
) -> None:
    rig.engine.handle(knock())
    rig.clock.advance(31)
    rig.engine.tick()
    table.by_door = {DOOR: 1}
    revoked = rig.engine.doors.revoke(lambda g: g.client == "phone", cut=True)
    assert (revoked.doors, revoked.cut) == (0, Cut({DOOR: 1}))
    assert rig.events("revoke") == []
    (told,) = rig.events("cut")
    assert (told["client"], told["cut"]) == ("phone", 1)
    assert lines(rig)[-1] == "Cut 1 connection of access for 192.0.2.7 -> 0.0.0.0/0 tcp/22"
    # It is done with: nothing is left to be cut again.
    rig.engine.doors.revoke(everybody, cut=True)
    assert len(table.cuts) == 1


def test_what_was_only_closed_can_be_cut_later(rig: Rig, knock: Knock, table: Table) -> None:
    rig.engine.handle(knock())
    rig.engine.doors.revoke(everybody)
    table.by_door = {DOOR: 1}
    assert rig.engine.doors.revoke(everybody, cut=True) == Revoked(0, Cut({DOOR: 1}))


def test_a_past_door_of_another_client_is_not_meant(rig: Rig, knock: Knock, table: Table) -> None:
    rig.engine.handle(knock())
    rig.engine.doors.revoke(everybody)
    rig.engine.doors.revoke(lambda g: g.client == "laptop", cut=True)
    assert table.cuts == []


def test_connections_that_cannot_be_cut_are_told_of_and_the_door_is_closed(
    rig: Rig, knock: Knock, table: Table
) -> None:
    rig.engine.handle(knock())
    table.fault = "a module is missing"
    revoked = rig.engine.doors.revoke(everybody, cut=True)
    assert (revoked.doors, rig.doors()) == (1, [])
    assert revoked.cut == Cut(problem="a module is missing")
    (told,) = rig.events("revoke")
    assert (told["cut"], told["uncut"]) == (0, "connections live on: a module is missing")
    assert lines(rig)[-1].endswith("tcp/22; connections live on: a module is missing")
    # Another attempt is possible when it is there.
    table.fault, table.by_door = "", {DOOR: 1}
    assert rig.engine.doors.revoke(everybody, cut=True).cut == Cut({DOOR: 1})


def test_a_door_that_cannot_be_closed_keeps_its_connections(
    rig: Rig, knock: Knock, table: Table
) -> None:
    rig.engine.handle(knock())
    rig.firewall.refuses = frozenset({"close"})
    with pytest.raises(FirewallError):
        rig.engine.doors.revoke(everybody, cut=True)
    assert table.cuts == []
    assert rig.events("revoke") == []


def test_the_connections_of_one_door_are_told_of_once(rig: Rig, knock: Knock, table: Table) -> None:
    laptop = other_client()
    rig.use(PHONE, laptop)
    rig.engine.handle(knock())
    rig.engine.handle(knock(keys=laptop.keys))
    table.by_door = {DOOR: 2}
    rig.engine.doors.revoke(everybody, cut=True)
    assert [event["cut"] for event in rig.events("revoke")] == [2, 0]


def test_a_client_that_is_let_in_again_is_told_to_the_kernel(
    rig: Rig, knock: Knock, table: Table
) -> None:
    rig.engine.handle(knock())
    assert table.let_in == [DOOR]
    rig.firewall.refuses = frozenset({"open"})
    rig.engine.handle(knock("192.0.2.8,tcp/22"))
    assert table.let_in == [DOOR]


# Expiry


def test_connections_outlive_a_door_that_expires(rig: Rig, knock: Knock, table: Table) -> None:
    rig.engine.handle(knock())
    rig.clock.advance(31)
    rig.engine.tick()
    assert table.cuts == []
    assert "cut" not in rig.events("expire")[0]


def test_a_client_may_ask_for_the_contrary(rig: Rig, knock: Knock, table: Table) -> None:
    rig.use(CUTTER)
    rig.engine.handle(knock())
    table.by_door = {DOOR: 2}
    # A kernel whose clock runs late: the door must be shut before anything is cut.
    rig.firewall.open([TimedDoor(DOOR, 1000)])
    rig.clock.advance(31)
    rig.engine.tick()
    assert table.cuts == [({DOOR}, set())]
    assert table.doors_then == []
    (told,) = rig.events("expire")
    assert told["cut"] == 2
    assert lines(rig)[-1].startswith("Cut 2 connections of access for 192.0.2.7")


def test_it_is_asked_for_at_the_end_too_when_the_doors_are_shut_already(
    rig: Rig, knock: Knock, table: Table
) -> None:
    laptop = other_client()
    rig.use(CUTTER, laptop)
    rig.engine.handle(knock())
    rig.engine.handle(knock("192.0.2.8,tcp/22", keys=laptop.keys))
    table.by_door = {DOOR: 2, NEXT: 1}
    rig.firewall.stop()
    # No program is waited for once more.
    rig.firewall.refuses = frozenset({"open", "close", "read"})
    rig.engine.cut_off()
    assert table.cuts == [({DOOR}, {NEXT})]
    (told,) = rig.events("revoke")
    assert (told["client"], told["cut"]) == ("phone", 2)
    assert "fwknopd ends" in str(told["detail"])


def test_expiry_cuts_nothing_of_a_door_another_client_holds(
    rig: Rig, knock: Knock, table: Table
) -> None:
    laptop = other_client(fw_access_timeout=100)
    rig.use(CUTTER, laptop)
    rig.engine.handle(knock())
    rig.engine.handle(knock(keys=laptop.keys))
    rig.clock.advance(31)
    rig.engine.tick()
    assert table.cuts == [({DOOR}, {DOOR})]
    assert rig.doors() == ["192.0.2.7 tcp/22"]
    # Nor has the other client asked for it.
    rig.clock.advance(70)
    rig.engine.tick()
    assert len(table.cuts) == 1


def test_a_firewall_that_has_lost_the_door_is_no_obstacle(
    rig: Rig, knock: Knock, table: Table
) -> None:
    rig.use(CUTTER)
    rig.engine.handle(knock())
    rig.firewall.refuses = frozenset({"close"})
    rig.clock.advance(31)
    rig.engine.tick()
    assert len(table.cuts) == 1
    assert rig.events("error") == []


# The list


@pytest.fixture
def lister(rig: Rig, table: Table) -> DoorLister:
    return DoorLister(rig.engine.doors, rig.clock)


def shown(listed: DoorList) -> list[tuple[str, int | None]]:
    return [(str(item.grant.door.address), item.connections) for item in listed.open]


def test_the_list_is_what_the_kernel_holds(
    rig: Rig, knock: Knock, table: Table, lister: DoorLister
) -> None:
    rig.engine.handle(knock())
    table.by_door = {DOOR: 2}
    assert shown(lister.list()) == [("192.0.2.7", 2)]
    rig.firewall.open([TimedDoor(NEXT, 20)])
    listed = lister.list()
    assert shown(listed) == [("192.0.2.7", 2), ("192.0.2.8", 0)]
    assert [item.grant.client for item in listed.open] == ["phone", "?"]
    rig.firewall.close([DOOR])
    assert shown(lister.list()) == [("192.0.2.8", 0)]
    assert "somebody closed" in str(rig.events("revoke")[0]["detail"])


def test_a_door_that_somebody_shortened_is_listed_with_its_true_end(
    rig: Rig, knock: Knock, lister: DoorLister
) -> None:
    rig.engine.handle(knock())
    rig.firewall.open([TimedDoor(DOOR, 5)])
    [listed] = lister.list().open
    assert listed.ends == rig.clock.monotonic() + 5


def test_a_door_that_is_about_to_close_is_nobody_elses(
    rig: Rig, knock: Knock, lister: DoorLister
) -> None:
    rig.engine.handle(knock())
    rig.firewall.open([TimedDoor(DOOR, 30.5)])
    rig.clock.advance(30)
    rig.engine.tick()
    assert lister.list().open == ()


def test_past_doors_are_listed_while_somebody_is_connected(
    rig: Rig, knock: Knock, table: Table, lister: DoorLister
) -> None:
    rig.engine.handle(knock())
    table.by_door = {DOOR: 1}
    rig.clock.advance(31)
    rig.engine.tick()
    [past] = lister.list().past
    assert (past.grant.client, past.connections) == ("phone", 1)
    table.by_door = {}
    assert lister.list().past == ()
    lister.list()
    assert table.counts[-1] == set(), "and then it is not asked about again"


def test_what_cannot_be_read_is_said(
    rig: Rig, knock: Knock, table: Table, lister: DoorLister, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.engine.handle(knock())
    rig.engine.handle(knock("192.0.2.8,tcp/22"))
    rig.engine.doors.revoke(lambda g: g.door == NEXT)
    table.fault = "a module is missing"
    listed = lister.list()
    assert shown(listed) == [("192.0.2.7", None)]
    assert (listed.past, listed.uncounted, listed.unread) == ((), "a module is missing", "")

    def refuse() -> list[TimedDoor]:
        raise FirewallError("the table is gone")

    def recover() -> bool:
        broken.undo()
        return True

    with monkeypatch.context() as broken:
        broken.setattr(rig.firewall, "read", refuse)
        assert lister.list().unread == "the table is gone"
        assert shown(lister.list()) == [("192.0.2.7", None)]
        broken.setattr(rig.engine.doors, "recover", recover)
        assert lister.list().unread == "", "the rules were just deleted, and are back"


def test_long_lists_are_not_read_all_the_time(
    rig: Rig, knock: Knock, table: Table, lister: DoorLister, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = rig.firewall.read

    def slowly() -> list[TimedDoor]:
        rig.clock.advance(0.5)
        return read()

    monkeypatch.setattr(rig.firewall, "read", slowly)
    rig.engine.handle(knock())
    assert len(lister.list().open) == 1
    for _ in range(4):
        rig.clock.advance(1)
        rig.engine.handle(knock("192.0.2.8,tcp/22"))
        assert len(lister.list().open) == 2, "what we open ourselves is there at once"
        rig.engine.doors.revoke(lambda g: g.door == NEXT)
        assert len(lister.list().open) == 1
    assert len(table.counts) == 1
    rig.clock.advance(0.5)
    lister.list()
    assert len(table.counts) == 2


# Small parts


def test_of_too_many_doors_those_are_listed_that_stay_open_longest() -> None:
    every = [Listed(Grant(DOOR, "phone", 0, n), n, 0) for n in (5, 9, 1, 7)]
    assert last_to_close(every, 4) is every
    assert [item.ends for item in last_to_close(every, 2)] == [9, 7]
    assert list(last_to_close(every, 0)) == []


def test_no_more_past_doors_are_kept_than_memory_allows() -> None:
    past = PastDoors(limit=3)
    grants = [Grant(door(f"192.0.2.{n}", "tcp/22"), "phone", 0, 30) for n in range(5)]
    past.remember(grants)
    past.remember([grants[2]])
    past.remember([grants[0]])
    assert list(past) == [grants[4], grants[2], grants[0]]
    past.forget([grants[4], grants[1]])
    assert len(past) == 2


def test_where_no_packet_comes_in_there_are_no_connections() -> None:
    none = NoConnections()
    none.opened([DOOR])
    assert none.count([DOOR]).of(DOOR) == 0
    assert (none.cut([DOOR], []), none.problem()) == (Cut(), "")
