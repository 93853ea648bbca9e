"""What a knock sets in motion, and what people are told of it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from fwknopd.firewall import FirewallError
from fwknopd.policy.packet import Packet
from fwknopd.policy.schedule import HourRange, Schedule, local_time
from fwknopd.policy.verdict import Reason, Refusal
from fwknopd.reporting import LISTED_PER_MINUTE
from fwknopd.spa.message import MessageType
from fwknopd.spa.packet import SpaKeys

from .conftest import NOW, PHONE, Knock, Rig, other_client


def test_a_knock_opens_its_door_and_says_so(rig: Rig, knock: Knock) -> None:
    rig.engine.handle(knock())
    assert rig.doors() == ["192.0.2.7 tcp/22"]
    (verdict,) = rig.events("verdict")
    assert verdict["verdict"] == "accept"
    assert verdict["client"] == "phone"
    assert verdict["request"] == "192.0.2.7,tcp/22"
    (grant,) = rig.events("grant")
    assert grant["expires"] == NOW + 30
    assert "access rule for 192.0.2.7 -> 0.0.0.0/0 tcp/22, expires at" in str(grant["detail"])


def test_an_accepted_packet_is_remembered_before_its_door_opens(rig: Rig, knock: Knock) -> None:
    rig.firewall.refuses = frozenset({"open"})
    rig.engine.handle(knock())
    assert [entry.client for entry in rig.remembered] == ["phone"]


@pytest.mark.parametrize("test", [False, True])
def test_a_log_only_client_is_told_of_and_let_in_nowhere(
    rig: Rig, knock: Knock, test: bool
) -> None:
    rig.use(replace(PHONE, log_only=True), test=test)
    packet = knock()
    rig.engine.handle(packet)
    assert rig.doors() == []
    assert rig.events("grant") == []
    (verdict,) = rig.events("verdict")
    assert (verdict["verdict"], verdict["reason"]) == ("accept", "log-only")
    assert verdict["detail"] == (
        "nothing is done (log_only); otherwise it opens tcp/22 for 192.0.2.7, for 30 s"
    )
    assert rig.engine.events.counters == {"log-only": 1}
    assert [entry.client for entry in rig.remembered] == ([] if test else ["phone"])
    rig.engine.handle(knock("192.0.2.7,tcp/80"))
    assert rig.events("verdict")[-1]["reason"] == "port-not-allowed"


def test_nothing_is_looked_up_or_run_for_a_log_only_client(rig: Rig, knock: Knock) -> None:
    rig.use(replace(PHONE, log_only=True, enable_cmd_exec=True))
    rig.engine.handle(knock(message_type=MessageType.NAT_ACCESS, nat="printer,9100"))
    assert rig.names.asked == []
    rig.engine.handle(knock("192.0.2.7,id -u", message_type=MessageType.COMMAND))
    named, command = (str(verdict["detail"]) for verdict in rig.events("verdict"))
    assert "opens tcp/22 to printer for 192.0.2.7" in named
    assert "otherwise it runs 'id' '-u'" in command
    assert rig.runner.begun == []


def test_hours_are_those_of_the_routers_wall_clock(rig: Rig, knock: Knock) -> None:
    here = local_time(NOW, rig.clock.utc_offset(NOW))
    hour = HourRange(here.minute, here.minute + 60)
    rig.use(replace(PHONE, schedule=Schedule((hour,))))
    rig.engine.handle(knock())
    rig.clock.advance(3600)
    rig.engine.handle(knock())
    assert [verdict["reason"] for verdict in rig.events("verdict")] == [
        "accepted",
        "outside-hours",
    ]


def test_a_replay_opens_nothing_and_names_the_client(rig: Rig, knock: Knock) -> None:
    packet = knock()
    rig.engine.handle(packet)
    rig.clock.advance(31)
    rig.engine.tick()
    verdict = rig.engine.handle(packet)
    assert isinstance(verdict, Refusal)
    assert rig.events("verdict")[-1]["reason"] == "replay"
    assert rig.events("verdict")[-1]["client"] == "phone"
    assert len(rig.events("grant")) == 1


def test_a_door_the_firewall_refuses_is_never_reported_open(rig: Rig, knock: Knock) -> None:
    rig.firewall.refuses = frozenset({"open"})
    rig.engine.handle(knock())
    assert rig.doors() == []
    assert len(rig.engine.doors.table) == 0
    (verdict,) = rig.events("verdict")
    assert (verdict["verdict"], verdict["reason"]) == ("refuse", "firewall-error")
    assert "the kernel refused" in str(verdict["detail"])
    assert rig.events("grant") == []


def test_knocking_again_extends_and_never_stacks(rig: Rig, knock: Knock) -> None:
    rig.engine.handle(knock())
    rig.clock.advance(20)
    rig.engine.handle(knock())
    assert len(rig.engine.doors.table) == 1
    (door,) = rig.firewall.read()
    assert door.seconds == pytest.approx(30)


def test_one_client_never_shortens_the_door_of_another(rig: Rig, knock: Knock) -> None:
    laptop = other_client(fw_access_timeout=5)
    rig.use(PHONE, laptop)
    rig.engine.handle(knock())
    rig.engine.handle(knock(keys=laptop.keys))
    (door,) = rig.firewall.read()
    assert door.seconds == pytest.approx(30)


def test_expiry_is_reported_once_the_time_is_over(rig: Rig, knock: Knock) -> None:
    rig.engine.handle(knock())
    assert rig.engine.next_due() == rig.clock.monotonic() + 30
    rig.clock.advance(30)
    rig.engine.tick()
    rig.engine.tick()
    assert [event["client"] for event in rig.events("expire")] == ["phone"]
    assert rig.engine.next_due() is None


def test_a_step_of_the_wall_clock_moves_no_door(rig: Rig, knock: Knock) -> None:
    rig.engine.handle(knock())
    rig.clock.wall += 3600
    rig.engine.tick()
    assert rig.events("expire") == []


def test_revoking_closes_now(rig: Rig, knock: Knock) -> None:
    rig.engine.handle(knock())
    assert rig.engine.doors.revoke(lambda grant: grant.client == "phone").doors == 1
    assert rig.doors() == []
    assert [event["client"] for event in rig.events("revoke")] == ["phone"]


def test_revoking_one_client_leaves_the_door_to_the_other_until_its_time(
    rig: Rig, knock: Knock
) -> None:
    laptop = other_client(fw_access_timeout=5)
    rig.use(PHONE, laptop)
    rig.engine.handle(knock())
    rig.engine.handle(knock(keys=laptop.keys))
    rig.engine.doors.revoke(lambda grant: grant.client == "phone")
    (door,) = rig.firewall.read()
    assert door.seconds == pytest.approx(5)


def test_a_failed_revoke_keeps_the_grant_on_the_list(rig: Rig, knock: Knock) -> None:
    rig.engine.handle(knock())
    rig.firewall.refuses = frozenset({"close"})
    with pytest.raises(FirewallError):
        rig.engine.doors.revoke(lambda grant: True)
    assert len(rig.engine.doors.table) == 1
    assert rig.events("revoke") == []


def test_junk_is_counted_and_summed_up_once_a_minute(rig: Rig, knock: Knock) -> None:
    stranger = SpaKeys(b"s" * 32, b"t" * 64)
    for _ in range(50):
        rig.engine.handle(knock(keys=stranger))
    assert rig.events("verdict") == []
    assert rig.engine.events.counters[Reason.NO_CLIENT_MATCHED] == 50
    rig.clock.advance(60)
    rig.engine.tick()
    (sum_up,) = rig.events("rejected")
    assert (sum_up["reason"], sum_up["count"]) == ("no-client-matched", 50)
    assert rig.engine.next_due() is None


def test_a_flood_of_one_recorded_knock_fills_neither_log_nor_ring(rig: Rig, knock: Knock) -> None:
    packet = knock()
    for _ in range(500):
        rig.engine.handle(packet)
    assert len(rig.events("verdict")) == 1 + LISTED_PER_MINUTE
    rig.clock.advance(60)
    rig.engine.tick()
    (sum_up,) = rig.events("rejected")
    assert (sum_up["reason"], sum_up["count"]) == ("replay", 499 - LISTED_PER_MINUTE)
    rig.engine.handle(packet)
    assert rig.events("verdict")[-1]["reason"] == "replay"
    assert len(rig.events("verdict")) == 2 + LISTED_PER_MINUTE


def test_a_capture_file_gets_an_event_for_every_packet(rig: Rig, knock: Knock) -> None:
    rig.use(PHONE, list_rejected=True)
    rig.engine.handle(knock(keys=SpaKeys(b"s" * 32, b"t" * 64)))
    assert [event["reason"] for event in rig.events("verdict")] == ["no-client-matched"]


def test_test_mode_judges_and_touches_nothing(rig: Rig, knock: Knock) -> None:
    rig.use(PHONE, test=True)
    rig.engine.handle(knock())
    assert rig.doors() == []
    (verdict,) = rig.events("verdict")
    assert (verdict["verdict"], verdict["reason"]) == ("accept", "accepted")
    assert "test mode" in str(verdict["detail"])


def test_forwarding_is_reported_with_its_target(rig: Rig, knock: Knock) -> None:
    rig.use(replace(PHONE, open_ports=None))
    rig.engine.handle(
        knock("192.0.2.7,tcp/2222", message_type=MessageType.NAT_ACCESS, nat="192.168.1.5,22")
    )
    (grant,) = rig.events("grant")
    assert "DNAT rule for 192.0.2.7 -> 192.168.1.5:22 tcp/2222" in str(grant["detail"])


def test_new_settings_leave_open_doors_and_used_packets_alone(rig: Rig, knock: Knock) -> None:
    packet = knock()
    rig.engine.handle(packet)
    rig.use(PHONE, other_client())
    assert rig.doors() == ["192.0.2.7 tcp/22"]
    rig.engine.handle(packet)
    assert rig.events("verdict")[-1]["reason"] == "replay"


def test_lost_rules_come_back_with_the_time_that_was_left(rig: Rig, knock: Knock) -> None:
    rig.engine.handle(knock())
    rig.engine.handle(knock("192.0.2.8,tcp/22", message_type=MessageType.ACCESS))
    rig.clock.advance(10)
    rig.firewall.stop()
    assert rig.engine.doors.restore(("eth1",)) == 2
    assert [round(door.seconds) for door in rig.firewall.read()] == [20, 20]


def test_doors_of_an_earlier_run_are_taken_over(rig: Rig, knock: Knock) -> None:
    rig.engine.handle(knock())
    successor = type(rig.engine)(
        clock=rig.clock,
        events=rig.engine.events,
        firewall=rig.firewall,
        memory=rig.engine.memory,
        look_up=rig.names.look_up,
        runner=rig.runner,
    )
    assert successor.doors.adopt() == 1
    assert [str(grant.door.address) for grant in successor.doors.table] == ["192.0.2.7"]


def test_a_packet_cannot_write_a_second_line_into_the_log(rig: Rig, knock: Knock) -> None:
    rig.use(replace(PHONE, enable_cmd_exec=True))
    rig.engine.handle(knock("192.0.2.7,a\nfake: line\x1b[2J", message_type=MessageType.COMMAND))
    (verdict,) = rig.events("verdict")
    assert verdict["request"] == "192.0.2.7,a\\x0afake: line\\x1b[2J"


def test_empty_payload_is_no_spa(rig: Rig) -> None:
    here = ip_address("203.0.113.1")
    rig.engine.handle(Packet(b"", here, here, None, None, 1, "eth1"))
    assert sum(rig.engine.events.counters.values()) == 1


# Host names


def named(knock: Knock) -> Packet:
    return knock("192.0.2.7,tcp/22", message_type=MessageType.NAT_ACCESS, nat="nas.lan,22")


def test_a_door_to_a_named_host_opens_when_its_address_is_known(rig: Rig, knock: Knock) -> None:
    rig.engine.handle(named(knock))
    assert [(name, version) for name, version, _ in rig.names.asked] == [("nas.lan", 4)]
    assert rig.doors() == []
    assert rig.events("verdict") == []
    rig.names.answer(ip_address("10.0.0.5"))
    (timed,) = rig.firewall.read()
    assert str(timed.door.nat) == "10.0.0.5:22"
    assert [event["verdict"] for event in rig.events("verdict")] == ["accept"]


@pytest.mark.parametrize("answer", ["nas.lan has no address", "127.0.0.1"])
def test_a_named_host_that_is_none_is_refused_with_the_reason(
    rig: Rig, knock: Knock, answer: str
) -> None:
    rig.engine.handle(named(knock))
    rig.names.answer(ip_address(answer) if answer[0].isdigit() else answer)
    assert rig.doors() == []
    (verdict,) = rig.events("verdict")
    assert (verdict["reason"], verdict["client"]) == ("nat-target-invalid", "phone")
    assert "nas.lan" in str(verdict["detail"])


def test_a_packet_that_waits_for_a_name_is_used_up_already(rig: Rig, knock: Knock) -> None:
    packet = named(knock)
    rig.engine.handle(packet)
    rig.engine.handle(packet)
    assert len(rig.names.asked) == 1
    assert [event["reason"] for event in rig.events("verdict")] == ["replay"]


def test_a_client_deleted_while_a_name_was_looked_up_gets_nothing(rig: Rig, knock: Knock) -> None:
    rig.engine.handle(named(knock))
    rig.use(other_client())
    rig.names.answer(ip_address("10.0.0.5"))
    assert rig.doors() == []
    (verdict,) = rig.events("verdict")
    assert verdict["reason"] == "client-disabled"
    assert "nas.lan" in str(verdict["detail"])
