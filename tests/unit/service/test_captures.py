"""Captures of the running service: opened, lost, reopened, followed from device to device."""

from __future__ import annotations

from functools import partial

import pytest

from fwknopd import intake
from fwknopd.capture import CaptureError, CaptureFault
from fwknopd.judging import FEW
from fwknopd.netifd import LONGEST_PAUSE, TIME_LIMIT
from tests.unit.service.configs import uci_client, uci_network
from tests.unit.service.rig import Rig
from tests.unit.service.ubus import Ubus

UDP = "config config\n\toption ENABLE_UDP_SERVER 'Y'\n"


def on_networks(rig: Rig, names: str, *more: str) -> None:
    rig.uci(uci_network(names), uci_client("phone"), *more)


# Start


def test_a_bad_filter_stops_the_start(rig: Rig) -> None:
    rig.conf("PCAP_INTF eth1;\nPCAP_FILTER nonsense;\n")
    with pytest.raises(CaptureError) as raised:
        rig.start()
    assert raised.value.fault is CaptureFault.BAD_FILTER
    assert rig.devices.on("eth1") == []


def test_a_bad_filter_stops_the_start_even_without_a_device(rig: Rig) -> None:
    rig.conf("PCAP_INTF later0;\nPCAP_FILTER udp prot 62201;\n")
    with pytest.raises(CaptureError, match="filter 'udp prot 62201' is not valid"):
        rig.start()


def test_a_missing_device_stops_no_start(rig: Rig) -> None:
    rig.conf("PCAP_INTF later0;\n")
    rig.start()
    assert rig.capture("later0")["state"] == "waiting"
    assert any("later0" in text for text in rig.events("capture"))
    assert rig.firewall.covers == ("later0",), "doors must open once it is there"


def test_every_device_is_captured_once(rig: Rig) -> None:
    rig.conf("PCAP_INTF eth1, eth2 eth1;\n")
    rig.start()
    assert len(rig.devices.opened) == 2
    assert rig.knock("eth1") == "accepted"
    assert rig.knock("eth2") == "accepted"


# Lost and back


def test_a_device_that_is_back_is_captured_again_with_the_kernels_notice(rig: Rig) -> None:
    rig.start()
    rig.devices.remove("eth1")
    rig.settle()
    assert rig.capture("eth1")["state"] == "waiting"
    assert "has ended" in rig.capture("eth1")["detail"]
    rig.devices.present.add("eth1")
    rig.notices.tell("link")
    rig.settle()
    assert rig.capture("eth1")["state"] == "capturing"
    assert rig.knock() == "accepted"


def test_without_a_notice_it_is_tried_after_one_second_and_then_more_rarely(rig: Rig) -> None:
    rig.start()
    rig.devices.remove("eth1")
    rig.settle()
    waited = []
    for _ in range(8):
        due = rig.service.intake.next_due() - rig.clock.monotonic()
        assert rig.loop.timeouts[-1] == pytest.approx(due), "the loop sleeps until then"
        waited.append(due)
        tries = len(rig.devices.plans)
        rig.pass_time(due)
        assert len(rig.devices.plans) == tries + 1
    assert waited == pytest.approx([1, 2, 4, 8, 16, 30, 30, 30])
    rig.devices.present.add("eth1")
    rig.pass_time(30)
    assert rig.knock() == "accepted"


def test_a_notice_makes_the_pauses_short_again(rig: Rig) -> None:
    rig.start()
    rig.devices.remove("eth1")
    rig.settle()
    for pause in (1, 2, 4):
        rig.pass_time(pause)
    rig.notices.tell("address")
    rig.settle()
    assert rig.service.intake.next_due() - rig.clock.monotonic() == pytest.approx(1)


def test_loss_and_return_are_told_once_each(rig: Rig) -> None:
    rig.start()
    rig.devices.remove("eth1")
    rig.settle()
    for pause in (1, 2, 4):
        rig.pass_time(pause)
    rig.devices.present.add("eth1")
    rig.pass_time(8)
    told = rig.events("capture")
    assert told[0] == "Sniffing interface: eth1"
    assert [text for text in told if "has ended" in text] == told[1:2]
    assert [text for text in told if "no network device" in text] == []
    assert told[-1] == "Sniffing interface: eth1"


def test_counts_go_on_over_a_loss(rig: Rig) -> None:
    rig.start()
    rig.knock()
    rig.devices.remove("eth1")
    rig.settle()
    rig.devices.present.add("eth1")
    rig.pass_time(1)
    rig.knock()
    assert rig.capture("eth1")["received"] == 2


# Floods


def test_packets_beyond_the_queue_wait_in_the_kernel(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "QUEUE_LIMIT", 10)
    monkeypatch.setattr("fwknopd.service.JUDGE_BATCH", 4)
    rig.start()
    rig.devices.put("eth1", *[rig.packet() for _ in range(25)])
    rig.service.turn()
    assert len(rig.service.intake.queue) == 6
    rig.service.turn()
    assert len(rig.service.intake.queue) == 6, "only what there is room for is taken"
    rig.settle()
    assert rig.verdicts() == ["accepted"] * 25


def test_captures_are_emptied_while_packets_are_judged(rig: Rig) -> None:
    rig.start()
    late = rig.packet()

    def more(*_: object) -> None:
        rig.devices.put("eth1", late)
        rig.clock.advance(1)

    rig.service.engine.judged = more
    rig.devices.put("eth1", *[rig.packet() for _ in range(FEW + 1)])
    rig.service.turn()
    assert list(rig.service.intake.queue)[:1] == [late]


def test_captures_are_drained_between_batches(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fwknopd.service.JUDGE_BATCH", 2)
    rig.start()
    rig.devices.put("eth1", *[rig.packet() for _ in range(5)])
    rig.service.turn()
    assert len(rig.verdicts()) == 2
    rig.service.turn()
    assert rig.loop.timeouts[-1] == 0, "it doesn't sleep while packets wait"
    rig.settle()
    assert rig.verdicts() == ["accepted"] * 5


# The UDP server


@pytest.mark.parametrize("by_option", [False, True])
def test_without_a_device_doors_open_for_all(rig: Rig, by_option: bool) -> None:
    rig.conf("" if by_option else "ENABLE_UDP_SERVER Y;\n")
    rig.start(udp_server=by_option)
    assert rig.firewall.covers == ("any",)
    assert rig.knock("udp port 62201") == "accepted"


def test_doors_open_for_the_devices_of_the_networks(uci_rig: Rig, ubus: Ubus) -> None:
    ubus.says(wan="eth1", wan6="eth1")
    on_networks(uci_rig, "wan wan6", UDP)
    uci_rig.start()
    assert uci_rig.firewall.covers == ("eth1",)
    ubus.says(wan="pppoe-wan", wan6="eth1")
    uci_rig.clock.advance(5)
    uci_rig.notices.tell("link")
    uci_rig.until(lambda: uci_rig.firewall.covers == ("eth1", "pppoe-wan"))
    assert len(uci_rig.devices.opened) == 1, "the socket is as good as before"


def test_covering_nothing_is_not_called_ready(uci_rig: Rig, ubus: Ubus) -> None:
    ubus.says(wan="")
    on_networks(uci_rig, "wan", UDP)
    uci_rig.start()
    firewall = uci_rig.ask("status")["firewall"]
    assert firewall["ready"] is False
    assert "No device is covered" in firewall["detail"]
    assert any("Doors don't open yet for network wan" in t for t in uci_rig.events("capture"))


# Logical networks


def test_two_networks_on_one_device_are_one_capture(uci_rig: Rig, ubus: Ubus) -> None:
    ubus.says(wan="eth1", wan6="eth1")
    on_networks(uci_rig, "wan wan6")
    uci_rig.start()
    assert len(uci_rig.devices.opened) == 1
    assert uci_rig.knock() == "accepted"
    assert [row["name"] for row in uci_rig.ask("status")["captures"]] == ["eth1"]


def test_a_network_that_is_down_is_waited_for(uci_rig: Rig, ubus: Ubus) -> None:
    ubus.says(wan="")
    on_networks(uci_rig, "wan")
    uci_rig.start()
    row = uci_rig.capture("network wan")
    assert row["state"] == "waiting"
    assert "the network wan is down" in row["detail"]
    ubus.says(wan="eth1")
    uci_rig.clock.advance(1)
    uci_rig.until(lambda: uci_rig.devices.on("eth1"))
    assert uci_rig.knock() == "accepted"
    assert uci_rig.firewall.covers == ("eth1",)
    assert [row["name"] for row in uci_rig.ask("status")["captures"]] == ["eth1"]


def test_an_address_that_appears_has_the_network_asked_for_at_once(
    uci_rig: Rig, ubus: Ubus
) -> None:
    ubus.says(wan="")
    on_networks(uci_rig, "wan")
    uci_rig.start()
    for pause in (1, 2, 4, 8):
        wanted = ubus.asked + 1
        uci_rig.clock.advance(pause)
        uci_rig.until(partial(asked_and_answered, uci_rig, ubus, wanted))
    uci_rig.clock.advance(5)
    ubus.says(wan="eth1")
    uci_rig.notices.tell("address")
    uci_rig.until(lambda: uci_rig.devices.on("eth1"))


def asked_and_answered(rig: Rig, ubus: Ubus, times: int) -> bool:
    """It was asked so often, and no question is on its way."""
    return ubus.asked == times and not rig.service.intake.netifd.is_asking


def test_a_network_that_is_up_is_not_asked_for_with_every_address(uci_rig: Rig, ubus: Ubus) -> None:
    ubus.says(wan="eth1")
    on_networks(uci_rig, "wan")
    uci_rig.start()
    for _ in range(5):
        uci_rig.clock.advance(60)
        uci_rig.notices.tell("address")
        uci_rig.settle()
        assert asked_and_answered(uci_rig, ubus, 1)
    assert uci_rig.loop.timeouts[-1] is None, "nothing is due"


def test_a_network_that_moves_is_followed(uci_rig: Rig, ubus: Ubus) -> None:
    ubus.says(wan="eth1")
    on_networks(uci_rig, "wan")
    uci_rig.start()
    ubus.says(wan="eth2")
    uci_rig.clock.advance(5)
    uci_rig.notices.tell("link")
    uci_rig.until(lambda: uci_rig.devices.on("eth2"))
    assert uci_rig.devices.on("eth1") == []
    assert uci_rig.firewall.covers == ("eth2",)
    assert uci_rig.knock("eth2") == "accepted"


def test_a_network_that_redials_keeps_its_device(uci_rig: Rig, ubus: Ubus) -> None:
    ubus.says(wan="eth1")
    on_networks(uci_rig, "wan")
    uci_rig.start()
    ubus.says(wan="")
    uci_rig.clock.advance(5)
    uci_rig.devices.remove("eth1")
    uci_rig.notices.tell("link")
    uci_rig.until(partial(asked_and_answered, uci_rig, ubus, 2))
    assert uci_rig.firewall.covers == ("eth1",)
    uci_rig.devices.present.add("eth1")
    uci_rig.notices.tell("link")
    uci_rig.settle()
    assert uci_rig.knock() == "accepted", "the network daemon need not even be asked"


def test_a_network_daemon_that_hangs_holds_up_nothing(uci_rig: Rig, ubus: Ubus) -> None:
    ubus.does("exec sleep 60")
    on_networks(uci_rig, "wan")
    uci_rig.start()
    uci_rig.settle()
    # Whoever had waited for it would have its answer, or none.
    assert uci_rig.capture("network wan")["detail"] == "the network daemon is being asked"
    uci_rig.until(lambda: ubus.asked)
    uci_rig.pass_time(TIME_LIMIT)
    assert "no answer within 5 seconds" in uci_rig.capture("network wan")["detail"]
    uci_rig.until(partial(asked_and_answered, uci_rig, ubus, 1))
    ubus.says(wan="eth1")
    uci_rig.clock.advance(LONGEST_PAUSE)
    uci_rig.until(lambda: uci_rig.devices.on("eth1"))


def test_questions_that_fail_get_rarer(uci_rig: Rig, ubus: Ubus) -> None:
    ubus.does("exit 4")
    on_networks(uci_rig, "wan")
    uci_rig.start()
    pauses = []
    for number in range(2, 9):
        pauses.append(uci_rig.service.intake.next_due() - uci_rig.clock.monotonic())
        uci_rig.clock.advance(pauses[-1])
        uci_rig.until(partial(asked_and_answered, uci_rig, ubus, number))
    assert pauses == pytest.approx([1, 2, 4, 8, 16, 30, 30])
    assert "ended with status 4" in uci_rig.capture("network wan")["detail"]


def test_without_ubus_the_way_out_is_named(uci_rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "bin:/nowhere")
    on_networks(uci_rig, "wan")
    uci_rig.start()
    detail = uci_rig.capture("network wan")["detail"]
    assert "there is no program ubus" in detail
    assert "PCAP_INTF" in detail


def test_ubus_from_a_relative_folder_is_not_run(
    uci_rig: Rig, ubus: Ubus, monkeypatch: pytest.MonkeyPatch
) -> None:
    ubus.says(wan="eth1")
    monkeypatch.chdir(uci_rig.folder)
    monkeypatch.setenv("PATH", "bin:.:/nowhere")
    on_networks(uci_rig, "wan")
    uci_rig.start()
    assert ubus.asked == 0


def test_a_client_of_two_networks_is_served_after_one_is_gone(uci_rig: Rig, ubus: Ubus) -> None:
    ubus.says(wan="eth1", lan="eth2")
    on_networks(uci_rig, "wan lan")
    uci_rig.start()
    ubus.says(wan="eth1")
    uci_rig.clock.advance(5)
    uci_rig.notices.tell("link")
    uci_rig.until(lambda: uci_rig.devices.on("eth2") == [])
    assert "no network 'lan'" in uci_rig.capture("network lan")["detail"]
    assert uci_rig.knock("eth1") == "accepted"
