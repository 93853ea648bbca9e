"""What stands in files and on the command line is what packets are judged by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fwknopd import configuration
from fwknopd.capture.plan import PcapPlan
from fwknopd.config.problems import ConfigError
from fwknopd.options import Options
from fwknopd.part_settings import capture_request
from fwknopd.startup import load_configuration
from tests.unit.service.configs import PHONE, stanza, uci_client, uci_network
from tests.unit.service.rig import Rig
from tests.unit.service.ubus import Ubus


@pytest.mark.parametrize(
    ("setting", "age", "reason"),
    [
        ("", 110, "accepted"),
        ("", 130, "too-old"),
        ("MAX_SPA_PACKET_AGE 60;\n", 50, "accepted"),
        ("MAX_SPA_PACKET_AGE 60;\n", 70, "too-old"),
        ("ENABLE_SPA_PACKET_AGING N;\n", 100_000, "accepted"),
    ],
)
def test_the_age_that_is_set_is_enforced(rig: Rig, setting: str, age: int, reason: str) -> None:
    rig.conf(f"PCAP_INTF eth1;\n{setting}")
    rig.start()
    assert rig.knock(age=age) == reason


def test_an_age_set_by_a_reload_is_enforced(rig: Rig) -> None:
    rig.start()
    rig.conf("PCAP_INTF eth1;\nMAX_SPA_PACKET_AGE 60;\n")
    rig.ask("reload")
    assert rig.knock(age=70) == "too-old"


@pytest.mark.parametrize(("setting", "again"), [("Y", "replay"), ("N", "accepted")])
def test_replay_detection_is_as_set(rig: Rig, setting: str, again: str) -> None:
    rig.conf(f"PCAP_INTF eth1;\nENABLE_DIGEST_PERSISTENCE {setting};\n")
    rig.start()
    packet = rig.packet()
    for _ in range(2):
        rig.devices.put("eth1", packet)
        rig.settle()
    assert rig.verdicts() == ["accepted", again]


def test_used_packets_stay_used_over_a_reload(rig: Rig) -> None:
    rig.start()
    packet = rig.packet()
    rig.devices.put("eth1", packet)
    rig.settle()
    rig.ask("reload")
    rig.devices.put("eth1", packet)
    rig.settle()
    assert rig.verdicts() == ["accepted", "replay"]


def test_test_mode_opens_nothing(rig: Rig) -> None:
    rig.start(test=True)
    assert rig.knock() == "accepted"
    assert rig.doors() == []
    assert rig.ask("status")["test"] is True


def test_a_forced_target_is_what_the_door_leads_to(rig: Rig) -> None:
    rig.conf("PCAP_INTF eth1;\nENABLE_IPT_FORWARDING Y;\n")
    rig.access(stanza(PHONE, "FORCE_NAT 10.0.0.5 2222"))
    rig.start()
    assert rig.knock() == "accepted"
    assert [grant["nat"] for grant in rig.ask("grants")["grants"]] == ["10.0.0.5:2222"]


def test_the_command_line_wins_over_the_files(rig: Rig) -> None:
    rig.conf("PCAP_INTF eth1;\nPCAP_FILTER udp port 1;\n")
    rig.start(interface="eth2", pcap_filter="udp port 2")
    [plan] = rig.devices.plans
    assert isinstance(plan, PcapPlan)
    assert (plan.device, plan.how.filter.user) == ("eth2", "udp port 2")
    rig.ask("reload")
    assert rig.devices.plans == [plan], "at a reload too"


def test_a_device_on_the_command_line_wins_over_a_network(uci_rig: Rig, ubus: Ubus) -> None:
    uci_rig.uci(uci_network("wan"), uci_client("phone"))
    uci_rig.start(interface="eth2")
    assert uci_rig.knock("eth2") == "accepted"
    assert ubus.asked == 0


@pytest.mark.parametrize("name", ["", " ", "eth0:1", "-x", "a" * 16, 'x"; drop'])
def test_a_bad_device_on_the_command_line_is_named(rig: Rig, name: str) -> None:
    with pytest.raises(ConfigError, match=r"--interface: .* is no device name"):
        rig.start(interface=name)


def test_no_device_named_anywhere_is_the_c_daemons(rig: Rig) -> None:
    rig.conf("")
    rig.devices.present.add("eth0")
    rig.start()
    assert rig.knock("eth0") == "accepted"


def plan_of(rig: Rig) -> PcapPlan:
    """How the only device is captured, once started."""
    rig.start()
    [plan] = rig.devices.plans
    assert isinstance(plan, PcapPlan)
    return plan


def test_only_what_comes_in_is_captured(rig: Rig) -> None:
    how = plan_of(rig).how
    assert (how.promiscuous, how.any_direction) == (False, False)


def test_frames_are_captured_as_long_as_an_aes_knock_may_be(rig: Rig) -> None:
    how = plan_of(rig).how
    # Two VLAN tags, PPPoE, and all the options that IP and TCP may have.
    assert how.snaplen >= 22 + 8 + 60 + 60 + 780
    assert "<= 780" in how.filter.kernel


@pytest.mark.parametrize(
    ("setting", "directive"),
    [
        ("ENABLE_SPA_OVER_HTTP Y;", "OPEN_PORTS tcp/22"),
        ("", "ENABLE_CMD_EXEC Y"),
        ("", "GPG_ALLOW_NO_PW Y\nGPG_HOME_DIR /\nGPG_DISABLE_SIG Y"),
    ],
    ids=["web knocks", "commands", "GPG beside AES"],
)
def test_whole_frames_are_captured_where_packets_may_be_long(
    rig: Rig, setting: str, directive: str
) -> None:
    rig.conf(f"PCAP_INTF eth1;\n{setting}\n")
    rig.access(stanza(PHONE, directive))
    how = plan_of(rig).how
    assert how.snaplen >= 1500 + 14
    assert "<= 1472" in how.filter.kernel


def test_files_that_are_missing_are_named(rig: Rig) -> None:
    Path(rig.options.config_file).unlink()
    with pytest.raises(ConfigError, match=r"fwknopd\.conf"):
        rig.start()


@pytest.mark.parametrize(
    ("conf", "openwrt", "networks", "devices"),
    [
        # As OpenWrt's package brings it: PCAP_INTF is a comment.
        ("#PCAP_INTF eth0;\n", True, ("wan",), ()),
        ("#PCAP_INTF eth0;\n", False, (), ("eth0",)),
        ("PCAP_INTF eth1;\n", True, (), ("eth1",)),
        ("ENABLE_UDP_SERVER Y;\n", True, (), ("any",)),
    ],
)
def test_where_classic_files_of_openwrts_service_that_name_no_device_capture(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    conf: str,
    openwrt: bool,
    networks: tuple[str, ...],
    devices: tuple[str, ...],
) -> None:
    release = tmp_path / "openwrt_release"
    if openwrt:
        release.touch()
    monkeypatch.setattr(configuration, "OPENWRT", release)
    (tmp_path / "uci").write_text("config network\n\toption network 'lan'\n")
    (tmp_path / "fwknopd.conf").write_text(conf)
    (tmp_path / "access.conf").write_text(stanza())
    options = Options(
        uci=str(tmp_path / "uci"),
        config_file=str(tmp_path / "fwknopd.conf"),
        access_file=str(tmp_path / "access.conf"),
    )
    request = capture_request(options, load_configuration(options))
    assert (request.networks, request.devices) == (networks, devices)
    named = replace(options, interface="eth7")
    request = capture_request(named, load_configuration(named))
    assert (request.networks, request.devices) == ((), ("eth7",))
    by_hand = replace(options, uci=None)
    assert capture_request(by_hand, load_configuration(by_hand)).networks == ()
