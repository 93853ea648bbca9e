"""Whose the doors of an earlier process are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fwknopd.adopting import SLACK, adopted
from fwknopd.firewall import TimedDoor
from fwknopd.grants import UNKNOWN_CLIENT, Door, Grant
from fwknopd.owner_format import Kept, check_of, key_of
from fwknopd.policy.stanza import Stanza
from tests.unit.firewall.doors import door

from .conftest import PHONE, Knock, Rig, make_rig, other_client

NOW = 500.0
SSH = door("192.0.2.7", "tcp/22")
LAPTOP = other_client()


def kept(stanza: Stanza = PHONE, seconds: float = 30.0, item: Door = SSH) -> Kept:
    check = check_of(stanza.identity)
    return Kept(key_of(item), stanza.label, check, NOW - 5, NOW + seconds, True)


def taken(seconds: float, *left: Kept) -> dict[str, Grant]:
    """By client, the grants of a door that the kernel has for so many seconds."""
    grants = adopted([TimedDoor(SSH, seconds)], left, (PHONE, LAPTOP), NOW)
    return {grant.client: grant for grant in grants}


def test_a_door_is_whose_it_was() -> None:
    grant = taken(30.0, kept())["phone"]
    assert grant == Grant(SSH, "phone", NOW - 5, NOW + 30, PHONE.identity, True)


def test_a_shared_door_is_both_clients_and_each_keeps_its_time() -> None:
    found = taken(30.0, kept(), kept(LAPTOP, 10.0))
    assert {c: g.expires - NOW for c, g in found.items()} == {"phone": 30.0, "laptop": 10.0}


def test_a_door_nobody_noted_is_nobodys() -> None:
    other = door("192.0.2.8", "tcp/22")
    assert list(taken(30.0, kept(item=other))) == [UNKNOWN_CLIENT]


def test_whole_seconds_make_no_difference() -> None:
    found = taken(30.0 - SLACK / 2, kept())
    assert {c: g.expires - NOW for c, g in found.items()} == {"phone": 29.0}


def test_a_door_that_was_closed_and_made_anew_is_nobodys() -> None:
    assert list(taken(10.0, kept())) == [UNKNOWN_CLIENT]


def test_time_that_somebody_else_added_is_nobodys() -> None:
    found = taken(90.0, kept())
    assert {c: g.expires - NOW for c, g in found.items()} == {"phone": 30.0, UNKNOWN_CLIENT: 90.0}


def test_a_client_with_another_name_is_known_by_its_keys() -> None:
    renamed = kept(replace(PHONE, name="telephone"))
    assert taken(30.0, renamed)["telephone"].owner == PHONE.identity


@pytest.mark.parametrize("gone", [replace(PHONE, keys=other_client().keys, gpg=None), PHONE])
def test_a_client_that_is_gone_owns_its_door_but_is_no_client(gone: Stanza) -> None:
    grants = adopted([TimedDoor(SSH, 30.0)], [kept(gone)], (), NOW)
    (owner,) = (grant.owner for grant in grants)
    assert owner == f"gone {check_of(gone.identity)}"


class Remembering:
    """What an earlier process has noted, and what this one notes."""

    def __init__(self) -> None:
        self.noted: dict[tuple[str, str], Kept] = {}

    def left(self) -> list[Kept]:
        return list(self.noted.values())

    def opened(self, grants: object, every: object) -> None:
        self.keep(every)

    ended = opened

    def keep(self, every: object) -> None:
        assert isinstance(every, type(make_rig().engine.doors.table))
        notes = [
            Kept(key_of(g.door), g.client, check_of(g.owner), g.opened, g.expires)
            for g in every
            if g.client != UNKNOWN_CLIENT
        ]
        self.noted = {(note.door, note.client): note for note in notes}


def test_what_is_noted_follows_every_change(rig: Rig, knock: Knock) -> None:
    memory = rig.engine.doors._owners = Remembering()
    laptop = other_client()
    rig.use(PHONE, laptop)
    rig.engine.handle(knock())
    rig.engine.handle(knock(keys=laptop.keys))
    rig.engine.handle(knock("192.0.2.8,tcp/22"))
    assert sorted(client for _, client in memory.noted) == ["laptop", "phone", "phone"]
    rig.engine.doors.revoke(lambda grant: grant.client == "laptop")
    assert {client for _, client in memory.noted} == {"phone"}
    rig.firewall.close([door("192.0.2.8", "tcp/22")])
    rig.engine.doors.reconcile()
    assert list(memory.noted) == [(key_of(SSH), "phone")]
    # Another process finds it all.
    rig.engine.doors.table.drop(list(rig.engine.doors.table))
    assert rig.engine.doors.adopt((PHONE, laptop)) == 1
    (grant,) = rig.engine.doors.table
    assert (grant.client, grant.owner) == ("phone", PHONE.identity)


def test_no_door_is_taken_over_for_longer_than_any_client_may_have_one(rig: Rig) -> None:
    """A clock that was set back makes the rules of iptables last longer."""
    most = PHONE.max_fw_timeout
    rig.firewall.open([TimedDoor(SSH, 5 * 3600), TimedDoor(door("192.0.2.8", "tcp/22"), most)])
    assert rig.engine.doors.adopt((PHONE, LAPTOP)) == 2
    assert [timed.seconds for timed in rig.firewall.read()] == [most, most]
    assert {grant.expires - rig.clock.monotonic() for grant in rig.engine.doors.table} == {most}
