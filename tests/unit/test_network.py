"""Which device a logical network is on, from recorded answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fwknopd.network import NetworkError, find_device, parse_dump

DATA = Path(__file__).parent.parent / "data" / "ubus"


def dump(name: str) -> str:
    return (DATA / f"network.interface.dump-{name}.json").read_text()


def entry(name: str, device: str = "", up: bool = True) -> dict[str, object]:
    return {"interface": name, "up": up, **({"l3_device": device} if device else {})}


@pytest.mark.parametrize(
    ("recorded", "network", "device"),
    [
        ("static", "wan", "eth1"),
        ("static", "lan", "br-lan"),
        ("static", "wan6", "eth1"),
        ("dhcp", "wan", "eth1"),
        ("pppoe", "wan", "pppoe-wan"),
        ("pppoe", "wan_6", "pppoe-wan"),
        ("wan-down", "lan", "br-lan"),
    ],
)
def test_devices_of_recorded_networks(recorded: str, network: str, device: str) -> None:
    assert find_device(parse_dump(dump(recorded)), network) == device


def test_a_network_that_is_down_is_not_mistaken_for_the_port_below_it() -> None:
    with pytest.raises(NetworkError, match="the network wan is down") as raised:
        find_device(parse_dump(dump("wan-down")), "wan")
    assert "ifup wan" in raised.value.remedy


def test_an_unknown_network_lists_those_there_are() -> None:
    with pytest.raises(NetworkError, match="no network 'wam'") as raised:
        find_device(parse_dump(dump("static")), "wam")
    assert raised.value.remedy == "Choose one of: lan, loopback, wan, wan6"


def test_a_network_on_top_of_another_has_its_device() -> None:
    networks = parse_dump(json.dumps({"interface": [entry("a", "@b"), entry("b", "eth7")]}))
    assert find_device(networks, "a") == "eth7"


LAN = {"interface": "lan", "up": True, "proto": "static", "device": "br-lan"}
UPLINKS: dict[str, tuple[list[dict[str, object]], dict[str, str]]] = {
    "DS-Lite": (
        [
            {"interface": "wan", "up": True, "device": "@wan6", "l3_device": "ds-wan"},
            {"interface": "wan6", "up": True, "device": "eth1", "l3_device": "eth1"},
        ],
        {"wan": "ds-wan", "wan6": "eth1"},
    ),
    "6in4, which has no device below": (
        [
            {"interface": "wan", "up": True, "device": "eth1", "l3_device": "eth1"},
            {"interface": "wan6", "up": True, "l3_device": "6in4-wan6"},
        ],
        {"wan": "eth1", "wan6": "6in4-wan6"},
    ),
    "a modem, whose lower device is a file": (
        [
            {"interface": "wan", "up": True, "device": "/dev/cdc-wdm0", "l3_device": "wwan0"},
            {"interface": "wan_4", "up": True, "device": "@wan", "dynamic": True},
        ],
        {"wan": "wwan0", "wan_4": "wwan0"},
    ),
    "an alias without a device of its own": (
        [
            {"interface": "wan", "up": True, "device": "eth1", "l3_device": "pppoe-wan"},
            {"interface": "wan6", "up": True, "proto": "dhcpv6", "device": "@wan"},
        ],
        {"wan": "pppoe-wan", "wan6": "pppoe-wan"},
    ),
    "a bridge, and a VLAN of a switch": (
        [
            {"interface": "wan", "up": True, "device": "br-wan", "l3_device": "br-wan"},
            {"interface": "wanb", "up": True, "device": "eth0.2", "l3_device": "eth0.2"},
        ],
        {"wan": "br-wan", "wanb": "eth0.2"},
    ),
    "a device that is null": (
        [{"interface": "wan", "up": True, "l3_device": None, "device": "lan4"}],
        {"wan": "lan4"},
    ),
}


@pytest.mark.parametrize("kind", UPLINKS)
def test_devices_of_other_uplinks(kind: str) -> None:
    entries, devices = UPLINKS[kind]
    networks = parse_dump(json.dumps({"interface": [LAN, *entries]}))
    assert {name: find_device(networks, name) for name in devices} == devices


@pytest.mark.parametrize(
    "below", [{"interface": "wan", "up": False, "device": "eth1"}, {"interface": "loopback"}]
)
def test_what_rides_on_a_network_that_is_down_or_gone_has_no_device(
    below: dict[str, object],
) -> None:
    """At boot, or while it redials; netifd says of a network that waits that it is not up."""
    rider = {"interface": "wan6", "up": True, "device": "@wan"}
    networks = parse_dump(json.dumps({"interface": [below, rider]}))
    with pytest.raises(NetworkError):
        find_device(networks, "wan6")


def test_networks_in_a_circle_are_named() -> None:
    networks = parse_dump(json.dumps({"interface": [entry("a", "@b"), entry("b", "@a")]}))
    with pytest.raises(NetworkError, match="the network a leads back to itself"):
        find_device(networks, "a")


@pytest.mark.parametrize(
    "text",
    [
        *("", "nothing", "[]", "{}", "[" * 5000),
        *('{"interface": 5}', '{"interface": [5]}', '{"interface": [{}]}'),
    ],
)
def test_other_answers_are_one_error(text: str) -> None:
    with pytest.raises(NetworkError, match="can't be read"):
        parse_dump(text)


@pytest.mark.parametrize("name", ['x"; drop', "any", "../eth1", "/dev/cdc-wdm0", "mac~1"])
def test_a_device_no_rule_can_name_is_said(name: str) -> None:
    networks = parse_dump(json.dumps({"interface": [entry("wan", name)]}))
    with pytest.raises(NetworkError, match="of the network wan can't be used"):
        find_device(networks, "wan")
