"""Grant table and firewall stay in agreement, whatever fails or is done by others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fwknopd.firewall import FirewallBarred, FirewallError, FirewallStuck, TimedDoor
from fwknopd.policy.packet import Packet
from fwknopd.spa.message import MessageType

from .conftest import PHONE, Knock, Rig, other_client

INSIDE = replace(PHONE, open_ports=None)


def forward(knock: Knock, target: str) -> Packet:
    return knock("192.0.2.7,tcp/2222", message_type=MessageType.NAT_ACCESS, nat=target)


def listed(rig: Rig) -> list[str]:
    return [str(grant.door.nat or grant.door.port) for grant in rig.engine.doors.table]


def test_a_port_leads_where_the_newest_knock_says(rig: Rig, knock: Knock) -> None:
    rig.use(INSIDE)
    rig.engine.handle(forward(knock, "192.168.1.5,22"))
    rig.engine.handle(forward(knock, "192.168.1.6,22"))
    assert listed(rig) == ["192.168.1.6:22"]
    assert [str(timed.door.nat) for timed in rig.firewall.read()] == ["192.168.1.6:22"]
    (revoked,) = rig.events("revoke")
    assert "192.168.1.5:22" in str(revoked["detail"])
    assert "elsewhere" in str(revoked["detail"])


def test_a_door_stays_when_the_one_in_its_place_is_refused(rig: Rig, knock: Knock) -> None:
    rig.use(INSIDE)
    rig.engine.handle(forward(knock, "192.168.1.5,22"))
    rig.firewall.refuses = frozenset({"open"})
    rig.engine.handle(forward(knock, "192.168.1.6,22"))
    assert listed(rig) == ["192.168.1.5:22"]
    assert [str(timed.door.nat) for timed in rig.firewall.read()] == ["192.168.1.5:22"]
    assert rig.events("revoke") == []
    assert rig.events("verdict")[-1]["reason"] == "firewall-error"


def test_what_is_left_of_a_door_whose_port_leads_elsewhere_stops_nobody(
    rig: Rig, knock: Knock
) -> None:
    rig.use(INSIDE)
    rig.engine.handle(forward(knock, "192.168.1.5,22"))
    rig.firewall.refuses = frozenset({"close"})
    rig.engine.handle(forward(knock, "192.168.1.6,22"))
    assert listed(rig) == ["192.168.1.6:22"]
    assert len(rig.events("revoke")) == 1


def test_rules_that_took_long_to_make_give_no_door_extra_time(rig: Rig, knock: Knock) -> None:
    rig.engine.handle(knock())
    rig.firewall.takes = 9.0
    rig.engine.doors.restore(("eth1",))
    (timed,) = rig.firewall.read()
    assert timed.seconds == pytest.approx(21)


def test_a_grant_that_ends_while_rules_are_made_is_told_and_not_opened(
    rig: Rig, knock: Knock
) -> None:
    rig.engine.handle(knock())
    rig.firewall.takes = 31.0
    assert rig.engine.doors.restore(("eth1",)) == 0
    assert rig.doors() == []
    assert len(rig.events("expire")) == 1


@pytest.mark.parametrize("fault", [FirewallBarred, FirewallStuck])
def test_nobody_looks_for_lost_rules_where_that_would_wait_as_long(
    rig: Rig, knock: Knock, monkeypatch: pytest.MonkeyPatch, fault: type[FirewallError]
) -> None:
    def refuse(*_: object) -> None:
        raise fault("iptables-restore did not finish")

    def look() -> bool:
        looks.append(rig.clock.monotonic())
        return False

    looks: list[float] = []
    rig.engine.handle(knock())
    monkeypatch.setattr(rig.engine.doors, "recover", look)
    for name in ("open", "close", "read"):
        monkeypatch.setattr(rig.firewall, name, refuse)
    rig.engine.handle(knock("192.0.2.8,tcp/22"))
    with pytest.raises(fault):
        rig.engine.doors.revoke(lambda _: True)
    with pytest.raises(fault):
        rig.engine.doors.reconcile()
    assert looks == []
    assert listed(rig) == ["tcp/22"]


def test_a_door_somebody_else_closed_is_not_listed(rig: Rig, knock: Knock) -> None:
    rig.engine.handle(knock())
    rig.clock.advance(3)
    (door,) = (timed.door for timed in rig.firewall.read())
    rig.firewall.close([door])
    rig.engine.doors.reconcile()
    assert listed(rig) == []
    assert "somebody closed" in str(rig.events("revoke")[0]["detail"])


def test_a_door_at_its_end_is_left_to_expire(rig: Rig, knock: Knock) -> None:
    rig.engine.handle(knock())
    rig.clock.advance(29.5)
    (door,) = (timed.door for timed in rig.firewall.read())
    rig.firewall.close([door])
    rig.engine.doors.reconcile()
    assert listed(rig) == ["tcp/22"]


def test_an_entry_without_an_end_is_closed_and_never_adopted(rig: Rig, knock: Knock) -> None:
    rig.engine.handle(knock())
    (door,) = (timed.door for timed in rig.firewall.read())
    rig.engine.doors.table.drop(list(rig.engine.doors.table))
    rig.firewall.open([TimedDoor(door, float("inf"))])
    assert rig.engine.doors.adopt() == 0
    assert rig.doors() == []
    assert listed(rig) == []


def test_revoking_again_after_the_rules_were_deleted(rig: Rig, knock: Knock) -> None:
    rig.engine.handle(knock())
    rig.engine.handle(knock("192.0.2.8,tcp/22"))
    rig.firewall.delete_rules()
    rig.engine.doors.recover = lambda: rig.engine.doors.restore(("eth1",)) > 0
    assert rig.engine.doors.revoke(lambda grant: str(grant.door.address) == "192.0.2.7").doors == 1
    assert rig.doors() == ["192.0.2.8 tcp/22"]


def test_a_shared_door_that_cannot_be_shortened_changes_nothing(rig: Rig, knock: Knock) -> None:
    laptop = other_client(fw_access_timeout=5)
    rig.use(PHONE, laptop)
    rig.engine.handle(knock())
    rig.engine.handle(knock(keys=laptop.keys))
    rig.firewall.refuses = frozenset({"open"})
    with pytest.raises(FirewallError):
        rig.engine.doors.revoke(lambda grant: grant.client == "phone")
    assert len(rig.engine.doors.table) == 2
    assert rig.events("revoke") == []


def test_clients_are_told_apart_by_their_keys_not_their_names(rig: Rig, knock: Knock) -> None:
    namesake = replace(other_client(), name="phone")
    rig.use(PHONE, namesake)
    rig.engine.handle(knock())
    rig.engine.handle(knock(keys=namesake.keys))
    assert len({grant.id for grant in rig.engine.doors.table}) == 2
