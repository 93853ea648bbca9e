"""The TCP listener beside the other captures: one knock is one verdict, and a reload moves it."""

from __future__ import annotations

import pytest

from fwknopd.policy.packet import Packet
from tests.unit.service.rig import Rig

LISTENER = "tcp port 62201"
ON = "PCAP_INTF eth1;\nENABLE_TCP_SERVER Y;\n"


def heard(packet: Packet) -> Packet:
    """The packet as the listener hands it over."""
    return packet._replace(protocol=6, via="tcp")


@pytest.fixture
def listening(rig: Rig) -> Rig:
    rig.conf(ON)
    rig.start()
    return rig


def test_it_listens_beside_the_sniffer_and_says_so(listening: Rig) -> None:
    assert [row["name"] for row in listening.ask("status")["captures"]] == ["eth1", LISTENER]
    assert listening.capture(LISTENER)["kind"] == "tcp"
    assert listening.events("capture") == [
        "Sniffing interface: eth1",
        f"Listening on {LISTENER}",
    ]
    assert listening.firewall.covers == ("eth1",), "it hears everybody, and opens where told"


def test_a_knock_is_judged_once_whoever_saw_it(listening: Rig) -> None:
    packet = listening.packet()
    listening.devices.put(LISTENER, heard(packet))
    listening.devices.put("eth1", packet._replace(protocol=6))
    listening.settle()
    assert listening.verdicts() == ["accepted"]


def test_a_copy_from_elsewhere_is_a_replay(listening: Rig) -> None:
    packet = heard(listening.packet())
    for port in (40000, 40001):
        listening.devices.put(LISTENER, packet._replace(source_port=port))
        listening.settle()
    assert listening.verdicts() == ["accepted", "replay"]


def test_a_connection_whose_time_is_over_is_looked_after(listening: Rig) -> None:
    [pipe] = listening.devices.on(LISTENER)
    due = listening.clock.monotonic() + 1
    pipe.hold(heard(listening.packet()), until=due)
    assert listening.service.intake.next_due() == due
    listening.settle()
    assert listening.verdicts() == []
    listening.pass_time(1)
    assert listening.verdicts() == ["accepted"]


def test_a_reload_moves_it_and_leaves_the_sniffer_alone(listening: Rig) -> None:
    listening.conf(f"{ON}TCPSERV_PORT 62202;\n")
    assert listening.ask("reload")["reloaded"] is True
    assert listening.devices.on(LISTENER) == []
    assert len(listening.devices.on("tcp port 62202")) == 1
    assert [pipe.name for pipe in listening.devices.opened].count("eth1") == 1
    assert listening.knock() == "accepted"
    listening.conf("PCAP_INTF eth1;\n")
    listening.ask("reload")
    assert [row["name"] for row in listening.ask("status")["captures"]] == ["eth1"]


def test_a_knock_that_waits_at_the_reload_is_not_lost_nor_judged_twice(listening: Rig) -> None:
    packet = listening.packet()
    listening.devices.put("eth1", packet._replace(protocol=6))
    listening.settle()
    listening.devices.put(LISTENER, heard(packet), heard(listening.packet()))
    listening.conf(f"{ON}TCPSERV_PORT 62202;\n")
    listening.ask("reload")
    listening.settle()
    assert listening.verdicts() == ["accepted", "accepted"]


def test_beside_the_udp_socket(rig: Rig) -> None:
    rig.conf("ENABLE_UDP_SERVER Y;\nENABLE_TCP_SERVER Y;\n")
    rig.start()
    assert len(rig.devices.opened) == 2
    for capture in ("udp port 62201", LISTENER):
        assert rig.knock(capture) == "accepted"


def test_an_open_listener_excuses_no_bad_filter(rig: Rig) -> None:
    rig.conf(ON)
    rig.start()
    rig.conf(f"{ON}PCAP_INTF later0;\nPCAP_FILTER udp prot 62201;\n")
    [problem] = rig.ask("reload")["problems"]
    assert problem["option"] == "PCAP_FILTER"
