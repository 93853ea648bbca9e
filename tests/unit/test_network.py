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


def test_a_device_no_rule_can_name_is_said() -> None:
    networks = parse_dump(json.dumps({"interface": [entry("wan", 'x"; drop')]}))
    with pytest.raises(NetworkError, match="of the network wan can't be used"):
        find_device(networks, "wan")
