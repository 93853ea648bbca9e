"""What people and pages are told, and what they can do, over the control socket's verbs."""

from __future__ import annotations

import os

import pytest

from fwknopd.control.protocol import VerbError, encode_result
from fwknopd.firewall import TimedDoor
from fwknopd.first_knock import FirstKnock
from fwknopd.replay import LIMIT
from tests.unit.connection_table import Table
from tests.unit.firewall.doors import door
from tests.unit.service.configs import LAPTOP, stanza
from tests.unit.service.doubles import NOW
from tests.unit.service.rig import Rig


def test_a_first_knock_is_the_first_only_once(rig: Rig) -> None:
    rig.start()
    # What stands for another run of the daemon.
    for ran_before in (False, True):
        rig.service.first_knock = FirstKnock(rig.folder / "knocked")
        assert rig.ask("status")["knocked_before"] is ran_before
        rig.knock()
        assert rig.ask("status")["knocked_before"] is ran_before
        assert rig.ask("status")["knocked_before"] is ran_before, "asking doesn't make it so"
    assert (rig.folder / "knocked").stat().st_mode & 0o777 == 0o600
    assert not (rig.folder / "knocked").read_bytes()


def test_status_tells_how_it_is(rig: Rig) -> None:
    rig.start()
    rig.clock.advance(7)
    rig.knock()
    status = rig.ask("status")
    assert encode_result(status)
    assert (status["pid"], status["uptime"], status["time"]) == (os.getpid(), 7, NOW + 7)
    assert status["configuration"]["source"] == "files"
    assert status["configuration"]["loaded_at"] == NOW
    assert status["configuration"]["problems"] == []
    assert status["ready"] is status["firewall"]["ready"] is True
    assert status["firewall"]["devices"] == ["eth1"]
    assert status["counters"] == {"accepted": 1}
    assert (status["clients"], status["grants"]) == (1, 1)
    assert status["replay"] == {"entries": 1, "limit": LIMIT, "full": False}
    assert status["clock"] == {"ok": True, "detail": ""}
    assert status["captures"] == [
        {
            "name": "eth1",
            "kind": "pcap",
            "state": "capturing",
            "detail": "",
            "received": 1,
            "dropped": 0,
            "since": NOW,
        }
    ]


def test_warnings_of_the_files_are_in_status_and_events(rig: Rig) -> None:
    rig.conf("PCAP_INTF eth1;\nENABLE_DIGEST_PERSISTENCE N;\n")
    rig.start()
    [problem] = rig.ask("status")["configuration"]["problems"]
    assert (problem["severity"], problem["line"]) == ("warning", 2)
    assert any("ENABLE_DIGEST_PERSISTENCE" in text for text in rig.events("reload"))


def test_why_nothing_is_captured_is_in_status(rig: Rig) -> None:
    rig.conf("PCAP_INTF later0;\n")
    rig.start()
    rig.pass_time(3)
    row = rig.capture("later0")
    assert row["detail"].startswith("there is no network device later0")
    assert row["since"] == NOW, "it has waited since the start"


def test_grants_have_their_times(rig: Rig) -> None:
    rig.start()
    rig.knock()
    rig.clock.advance(10)
    answer = rig.ask("grants")
    assert answer["now"] == NOW + 10
    [grant] = answer["grants"]
    assert (grant["address"], grant["port"], grant["nat"]) == ("192.0.2.7", "tcp/22", None)
    assert (grant["opened"], grant["expires"]) == (NOW, NOW + 30)


def test_doors_close_on_time_and_that_is_told(rig: Rig) -> None:
    rig.start()
    rig.knock()
    rig.settle()
    assert rig.loop.timeouts[-1] == 30, "the loop sleeps until the first door closes"
    rig.pass_time(30)
    assert rig.doors() == []
    assert rig.ask("grants")["grants"] == []
    assert len(rig.events("expire")) == 1


def with_two_doors(rig: Rig) -> list[str]:
    """Open a door each for two clients; their grants' ids."""
    rig.access(stanza(), stanza(LAPTOP))
    rig.start()
    rig.knock(message="192.0.2.7,tcp/22")
    rig.knock(message="192.0.2.8,tcp/22", keys=LAPTOP)
    return [grant["id"] for grant in rig.ask("grants")["grants"]]


@pytest.mark.parametrize("argument", ["id", "client", "address"])
def test_revoke_closes_what_is_named_and_nothing_else(rig: Rig, argument: str) -> None:
    first, _ = with_two_doors(rig)
    named = {"id": first, "client": "#1", "address": "192.0.2.7"}[argument]
    assert rig.ask("revoke", **{argument: named})["revoked"] == 1
    assert rig.doors() == ["192.0.2.8 tcp/22"]
    assert [g["address"] for g in rig.ask("grants")["grants"]] == ["192.0.2.8"]
    [told] = rig.events("revoke")
    assert "192.0.2.7" in told


def test_revoke_all(rig: Rig) -> None:
    with_two_doors(rig)
    assert rig.ask("revoke", all=True)["revoked"] == 2
    assert rig.doors() == []


def test_revoking_what_is_not_there_says_so(rig: Rig) -> None:
    with_two_doors(rig)
    assert rig.ask("revoke", client="nobody")["revoked"] == 0
    assert len(rig.doors()) == 2
    with pytest.raises(VerbError, match="needs an id"):
        rig.ask("revoke", address="nonsense")


def test_connections_are_cut_only_when_that_is_asked_for(rig: Rig) -> None:
    first, _ = with_two_doors(rig)
    phone = door("192.0.2.7", "tcp/22")
    rig.service.engine.doors.endings.connections = table = Table({phone: 2}, spared=1)
    [grant] = [g for g in rig.ask("grants")["grants"] if g["id"] == first]
    assert grant["connections"] == 2
    assert rig.ask("revoke", id=first) == {"revoked": 1, "cut": None, "spared": 0, "uncut": ""}
    [past] = rig.ask("grants")["past"]
    assert (past["id"], past["connections"]) == (first, 2)
    assert rig.ask("revoke", id=first, cut=True) == {
        "revoked": 0,
        "cut": 2,
        "spared": 1,
        "uncut": "",
    }
    assert len(table.cuts) == 1


def test_a_long_list_says_how_much_of_it_is_missing(rig: Rig) -> None:
    with_two_doors(rig)
    answer = rig.ask("grants", limit=1)
    assert (answer["open"], len(answer["grants"])) == (2, 1)
    assert len(rig.ask("grants")["grants"]) == 2


def test_what_cannot_be_told_of_connections_is_said(rig: Rig) -> None:
    first, _ = with_two_doors(rig)
    rig.service.engine.doors.endings.connections = Table(fault="a module is missing")
    answer = rig.ask("grants")
    assert {grant["connections"] for grant in answer["grants"]} == {None}
    assert (answer["uncounted"], answer["unread"]) == ("a module is missing", "")
    assert rig.ask("status")["connections"] == {"known": False, "detail": "a module is missing"}
    assert rig.ask("revoke", id=first, cut=True)["uncut"] == "a module is missing"
    assert len(rig.doors()) == 1


def test_a_firewall_that_does_not_close_is_an_error(rig: Rig) -> None:
    with_two_doors(rig)
    rig.firewall.refuses = frozenset({"close"})
    with pytest.raises(VerbError, match="did not close") as raised:
        rig.ask("revoke", all=True)
    assert raised.value.code == "firewall"
    assert rig.ask("status")["grants"] == 2


def test_events_after_a_known_one(rig: Rig) -> None:
    rig.start()
    last = rig.ask("events")["last"]
    rig.knock()
    answer = rig.ask("events", after=last)
    assert [event["event"] for event in answer["events"]] == ["verdict", "grant"]
    assert [event["event"] for event in rig.ask("events", limit=1)["events"]] == ["grant"]
    assert answer["last"] == last + 2


def test_a_door_without_owner_goes_with_whichever_client_is_revoked(rig: Rig) -> None:
    with_two_doors(rig)
    rig.firewall.open([TimedDoor(door("203.0.113.9", "tcp/22"), 20.0)])
    rig.service.engine.doors.adopt()
    answer = rig.ask("revoke", client="nobody")
    assert answer["revoked"] == 1
    assert [grant["client"] for grant in rig.ask("grants")["grants"]] == ["#1", "#2"]


def test_a_client_without_name_is_found_by_its_number(rig: Rig) -> None:
    with_two_doors(rig)
    assert rig.ask("revoke", client="2")["revoked"] == 1
    assert [grant["client"] for grant in rig.ask("grants")["grants"]] == ["#1"]
