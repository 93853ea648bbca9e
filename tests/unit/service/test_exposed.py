"""The verb `exposed`: who is told what of ports that are open to anybody."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from ipaddress import ip_address
from typing import Any

import pytest

from fwknopd import exposed_ports
from fwknopd.control.protocol import VerbError, encode_result
from fwknopd.exposed_ports import BELIEVED, REST, SLOW, ExposedPorts
from fwknopd.firewall import FirewallError
from fwknopd.firewall.exposure import MOST_PORTS, Exposure, Found
from fwknopd.firewall.nftables import NftablesFirewall
from fwknopd.spa.request import PortSpec, Protocol
from tests.unit.service.doubles import SteppedClock
from tests.unit.service.rig import Rig

Json = dict[str, Any]
SSH = PortSpec(Protocol.TCP, 22)


class Looks:
    """In place of nft: what is found, and what was asked for."""

    def __init__(self, clock: SteppedClock) -> None:
        self.clock = clock
        self.seconds = 0.0
        self.most = MOST_PORTS
        self.ports: list[set[str]] = []
        self.found: list[Exposure] = []
        self.fault = ""

    def __call__(
        self, ports: Collection[PortSpec], mark: int, devices: Sequence[str], own_table: str
    ) -> Found:
        self.ports.append(set(map(str, ports)))
        assert (mark, own_table) == (0x40000000, "inet fwknopd")
        if self.fault:
            raise FirewallError(self.fault)
        self.clock.advance(self.seconds)
        judged = frozenset(sorted(ports)[: self.most])
        return Found(("eth1",), judged, tuple(e for e in self.found if e.port in judged))


@pytest.fixture
def looks(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Looks:
    """A daemon whose firewall is nftables, as far as it is asked about strangers."""
    rig.start()
    looks = Looks(rig.clock)
    monkeypatch.setattr(exposed_ports, "exposed", looks)
    monkeypatch.setattr(rig.service.engine, "firewall", NftablesFirewall())
    return looks


@pytest.fixture
def asked(rig: Rig, looks: Looks) -> ExposedPorts:
    return ExposedPorts(rig.service)


def told(asked: ExposedPorts, **arguments: object) -> Json:
    answer = asked.told(arguments)
    encode_result(answer)
    return answer


def exposure(version: int = 4, reach: str = "open", **more: Any) -> Exposure:
    usual = {"how": "rule", "name": "Allow-SSH\n", "chain": "inet fw4 input_wan"}
    return Exposure(SSH, "eth1", version, reach, **{**usual, **more})


def test_a_port_that_is_open_anyway_is_told_with_its_clients(
    asked: ExposedPorts, looks: Looks
) -> None:
    looks.found = [exposure(4), exposure(6)]
    answer = told(asked)
    [port] = answer["ports"]
    assert (port["port"], port["versions"], port["name"]) == ("tcp/22", [4, 6], "Allow-SSH\\x0a")
    assert len(port["clients"]) == 1
    assert port["leads_to"] == ""
    assert answer["devices"] == ["eth1"]
    assert "tcp/22" not in answer["closed"]


def test_ports_that_nobody_asked_for_are_closed(asked: ExposedPorts, looks: Looks) -> None:
    assert told(asked)["closed"] == ["tcp/22"]
    answer = told(asked, ports="udp/53,tcp/80")
    assert (answer["closed"], answer["ports"]) == (["tcp/80", "udp/53"], [])


@pytest.mark.parametrize(
    ("led", "place"),
    [
        ({"address": ip_address("192.168.1.5"), "inside": 22}, "192.168.1.5:22"),
        ({"address": ip_address("192.168.1.5")}, "192.168.1.5"),
        ({"here": True, "inside": 8022}, ":8022"),
        ({}, "?"),
    ],
)
def test_where_strangers_are_led_to_is_told(
    asked: ExposedPorts, looks: Looks, led: Json, place: str
) -> None:
    looks.found = [exposure(led=True, how="redirect", **led)]
    assert told(asked)["ports"][0]["leads_to"] == place


def test_an_answer_is_believed_for_a_while(rig: Rig, asked: ExposedPorts, looks: Looks) -> None:
    told(asked)
    told(asked)
    assert len(looks.ports) == 1
    rig.clock.advance(BELIEVED)
    told(asked)
    told(asked, anew=True)
    assert len(looks.ports) == 3
    told(asked, ports="tcp/80")
    assert looks.ports[3] == {"tcp/80"}


def test_why_nothing_can_be_told_is_told(asked: ExposedPorts, looks: Looks) -> None:
    looks.fault = "nft is gone"
    answer = told(asked)
    assert (answer["detail"], answer["ports"], answer["closed"]) == ("nft is gone", [], [])


def test_other_firewalls_are_not_judged(rig: Rig) -> None:
    rig.start()
    assert "is told where the firewall is nftables" in told(ExposedPorts(rig.service))["detail"]


def test_of_very_many_ports_the_rest_is_counted(asked: ExposedPorts, looks: Looks) -> None:
    answer = told(asked, ports=",".join(f"tcp/{port}" for port in range(1, MOST_PORTS + 8)))
    assert len(looks.ports[0]) == MOST_PORTS
    assert answer["more"] == 7


def test_a_port_is_closed_only_if_it_was_judged(asked: ExposedPorts, looks: Looks) -> None:
    looks.most = 2
    answer = told(asked, ports="tcp/1,tcp/2,tcp/3,tcp/4")
    assert (answer["closed"], answer["more"]) == (["tcp/1", "tcp/2"], 2)


def test_a_look_that_takes_long_is_not_repeated_at_once(
    rig: Rig, asked: ExposedPorts, looks: Looks
) -> None:
    """Knocks wait for it."""
    looks.seconds = 2 * SLOW
    first = told(asked)
    assert told(asked, anew=True) == first
    assert "ask again in" in told(asked, ports="tcp/80", anew=True)["detail"]
    assert len(looks.ports) == 1
    rig.clock.advance(REST * looks.seconds)
    assert told(asked, ports="tcp/80")["closed"] == ["tcp/80"]


@pytest.mark.parametrize("ports", ["22", "tcp/0", "tcp/22 udp/53", "tcp/99999", "tcp/22,é"])
def test_what_is_no_port_is_refused(asked: ExposedPorts, ports: str) -> None:
    with pytest.raises(VerbError, match="these are no ports"):
        told(asked, ports=ports)
