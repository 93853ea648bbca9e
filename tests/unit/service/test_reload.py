"""A reload takes effect wholly or not at all, and says what it did."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from math import inf
from typing import Any

import pytest

from fwknopd.firewall import FirewallError, TimedDoor
from fwknopd.log_lines import WARNING, log_lines
from fwknopd.open_doors import Revoked
from fwknopd.policy.authorizer import Authorizer
from fwknopd.spa.packet import SpaKeys
from tests.unit.connection_table import Table
from tests.unit.firewall.doors import door
from tests.unit.service.configs import LAPTOP, PHONE, stanza, uci_client, uci_network
from tests.unit.service.rig import Rig
from tests.unit.service.ubus import Ubus

OTHER = SpaKeys(b"i" * 31 + b"x", b"j" * 63 + b"y")
DEVICE = "config config\n\toption PCAP_INTF 'eth1'\n"


def test_a_new_filter_means_a_new_capture_and_the_end_of_the_old(rig: Rig) -> None:
    rig.start()
    [old] = rig.devices.opened
    rig.conf("PCAP_INTF eth1;\nPCAP_FILTER udp port 4711;\n")
    assert rig.ask("reload")["reloaded"] is True
    assert old.closed
    [new] = rig.devices.on("eth1")
    assert new is not old
    assert rig.knock() == "accepted"


def test_another_device_is_captured_and_covered(rig: Rig) -> None:
    rig.start()
    rig.conf("PCAP_INTF eth2;\n")
    rig.ask("reload")
    assert rig.devices.on("eth1") == []
    assert rig.knock("eth2") == "accepted"
    assert rig.firewall.covers == ("eth2",)


def test_what_stays_the_same_is_left_alone(rig: Rig) -> None:
    rig.start()
    rig.access(stanza(), stanza(LAPTOP))
    rig.ask("reload")
    assert len(rig.devices.opened) == 1
    assert rig.knock(keys=LAPTOP) == "accepted"


def test_packets_that_wait_at_the_reload_are_not_lost(rig: Rig) -> None:
    rig.start()
    rig.devices.put("eth1", rig.packet())
    rig.conf("PCAP_INTF eth2;\n")
    rig.ask("reload")
    rig.settle()
    assert rig.verdicts() == ["accepted"]


@pytest.mark.parametrize("devices", ["eth1", "eth1 eth2"])
def test_a_bad_filter_changes_nothing_and_is_named(rig: Rig, devices: str) -> None:
    rig.start()
    rig.conf(f"PCAP_INTF {devices};\nPCAP_FILTER nonsense;\nMAX_SPA_PACKET_AGE 1;\n")
    rig.access(stanza(LAPTOP))
    answer = rig.ask("reload")
    assert answer["reloaded"] is False
    [problem] = answer["problems"]
    assert (problem["severity"], problem["option"]) == ("error", "PCAP_FILTER")
    assert problem["file"] == rig.options.config_file
    assert rig.knock(age=60) == "accepted", "the old client, filter and age are in force"
    assert rig.devices.on("eth2") == []
    assert "filter 'nonsense' is not valid" in rig.ask("status")["configuration"]["last_error"]
    assert any("Configuration not used" in text for text in rig.events("error"))


def test_a_filter_nobody_could_try_is_judged_all_the_same(rig: Rig) -> None:
    rig.start()
    rig.conf("PCAP_INTF later0;\nPCAP_FILTER udp prot 62201;\n")
    [problem] = rig.ask("reload")["problems"]
    assert problem["option"] == "PCAP_FILTER"
    assert rig.knock() == "accepted"


def test_the_next_good_reload_clears_the_fault(rig: Rig) -> None:
    rig.start()
    rig.conf("PCAP_INTF eth1;\nPCAP_FILTER nonsense;\n")
    rig.ask("reload")
    rig.conf("PCAP_INTF eth1;\n")
    assert rig.ask("reload")["reloaded"] is True
    assert rig.ask("status")["configuration"]["last_error"] is None


def test_a_device_that_is_missing_is_waited_for(rig: Rig) -> None:
    rig.start()
    rig.conf("PCAP_INTF later0;\n")
    assert rig.ask("reload")["reloaded"] is True
    row = rig.capture("later0")
    assert row["state"] == "waiting"
    assert "no network device later0" in row["detail"]
    rig.devices.present.add("later0")
    rig.pass_time(1)
    assert rig.knock("later0") == "accepted"


def test_a_bad_device_name_is_an_error(rig: Rig) -> None:
    rig.start()
    rig.conf("PCAP_INTF eth1:0;\n")
    [problem] = rig.ask("reload")["problems"]
    assert (problem["option"], problem["line"]) == ("PCAP_INTF", 1)
    assert rig.knock() == "accepted"


def test_a_fault_of_ours_changes_nothing_and_is_reported(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.start()

    def broken(*_: object) -> Authorizer:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr("fwknopd.judging.Authorizer", broken)
    rig.conf("PCAP_INTF eth2;\n")
    answer = rig.ask("reload")
    assert answer["reloaded"] is False
    assert "ZeroDivisionError: planted" in answer["problems"][0]["message"]
    assert rig.devices.on("eth2") == [], "what was opened for it is closed again"
    assert rig.knock() == "accepted"


def test_a_capture_that_cannot_be_closed_holds_up_nothing(rig: Rig) -> None:
    rig.start()
    rig.devices.opened[0].fails_to_close = True
    rig.conf("PCAP_INTF eth2;\n")
    assert rig.ask("reload")["reloaded"] is True
    assert rig.knock("eth2") == "accepted"
    assert any("can't be closed" in text for text in rig.events("error"))


def test_hup_reloads(rig: Rig) -> None:
    rig.start()
    rig.access(stanza(LAPTOP))
    os.kill(os.getpid(), signal.SIGHUP)
    rig.settle()
    assert rig.knock(keys=LAPTOP) == "accepted"
    assert any("Got SIGHUP" in text for text in rig.events("reload"))


def test_hup_with_faulty_files_changes_nothing(rig: Rig) -> None:
    rig.start()
    rig.access("SOURCE ANY\nKEY_BASE64 no-key\n")
    os.kill(os.getpid(), signal.SIGHUP)
    rig.settle()
    assert rig.knock() == "accepted"
    assert "access.conf" in rig.ask("status")["configuration"]["last_error"]


def test_the_answer_names_what_is_in_force(rig: Rig) -> None:
    rig.start()
    answer = rig.ask("reload")
    assert (answer["source"], answer["file"]) == ("files", rig.options.config_file)


def test_what_waits_for_a_restart_is_said_each_time(rig: Rig) -> None:
    rig.start()
    rig.conf("PCAP_INTF eth1;\nDIGEST_FILE /etc/fwknop/other.cache;\n")
    for _ in range(2):
        answer = rig.ask("reload")
        assert answer["reloaded"] is True
        [problem] = answer["problems"]
        assert (problem["severity"], problem["option"]) == ("warning", "DIGEST_FILE")
        assert "restart" in problem["message"]
    assert rig.ask("status")["configuration"]["problems"] == answer["problems"]
    rig.conf("PCAP_INTF eth1;\n")
    assert rig.ask("reload")["problems"] == []


# Clients that go


def test_doors_of_a_deleted_client_are_closed_and_others_stay(rig: Rig) -> None:
    rig.access(stanza(PHONE), stanza(LAPTOP))
    rig.start()
    rig.knock(message="192.0.2.7,tcp/22")
    rig.knock(message="192.0.2.8,tcp/22", keys=LAPTOP)
    rig.access(stanza(LAPTOP))
    rig.ask("reload")
    assert rig.doors() == ["192.0.2.8 tcp/22"]
    [told] = rig.events("revoke")
    assert "192.0.2.7" in told
    assert "its client was deleted or disabled" in told
    assert [g["address"] for g in rig.ask("grants")["grants"]] == ["192.0.2.8"]


def test_doors_of_a_disabled_client_are_closed(uci_rig: Rig) -> None:
    uci_rig.uci(DEVICE, uci_client("phone"))
    uci_rig.start()
    assert uci_rig.knock() == "accepted"
    uci_rig.uci(DEVICE, uci_client("phone", PHONE, "enabled '0'"))
    assert uci_rig.ask("reload")["reloaded"] is True
    assert uci_rig.doors() == []
    assert len(uci_rig.events("revoke")) == 1


def test_a_renamed_client_keeps_its_doors(uci_rig: Rig) -> None:
    uci_rig.uci(DEVICE, uci_client("phone"))
    uci_rig.start()
    uci_rig.knock()
    uci_rig.uci(DEVICE, uci_client("telephone"))
    uci_rig.ask("reload")
    assert uci_rig.doors() == ["192.0.2.7 tcp/22"]


def test_doors_that_cannot_be_closed_are_told_of(rig: Rig) -> None:
    rig.start()
    rig.knock()
    rig.firewall.refuses = frozenset({"close"})
    rig.access(stanza(LAPTOP))
    assert rig.ask("reload")["reloaded"] is True
    assert any("clients that are gone" in text for text in rig.events("error"))
    assert rig.doors() == ["192.0.2.7 tcp/22"]
    assert len(rig.ask("grants")["grants"]) == 1
    rig.pass_time(1)
    rig.pass_time(1)
    assert len(rig.events("error")) == 1, "the same fault is told once"
    rig.firewall.refuses = frozenset()
    rig.pass_time(1)
    assert rig.doors() == []
    assert rig.service.reloading.next_due() == inf


def test_doors_of_new_keys_are_closed_though_a_deleted_client_s_can_not_be(
    uci_rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    uci_rig.uci(DEVICE, uci_client("phone"), uci_client("laptop", LAPTOP))
    service = uci_rig.start()
    uci_rig.knock(message="192.0.2.7,tcp/22")
    uci_rig.knock(message="192.0.2.8,tcp/22", keys=LAPTOP)
    revoke = service.engine.doors.revoke

    def refuses_once(*how: Any, cut: bool = False) -> Revoked:
        if cut:
            raise FirewallError("planted")
        return revoke(*how)

    monkeypatch.setattr(service.engine.doors, "revoke", refuses_once)
    uci_rig.uci(DEVICE, uci_client("laptop", OTHER))
    uci_rig.ask("reload")
    assert uci_rig.doors() == []
    assert any("planted" in text for text in uci_rig.events("error"))


def test_of_clients_with_the_same_keys_only_the_deleted_one_s_doors_are_closed(
    uci_rig: Rig,
) -> None:
    phone = uci_client("phone", PHONE).replace("tcp/22", "tcp/80")
    uci_rig.uci(DEVICE, phone, uci_client("tablet", PHONE))
    uci_rig.start()
    uci_rig.knock(message="192.0.2.7,tcp/80")
    uci_rig.knock(message="192.0.2.8,tcp/22")
    assert uci_rig.doors() == ["192.0.2.7 tcp/80", "192.0.2.8 tcp/22"]
    uci_rig.uci(DEVICE, uci_client("tablet", PHONE))
    uci_rig.ask("reload")
    assert uci_rig.doors() == ["192.0.2.8 tcp/22"]


def test_of_two_with_the_same_keys_and_door_each_has_a_grant(uci_rig: Rig) -> None:
    http = uci_client("phone", PHONE).replace("tcp/22", "tcp/80")
    uci_rig.uci(DEVICE, http, uci_client("tablet", PHONE).replace("tcp/22", "tcp/22,tcp/80"))
    uci_rig.start()
    uci_rig.knock(message="192.0.2.7,tcp/80")
    uci_rig.uci(DEVICE, uci_client("tablet", PHONE, "enabled '1'").replace("22", "80"), http)
    uci_rig.ask("reload")
    uci_rig.knock(message="192.0.2.7,tcp/80")
    assert {g["client"] for g in uci_rig.ask("grants")["grants"]} == {"phone", "tablet"}
    uci_rig.ask("revoke", client="phone")
    assert [g["client"] for g in uci_rig.ask("grants")["grants"]] == ["tablet"]
    assert uci_rig.doors() == ["192.0.2.7 tcp/80"]


# Sockets and networks


def test_the_udp_socket_stays_open_when_only_its_devices_change(rig: Rig) -> None:
    rig.conf("ENABLE_UDP_SERVER Y;\nPCAP_INTF eth1;\n")
    rig.start()
    rig.conf("ENABLE_UDP_SERVER Y;\nPCAP_INTF eth2;\n")
    rig.ask("reload")
    assert len(rig.devices.opened) == 1
    assert rig.firewall.covers == ("eth2",)


def test_a_network_is_followed_from_the_reload_on(
    uci_rig: Rig, ubus: Ubus, monkeypatch: pytest.MonkeyPatch
) -> None:
    ubus.says(wan="eth2")
    uci_rig.uci("config config\n\toption PCAP_INTF 'eth1'\n", uci_client("phone"))
    uci_rig.start()
    assert ubus.asked == 0
    uci_rig.uci(uci_network("wan"), uci_client("phone"))
    uci_rig.ask("reload")
    assert uci_rig.knock("eth2") == "accepted"
    assert uci_rig.devices.on("eth1") == []


@pytest.mark.parametrize(
    ("switch", "source", "said"),
    [
        ("0", "files", ""),
        ("perhaps", "files", "it is neither on nor off and counts as off. Write 1 or 0."),
        ("{{ spa_uci }}", "none", "OpenWISP had no value for uci_enabled in "),
    ],
)
def test_a_variable_is_no_word_for_the_classic_files(
    rig: Rig, switch: str, source: str, said: str
) -> None:
    # Who was revoked since the move to UCI may still be in the old files.
    rig.options = replace(rig.options, uci=str(rig.folder / "fwknopd"))
    uci = "config global\n\toption uci_enabled '{}'\n" + DEVICE + uci_client("laptop", LAPTOP)
    rig.write("fwknopd", uci.format("1"))
    rig.start()
    assert (rig.knock(keys=LAPTOP), len(rig.doors())) == ("accepted", 1)
    rig.write("fwknopd", uci.replace("{}", switch))
    answer = rig.ask("reload")
    assert (answer["reloaded"], answer["source"], rig.doors()) == (True, source, [])
    if source == "files":
        assert rig.knock() == "accepted"
    told = " ".join(f"{p['message']}. {p['remedy']}" for p in answer["problems"])
    assert (said in told) if said else (told == "")
    configuration = rig.ask("status")["configuration"]
    shown = f"{configuration['detail']} {configuration['problems']}"
    assert said.partition(".")[0] in shown


def test_overwrite_off_without_classic_files_guards_nothing(uci_rig: Rig) -> None:
    uci_rig.uci("config config\n\toption PCAP_INTF 'eth1'\n", uci_client("phone"))
    uci_rig.start()
    uci_rig.knock()
    uci_rig.write("fwknopd", "config global\n\toption uci_enabled '0'\n")
    assert uci_rig.ask("reload")["source"] == "none"
    assert uci_rig.devices.on("eth1") == []
    assert uci_rig.doors() == []
    [told] = [text for text in uci_rig.events("reload") if "Nothing to guard" in text]
    # An event's text is cut, and the folder of a test may have a long name.
    assert "does not exist. Tick Enable config overwrite" in told


@pytest.fixture
def table(uci_rig: Rig) -> Table:
    """Connections of the phone and the laptop, whose doors are open."""
    uci_rig.uci(DEVICE, uci_client("phone"), uci_client("laptop", LAPTOP))
    service = uci_rig.start()
    made = Table({door(f"192.0.2.{n}", "tcp/22"): n for n in (7, 8)})
    service.engine.doors.endings.connections = made
    uci_rig.knock(message="192.0.2.7,tcp/22")
    uci_rig.knock(message="192.0.2.8,tcp/22", keys=LAPTOP)
    return made


@pytest.mark.parametrize("remains", [(), (uci_client("phone", PHONE, "enabled '0'"),)])
def test_who_is_shut_out_is_cut_off(uci_rig: Rig, table: Table, remains: tuple[str, ...]) -> None:
    uci_rig.uci(DEVICE, *remains, uci_client("laptop", LAPTOP))
    uci_rig.ask("reload")
    assert table.cuts == [({door("192.0.2.7", "tcp/22")}, {door("192.0.2.8", "tcp/22")})]
    [told] = uci_rig.events("revoke")
    assert told.endswith("(its client was deleted or disabled; 7 connections cut)")


def test_who_is_shut_out_after_the_door_closed_is_cut_off_too(uci_rig: Rig, table: Table) -> None:
    uci_rig.pass_time(31)
    uci_rig.uci(DEVICE, uci_client("laptop", LAPTOP))
    uci_rig.ask("reload")
    assert table.cuts == [({door("192.0.2.7", "tcp/22")}, set())]
    assert len(uci_rig.events("cut")) == 1


def test_new_keys_close_the_door_and_leave_its_connections(uci_rig: Rig, table: Table) -> None:
    uci_rig.uci(DEVICE, uci_client("phone", OTHER), uci_client("laptop", LAPTOP))
    uci_rig.ask("reload")
    assert uci_rig.doors() == ["192.0.2.8 tcp/22"]
    assert table.cuts == []
    [told] = uci_rig.events("revoke")
    assert told.endswith("(its client was given new keys)")
    # They can still be cut, by the client's name.
    assert uci_rig.ask("revoke", client="phone", cut=True)["cut"] == 7


def test_a_reload_that_shuts_nobody_out_cuts_nothing(uci_rig: Rig, table: Table) -> None:
    uci_rig.pass_time(31)
    uci_rig.ask("reload")
    assert table.cuts == []


def test_new_keys_of_a_client_without_a_name_leave_its_connections(rig: Rig) -> None:
    service = rig.start()
    made = Table({door("192.0.2.7", "tcp/22"): 7})
    service.engine.doors.endings.connections = made
    rig.knock()
    rig.access(stanza(OTHER))
    rig.ask("reload")
    rig.ask("reload")
    assert rig.doors() == []
    assert made.cuts == []
    [told] = rig.events("revoke")
    assert told.endswith("(its client was given new keys)")
    # Deleted at last: another client has its number, and that one was here before.
    rig.access(stanza(OTHER), stanza(LAPTOP))
    rig.ask("reload")
    rig.access(stanza(LAPTOP))
    rig.ask("reload")
    assert made.cuts == [({door("192.0.2.7", "tcp/22")}, set())]


def test_a_door_without_owner_goes_when_any_client_goes(rig: Rig) -> None:
    rig.access(stanza(), stanza(LAPTOP))
    rig.start()
    rig.firewall.open([TimedDoor(door("203.0.113.9", "tcp/22"), 20.0)])
    rig.service.engine.doors.adopt()
    assert rig.service.reload() == ()
    assert rig.doors() == ["203.0.113.9 tcp/22"]
    rig.access(stanza())
    assert rig.service.reload() == ()
    assert rig.doors() == []
    assert "it may be of the client that is gone" in rig.events("revoke")[0]


def test_file_changed_behind_the_daemons_back_is_told(uci_rig: Rig) -> None:
    def told() -> object:
        return uci_rig.ask("status")["configuration"]["outdated"]

    good = "config global\n\toption uci_enabled '1'\n" + DEVICE + uci_client("Anna")
    uci_rig.write("fwknopd", good)
    uci_rig.start()
    assert told() is False
    for changed in (good + uci_client("Bert", LAPTOP), good + "\toption 'broken"):
        uci_rig.write("fwknopd", changed)
        assert told() is True
    assert not uci_rig.ask("reload")["reloaded"]
    assert told() is True
    uci_rig.write("fwknopd", good)
    assert told() is False
    (uci_rig.folder / "fwknopd").unlink()
    assert told() is True
    uci_rig.write("fwknopd", good + uci_client("Bert", LAPTOP))
    assert uci_rig.ask("reload")["reloaded"]
    assert told() is False


def test_a_file_that_is_deleted_shuts_out_who_was_in_it(uci_rig: Rig) -> None:
    """As OpenWISP's agent does with one in which nothing is left of its own or others."""
    file = uci_rig.folder / "fwknopd"
    uci_rig.write(file.name, "config global\n\toption uci_enabled '1'\n" + DEVICE + uci_client("A"))
    uci_rig.start()
    assert uci_rig.knock() == "accepted"
    file.unlink()
    assert uci_rig.ask("reload")["reloaded"]
    assert uci_rig.ask("grants")["grants"] == []
    assert uci_rig.devices.on("eth1") == []


@pytest.fixture
def beside_old_files(rig: Rig) -> Rig:
    """Run from UCI, while access.conf has the laptop."""
    rig.access(stanza(LAPTOP))
    rig.options = replace(rig.options, uci=str(rig.folder / "fwknopd"))
    rig.uci(DEVICE, uci_client("phone"))
    return rig


def assert_nobody_gets_in(rig: Rig) -> None:
    status = rig.ask("status")
    assert (status["configuration"]["source"], status["clients"]) == ("none", 0)
    assert status["ready"] is False
    told = status["configuration"]["detail"]
    assert f"{rig.folder}/fwknopd does not exist, so nobody can knock" in told
    assert "on the web page, under Backup" in told
    events = rig.service.events.recent(1000)
    [event] = [event for event in events if event.detail == told]
    assert log_lines(event) == [(WARNING, told)]
    assert rig.devices.on("eth1") == []


def test_a_file_that_is_gone_lets_nobody_in_who_is_in_old_files(beside_old_files: Rig) -> None:
    rig = beside_old_files
    rig.start()
    assert rig.knock() == "accepted"
    (rig.folder / "fwknopd").unlink()
    assert rig.ask("reload")["reloaded"]
    assert_nobody_gets_in(rig)
    assert rig.doors() == []


def test_nor_does_it_at_the_next_start(beside_old_files: Rig) -> None:
    rig = beside_old_files
    (rig.folder / "fwknopd").unlink()
    rig.start()
    assert_nobody_gets_in(rig)
    rig.uci(DEVICE, uci_client("phone"))
    told = rig.ask("status")["configuration"]["detail"]
    assert "does not exist" in told, "as it was when it was read"
    assert rig.ask("reload")["reloaded"]
    assert rig.ask("status")["configuration"]["detail"] == ""
    assert rig.knock() == "accepted"


def test_only_a_file_that_says_so_leads_to_the_classic_ones(beside_old_files: Rig) -> None:
    rig = beside_old_files
    rig.write("fwknopd", "config global\n\toption uci_enabled '0'\n")
    rig.start()
    assert rig.ask("status")["configuration"]["source"] == "files"


def test_a_file_that_can_not_be_read_is_not_gone(beside_old_files: Rig) -> None:
    rig = beside_old_files
    rig.start()
    (rig.folder / "fwknopd").unlink()
    (rig.folder / "fwknopd").symlink_to("fwknopd")
    assert not rig.ask("reload")["reloaded"]
    assert rig.knock() == "accepted"


def test_classic_files_are_not_looked_after(rig: Rig) -> None:
    rig.start()
    rig.access(stanza(), stanza(LAPTOP))
    assert rig.ask("status")["configuration"]["outdated"] is False
