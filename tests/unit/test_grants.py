"""Open doors: extended by knocking again, shared, revoked, taken over."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address

import pytest

from fwknopd.grants import UNKNOWN_CLIENT, Door, Grant, GrantTable
from fwknopd.policy.stanza import NatTarget, SourceNat
from fwknopd.spa.request import PortSpec, Protocol


def door(port: int = 22, address: str = "203.0.113.5", nat: NatTarget | None = None) -> Door:
    return Door(ip_address(address), PortSpec(Protocol.TCP, port), nat)


INSIDE = NatTarget(IPv4Address("10.0.0.5"), 22)


def test_a_grant_is_over_when_its_door_is_shut_for_sure() -> None:
    table = GrantTable(0.05)
    grant = table.open(door(), "phone", 30, 100.0)
    assert grant.expires == 130.0
    assert table.next_expiry() == pytest.approx(130.05)
    assert table.expire(130.04) == []
    assert table.expire(130.06) == [grant]


def test_a_grant_lasts_its_lifetime() -> None:
    table = GrantTable()
    grant = table.open(door(), "phone", 30, 100.0)
    assert grant == Grant(door(), "phone", 100.0, 130.0)
    assert table.expire(129.9) == []
    assert table.expire(130.0) == [grant]
    assert len(table) == 0
    assert list(table) == []


def test_knocking_again_extends_and_keeps_the_start() -> None:
    table = GrantTable()
    first = table.open(door(), "phone", 30, 100.0)
    again = table.open(door(), "phone", 30, 120.0)
    assert again == Grant(door(), "phone", 100.0, 150.0)
    assert again.id == first.id
    assert list(table) == [again]
    assert table.expire(130.0) == []
    assert table.expire(150.0) == [again]


def test_knocking_again_never_shortens() -> None:
    table = GrantTable()
    table.open(door(), "phone", 300, 100.0)
    assert table.open(door(), "phone", 10, 110.0).expires == 400.0


def test_knocking_after_the_end_starts_anew() -> None:
    table = GrantTable()
    table.open(door(), "phone", 30, 100.0)
    assert table.open(door(), "phone", 30, 130.0).opened == 130.0


HOST = ip_address("203.0.113.5")
TCP_22, TCP_2222 = PortSpec(Protocol.TCP, 22), PortSpec(Protocol.TCP, 2222)
MASKED = SourceNat()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(
            Door(ip_address("203.0.113.0"), TCP_22, prefix=24),
            Door(HOST, TCP_22, prefix=24),
            id="a network has no host bits",
        ),
        pytest.param(
            Door(HOST, TCP_22, prefix=32), Door(HOST, TCP_22), id="a network of one is an address"
        ),
        pytest.param(
            Door(HOST, TCP_22, NatTarget(IPv4Address("10.0.0.5"), 0)),
            Door(HOST, TCP_22, INSIDE),
            id="an unchanged port is the outside one",
        ),
        pytest.param(
            Door(HOST, None, INSIDE),
            Door(HOST, None, NatTarget(IPv4Address("10.0.0.5"), 0)),
            id="with all ports the target's is the one asked for",
        ),
        pytest.param(
            Door(HOST, TCP_2222, INSIDE, translate=False),
            Door(HOST, TCP_22, INSIDE, translate=False),
            id="what is not translated has the target's port",
        ),
        pytest.param(
            Door(HOST, TCP_2222, INSIDE, local=True, translate=False),
            Door(HOST, TCP_22, destination=IPv4Address("10.0.0.5")),
            id="an untranslated way to the router is a plain access to that address",
        ),
        pytest.param(
            Door(HOST, TCP_22, source_nat=MASKED), Door(HOST, TCP_22), id="nobody is masked here"
        ),
        pytest.param(
            Door(HOST, None, translate=False, source_nat=MASKED, destination=HOST),
            Door(HOST, None, source_nat=MASKED),
            id="without a target nothing is translated and no address of ours named",
        ),
        pytest.param(Door(HOST, TCP_22, local=True), Door(HOST, TCP_22), id="plain is not local"),
    ],
)
def test_doors_that_open_the_same_are_equal(one: Door, other: Door) -> None:
    assert one == other
    assert hash(one) == hash(other)


def test_a_door_to_everybody_is_a_network() -> None:
    assert Door(HOST, TCP_22, prefix=0).who == "0.0.0.0/0"


OTHER_HOST = NatTarget(IPv4Address("10.0.0.6"), 22)


@pytest.mark.parametrize(
    ("one", "other", "rivals"),
    [
        (Door(HOST, TCP_22, INSIDE), Door(HOST, TCP_22, OTHER_HOST), True),
        (Door(HOST, TCP_22, INSIDE), Door(HOST, TCP_22, INSIDE, source_nat=MASKED), True),
        (Door(HOST, TCP_22, INSIDE), Door(HOST, TCP_2222, INSIDE), False),
        (Door(HOST, TCP_22, INSIDE), Door(HOST, TCP_22), False),
        (Door(HOST, TCP_22, INSIDE), Door(HOST, TCP_22, OTHER_HOST, destination=HOST), False),
        (Door(HOST, TCP_22, INSIDE), Door(HOST, TCP_22, OTHER_HOST, prefix=24), False),
        (Door(HOST, TCP_22, INSIDE), Door(HOST, TCP_22, INSIDE, translate=False), False),
        (Door(HOST, None, INSIDE), Door(HOST, None, OTHER_HOST), True),
        (Door(HOST, None), Door(HOST, None, source_nat=MASKED), True),
        (
            Door(HOST, TCP_22, INSIDE, translate=False),
            Door(HOST, TCP_22, OTHER_HOST, translate=False),
            False,
        ),
        (
            Door(HOST, TCP_22, INSIDE, translate=False),
            Door(HOST, TCP_22, INSIDE, translate=False, source_nat=MASKED),
            True,
        ),
        (Door(HOST, TCP_22), Door(HOST, TCP_22, destination=HOST), False),
    ],
)
def test_rivals_want_to_decide_the_same(one: Door, other: Door, rivals: bool) -> None:
    table = GrantTable()
    grant = table.open(one, "phone", 30, 100.0)
    assert table.rivals(one) == []
    assert table.rivals(other) == ([grant] if rivals else [])
    table.drop([grant])
    assert table.rivals(other) == []


def test_a_plan_changes_nothing() -> None:
    table = GrantTable()
    planned = table.plan(door(), "phone", 30, 100.0)
    assert len(table) == 0
    table.record(planned)
    assert list(table) == [planned]


def test_one_door_held_by_two_clients() -> None:
    table = GrantTable()
    phone = table.open(door(), "phone", 30, 100.0)
    laptop = table.open(door(), "laptop", 60, 100.0)
    assert len(table) == 2
    assert table.open_until(door()) == 160.0
    assert table.drop([laptop]) == [laptop]
    assert table.open_until(door()) == 130.0
    assert table.expire(130.0) == [phone]
    assert table.open_until(door()) is None


def test_doors_that_differ_in_one_thing_are_different() -> None:
    table = GrantTable()
    doors = [
        door(),
        door(23),
        door(address="203.0.113.6"),
        door(address="2001:db8::1"),
        door(nat=INSIDE),
        Door(door().address, door().port, INSIDE, local=True),
        Door(door().address, PortSpec(Protocol.UDP, 22)),
    ]
    grants = [table.open(each, "phone", 30, 0.0) for each in doors]
    assert len(table) == len({grant.id for grant in grants}) == len(doors)


def test_ids_are_stable_and_differ_by_client() -> None:
    one = Grant(door(), "phone", 0.0, 30.0)
    assert one.id == Grant(door(), "phone", 7.0, 99.0).id
    assert one.id != Grant(door(), "laptop", 0.0, 30.0).id
    # Another machine, another day, the same id.
    assert one.id == "f67cdbf557"


def test_dropped_grants_are_gone_and_end_no_more() -> None:
    table = GrantTable()
    ssh = table.open(door(22), "phone", 30, 0.0)
    web = table.open(door(80), "phone", 20, 0.0)
    assert table.drop([web]) == [web]
    assert list(table) == [ssh]
    assert table.next_expiry() == 30.0
    assert table.drop(list(table)) == [ssh]
    assert len(table) == 0
    assert table.next_expiry() is None


def test_clients_of_one_name_are_told_apart_by_their_keys() -> None:
    table = GrantTable()
    one = table.plan(door(), "#1", 30, 0.0, owner="aa")
    other = table.plan(door(), "#1", 10, 0.0, owner="bb")
    table.record(one)
    table.record(other)
    assert len(table) == 2
    assert one.id != other.id


def test_next_expiry_follows_every_change() -> None:
    table = GrantTable()
    assert table.next_expiry() is None
    table.open(door(22), "phone", 30, 0.0)
    table.open(door(80), "phone", 10, 0.0)
    assert table.next_expiry() == 10.0
    table.open(door(80), "phone", 50, 0.0)
    assert table.next_expiry() == 30.0
    table.drop(list(table))
    assert table.next_expiry() is None


def test_expired_come_in_the_order_they_ended() -> None:
    table = GrantTable()
    for port, lifetime in ((1, 30), (2, 10), (3, 20)):
        table.open(door(port), "phone", lifetime, 0.0)
    assert [grant.door for grant in table.expire(25.0)] == [door(2), door(3)]


def test_revoked_grants_put_back_expire_as_before() -> None:
    table = GrantTable()
    table.open(door(), "phone", 30, 0.0)
    for grant in table.drop(list(table)):
        table.record(grant)
    assert len(table.expire(30.0)) == 1


def test_doors_found_open_are_adopted_with_their_remaining_time() -> None:
    table = GrantTable()
    known = table.open(door(22), "phone", 30, 100.0)
    adopted = table.restore([(door(22), 5.0), (door(80), 7.0)], 100.0)
    assert adopted == [Grant(door(80), UNKNOWN_CLIENT, 100.0, 107.0)]
    assert list(table) == [known, *adopted]
    assert table.expire(107.0) == adopted


def test_knocking_takes_over_an_adopted_door() -> None:
    table = GrantTable()
    table.restore([(door(), 200.0)], 100.0)
    taken = table.open(door(), "phone", 30, 110.0)
    assert list(table) == [taken]
    assert (taken.client, taken.expires) == ("phone", 300.0)


def test_knocking_for_months_does_not_grow() -> None:
    table = GrantTable()
    for second in range(20_000):
        table.open(door(), "phone", 300, float(second))
    assert len(table) == 1
    assert table.next_expiry() == 20_299.0
    assert len(table.expire(1e9)) == 1


@pytest.mark.parametrize("client", ["a\0b", "é", "\udcff", ""])
def test_any_client_name_has_an_id(client: str) -> None:
    assert len(Grant(door(), client, 0.0, 1.0).id) == 10
