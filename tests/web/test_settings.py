"""The settings form, and where its options end up in the file."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from fwknopd.config.uci_config import configuration_from_uci, uci_enabled
from fwknopd.config.uci_format import UciPackage, parse_uci
from tests.web.classic import classic_files
from tests.web.daemon import StubDaemon
from tests.web.visitor import Page, Visitor

NETWORKS = """
config interface 'loopback'
	option device 'lo'

config interface 'lan'
	option device 'br-lan'

config interface 'uplink'
	option device 'eth1'

config device
	option name 'br-lan'

"""


def package(uci: Path) -> UciPackage:
    return parse_uci(uci.read_text(), str(uci))


def options(uci: Path, section_type: str) -> list[dict[str, str]]:
    found = package(uci).of_type(section_type)
    return [{option.name: option.text for option in section.options} for section in found]


def save(visitor: Visitor, button: str = "Save & Apply", **typed: str | list[str]) -> Page:
    return visitor.press(visitor.get("/settings").form("/settings"), button, **typed)


def test_overwrite_is_off_in_a_stock_file_and_the_page_says_what_that_means(
    visitor: Visitor,
) -> None:
    page = visitor.get("/settings")
    assert "Not in use: “Enable config overwrite” is off" in page.text
    assert page.form("/settings").values("uci_enabled") == []


def test_a_variable_in_the_switch_is_told(
    visitor: Visitor, write_uci: Callable[[str], None]
) -> None:
    write_uci("config global\n\toption uci_enabled '{{ spa_uci }}'\n")
    page = visitor.get("/settings")
    assert "Not in use: OpenWISP had no value for “Enable config overwrite”" in page.text
    assert "neither this nor the files in /etc/fwknop: nobody can knock" in page.text
    assert "OpenWISP had no value for its variable spa_uci" in page.text
    page = save(visitor, "Save", uci_enabled="1")
    assert "OpenWISP" not in page.text


def test_overwrite_can_be_switched_on_and_off(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    page = save(visitor, uci_enabled="1")
    assert uci_enabled(package(uci))
    assert "Not in use" not in page.text
    save(visitor, uci_enabled=[])
    assert options(uci, "global") == [{}]


def test_untouched_form_changes_nothing(visitor: Visitor, daemon: StubDaemon, uci: Path) -> None:
    before = uci.read_bytes()
    assert "no changes to apply" in save(visitor).text
    assert uci.read_bytes() == before


def test_port_is_one_number_wherever_it_is_stored(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    save(visitor, spa_port="12345")
    assert options(uci, "config")[0]["PCAP_FILTER"] == "udp port 12345"
    save(visitor, ENABLE_UDP_SERVER="1")
    stored = options(uci, "config")[0]
    assert (stored["ENABLE_UDP_SERVER"], stored["UDPSERV_PORT"]) == ("Y", "12345")
    save(visitor, spa_port="62201", ENABLE_UDP_SERVER=[])
    assert not {"PCAP_FILTER", "ENABLE_UDP_SERVER"} & options(uci, "config")[0].keys()
    settings = configuration_from_uci(package(uci), "f").settings
    assert settings.pcap_filter == "udp port 62201"


def test_filter_that_is_more_than_a_port_is_shown_as_it_is(
    visitor: Visitor, daemon: StubDaemon, uci: Path, write_uci: Callable[[str], None]
) -> None:
    write_uci("\nconfig config\n\toption PCAP_FILTER 'udp port 1 or udp port 2'\n\n")
    form = visitor.get("/settings").form("/settings")
    assert form.value("PCAP_FILTER") == "udp port 1 or udp port 2"
    assert not form.values("spa_port")
    save(visitor, MAX_SPA_PACKET_AGE="60")
    assert options(uci, "config")[0]["PCAP_FILTER"] == "udp port 1 or udp port 2"


def test_default_that_is_on_can_be_switched_off(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    save(visitor, ENABLE_NAT_DNS=[], ENABLE_IPT_FORWARDING=[])
    assert options(uci, "config") == [{"ENABLE_NAT_DNS": "N"}]
    settings = configuration_from_uci(package(uci), "f").settings
    assert not settings.enable_nat_dns
    assert not settings.enable_ipt_forwarding


def test_missing_sections_are_made_and_global_comes_first(
    visitor: Visitor, daemon: StubDaemon, uci: Path, write_uci: Callable[[str], None]
) -> None:
    write_uci("\nconfig access\n\toption SOURCE 'ANY'\n\toption KEY 'x'\n\n")
    save(visitor, uci_enabled="1", network="wan6", MAX_SPA_PACKET_AGE="60")
    types = [section.type for section in package(uci).sections]
    assert types[0] == "global"
    assert sorted(types) == ["access", "config", "global", "network"]
    configuration = configuration_from_uci(package(uci), "f")
    assert configuration.network == "wan6"
    assert configuration.settings.max_spa_packet_age == 60


def test_option_is_changed_where_it_counts(
    visitor: Visitor, daemon: StubDaemon, uci: Path, write_uci: Callable[[str], None]
) -> None:
    write_uci(
        "\nconfig config\n\toption MAX_SPA_PACKET_AGE '10'\n\toption VERBOSE '1'\n"
        "\nconfig config\n\toption MAX_SPA_PACKET_AGE '20'\n\n"
    )
    assert visitor.get("/settings").form("/settings").value("MAX_SPA_PACKET_AGE") == "20"
    save(visitor, MAX_SPA_PACKET_AGE="30")
    first, second = options(uci, "config")
    assert first == {"MAX_SPA_PACKET_AGE": "10", "VERBOSE": "1"}
    assert second == {"MAX_SPA_PACKET_AGE": "30"}


@pytest.mark.parametrize(
    ("option", "typed"),
    [
        ("spa_port", "0"),
        ("spa_port", "ssh"),
        ("spa_port", "0000199999999"),
        ("MAX_SPA_PACKET_AGE", "0"),
        ("MAX_SPA_PACKET_AGE", "two minutes"),
        ("PCAP_INTF", "eth0; reboot"),
        ("fw_access_timeout", "-5"),
        ("fw_access_timeout", "30 seconds"),
        ("fw_access_timeout", "9" * 5000),
        ("max_fw_timeout", "2147483648"),
        ("TCPSERV_PORT", "70000"),
        ("network", "wan\nlan"),
    ],
)
def test_bad_values_are_marked_at_their_field(
    option: str, typed: str, visitor: Visitor, uci: Path
) -> None:
    before = uci.read_bytes()
    page = save(visitor, **{option: typed})
    assert page.status == 422
    fields = {a["name"]: a for t, a in page.tags if t == "input" and "name" in a}
    assert fields[option].get("aria-invalid") == "true"
    assert fields[option]["value"] == typed.strip()
    assert uci.read_bytes() == before


def test_default_open_time_is_what_new_clients_start_with(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    save(visitor, fw_access_timeout="90", max_fw_timeout="600")
    form = visitor.get("/clients/add").main_form()
    assert form.value("FW_ACCESS_TIMEOUT") == "90"
    assert form.value("MAX_FW_TIMEOUT") == "600"


def test_cleared_option_is_cleared_in_all_sections(
    visitor: Visitor, daemon: StubDaemon, uci: Path, write_uci: Callable[[str], None]
) -> None:
    write_uci(
        "\nconfig config\n\toption MAX_SPA_PACKET_AGE '10'\n\toption ENABLE_UDP_SERVER 'Y'\n"
        "\nconfig config\n\toption MAX_SPA_PACKET_AGE '20'\n\toption ENABLE_UDP_SERVER 'Y'\n\n"
    )
    save(visitor, MAX_SPA_PACKET_AGE="", ENABLE_UDP_SERVER=[])
    assert options(uci, "config") == [{}, {}]
    settings = configuration_from_uci(package(uci), "f").settings
    assert settings.max_spa_packet_age == 120
    assert not settings.enable_udp_server


@pytest.mark.parametrize("values", [("1", "0"), ("0", "1"), ("1", "1")], ids="-".join)
def test_overwrite_is_off_only_when_no_section_has_it_on(
    values: tuple[str, str],
    visitor: Visitor,
    daemon: StubDaemon,
    uci: Path,
    write_uci: Callable[[str], None],
) -> None:
    write_uci("".join(f"\nconfig global\n\toption uci_enabled '{v}'\n" for v in values))
    assert visitor.get("/settings").form("/settings").values("uci_enabled") == ["1"]
    save(visitor, uci_enabled=[])
    assert not uci_enabled(package(uci))
    save(visitor, uci_enabled="1")
    assert uci_enabled(package(uci))


def test_other_ways_to_knock_and_gpg_are_set_here(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    ticked = dict.fromkeys(("ENABLE_TCP_SERVER", "ENABLE_SPA_OVER_HTTP"), "1")
    save(visitor, TCPSERV_PORT="8062", GPG_HOME_DIR="/etc/gnupg", firewall="iptables", **ticked)
    settings = configuration_from_uci(package(uci), "f").settings
    assert settings.enable_tcp_server
    assert settings.enable_spa_over_http
    assert settings.tcpserv_port == 8062
    assert options(uci, "config")[0]["firewall"] == "iptables"
    assert options(uci, "config")[0]["GPG_HOME_DIR"] == "/etc/gnupg"
    save(visitor, firewall="auto", TCPSERV_PORT="", GPG_HOME_DIR="", ENABLE_TCP_SERVER=[])
    left = options(uci, "config")[0].keys()
    assert not {"firewall", "TCPSERV_PORT", "GPG_HOME_DIR", "ENABLE_TCP_SERVER"} & left


def test_both_configurations_are_compared(visitor: Visitor, uci: Path, tmp_path: Path) -> None:
    before = uci.read_bytes()
    assert "Compare with the files" not in visitor.get("/settings").text
    classic_files(tmp_path / "fwknop")
    page = visitor.press(visitor.get("/settings").form("/settings"), "Compare with the files")
    assert "access.conf" in page.text
    assert "will add" in page.text
    assert page.staged == 0
    assert uci.read_bytes() == before


def test_networks_are_ticked(visitor: Visitor, daemon: StubDaemon, uci: Path) -> None:
    (uci.parent / "network").write_text(NETWORKS)
    page = save(visitor, network_tick=["lan", "uplink"], network="vpn")
    assert options(uci, "network") == [{"network": "lan uplink vpn"}]
    form = page.form("/settings")
    assert form.values("network_tick") == ["lan", "uplink"]
    assert form.value("network") == "vpn"
    assert "uplink eth1" in page.text
    assert "There is no network “vpn”" in page.text
    before = uci.read_bytes()
    save(visitor)
    assert uci.read_bytes() == before
    save(visitor, network_tick=["uplink"], network="")
    assert options(uci, "network") == [{"network": "uplink"}]


def test_unknown_options_are_kept(
    visitor: Visitor, daemon: StubDaemon, uci: Path, write_uci: Callable[[str], None]
) -> None:
    write_uci("\nconfig config\n\toption BRAND_NEW 'x'\n\nconfig other 'thing'\n\tlist l 'y'\n\n")
    save(visitor, MAX_SPA_PACKET_AGE="60")
    assert options(uci, "config")[0]["BRAND_NEW"] == "x"
    assert options(uci, "other") == [{"l": "y"}]


def test_every_option_on_the_page_is_in_the_table() -> None:
    from fwknop_webui.settings_fields import LONGEST_TIME, OPEN_TIME, SPA_PORT, groups
    from fwknop_webui.spa_port import PortOptions

    for options_ in (PortOptions("", "", False), PortOptions("tcp", "", False)):
        for group in groups(options_):
            for field in group.fields:
                assert field.variable or field in (SPA_PORT, OPEN_TIME, LONGEST_TIME), field.option


def test_device_and_network_are_suggested(visitor: Visitor) -> None:
    page = visitor.get("/settings")
    lists = {a["list"] for t, a in page.tags if t == "input" and "list" in a}
    assert lists == {"networks", "devices"}
    assert {a["id"] for t, a in page.tags if t == "datalist"} == lists


def test_networks_of_the_router_are_offered(visitor: Visitor, uci: Path) -> None:
    assert '<option value="wan6">' in visitor.get("/settings").html
    (uci.parent / "network").write_text(NETWORKS)
    html = visitor.get("/settings").html
    (listed,) = re.findall(r'<datalist id="networks">(.*)</datalist>', html)
    assert re.findall(r'value="([^"]*)"', listed) == ["lan", "uplink"]


@pytest.mark.parametrize("damage", ["config interface 'wan", "\x00", "config interface\n"])
def test_network_file_that_says_nothing_breaks_nothing(
    damage: str, visitor: Visitor, uci: Path
) -> None:
    (uci.parent / "network").write_text(damage)
    assert '<option value="wan">' in visitor.get("/settings").html


def test_misspelt_network_is_pointed_out(visitor: Visitor, daemon: StubDaemon, uci: Path) -> None:
    (uci.parent / "network").write_text(NETWORKS)
    assert "There is no network" not in visitor.get("/settings").text
    text = save(visitor, network="upling").text
    assert "There is no network “upling” in /etc/config/network" in text
    assert "There are: lan, uplink." in text
    assert "There is no network" not in save(visitor, network="uplink").text


def test_empty_fields_say_what_is_used_instead(visitor: Visitor) -> None:
    page = visitor.get("/settings")
    fields = {a["name"]: a for t, a in page.tags if t == "input" and "name" in a}
    assert fields["network"]["placeholder"] == "wan"
    assert fields["PCAP_INTF"]["placeholder"] == "that of the network"
    assert "Left empty: the device below, or wan" in page.text
