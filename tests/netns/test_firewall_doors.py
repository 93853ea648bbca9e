"""Doors as a user meets them: real connections through the real fw4's rules."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings

from fwknopd.firewall import FirewallError, TimedDoor
from fwknopd.firewall.nftables import NftablesFirewall
from fwknopd.grants import Door
from tests.netns.conftest import (
    CLIENT,
    CLIENT6,
    GUEST,
    HOST,
    ROUTER,
    ROUTER6,
    ROUTER_GUEST,
    STRANGER,
    STRANGER6,
    Site,
)
from tests.netns.probes import (
    Outcome,
    arrives,
    closing_time,
    connect,
    listen_tcp,
    try_tcp,
    udp_server,
)
from tests.unit.firewall.doors import door
from tests.unit.firewall.kinds import NFT_DOOR_LISTS

pytestmark = [pytest.mark.root, pytest.mark.nft]

SSH = door(CLIENT, "tcp/22")
SCENARIOS = (
    "default",
    "defaults-drop",
    "guest-zone",
    "redirect",
    "wan-drop",
    "wan-log",
    "zone-by-device",
)
# Seconds a door may shut early or late: a timer tick of the kernel, and what the
# machine makes of it.
TOLERANCE = 0.15


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_door_opens_for_one_address_and_port(
    site: Site, firewall: NftablesFirewall, scenario: str
) -> None:
    site.reset(scenario)
    with site.router.entered():
        firewall.start(["eth1"])
    assert site.tcp(22) is not Outcome.CONNECTED
    firewall.open([TimedDoor(SSH, 30)])
    assert site.tcp(22) is Outcome.CONNECTED
    assert site.tcp(22, source=STRANGER) is not Outcome.CONNECTED
    assert site.tcp(8080) is not Outcome.CONNECTED


def test_doors_work_over_ipv6(site: Site, firewall: NftablesFirewall) -> None:
    firewall.open([TimedDoor(door(CLIENT6, "tcp/22"), 30)])
    assert site.tcp(22, CLIENT6, ROUTER6) is Outcome.CONNECTED
    assert site.tcp(22, STRANGER6, ROUTER6) is not Outcome.CONNECTED
    assert site.tcp(8080, CLIENT6, ROUTER6) is not Outcome.CONNECTED
    # The same client's IPv4 address did not knock.
    assert site.tcp(22) is not Outcome.CONNECTED


def test_doors_work_for_udp_and_do_not_open_tcp(site: Site, firewall: NftablesFirewall) -> None:
    with udp_server(site.router, ROUTER, 22) as server:
        assert not arrives(site.outside, CLIENT, server, ROUTER, 22)
        firewall.open([TimedDoor(door(CLIENT, "udp/22"), 30)])
        assert arrives(site.outside, CLIENT, server, ROUTER, 22)
        assert not arrives(site.outside, STRANGER, server, ROUTER, 22)
    assert site.tcp(22) is not Outcome.CONNECTED


def test_several_doors_open_in_one_call(site: Site, firewall: NftablesFirewall) -> None:
    firewall.open([TimedDoor(SSH, 30), TimedDoor(door(CLIENT, "tcp/8080"), 30)])
    assert site.tcp(22) is Outcome.CONNECTED
    assert site.tcp(8080) is Outcome.CONNECTED


def test_all_doors_of_a_call_open_or_none(site: Site, firewall: NftablesFirewall) -> None:
    # As if somebody had broken the table: there is no set for IPv6 any more.
    site.router.nft("flush table inet fwknopd; delete set inet fwknopd open6")
    with pytest.raises(FirewallError):
        firewall.open([TimedDoor(SSH, 30), TimedDoor(door(CLIENT6, "tcp/22"), 30)])
    assert CLIENT not in site.list_ruleset()


def test_a_door_that_makes_no_sense_keeps_the_others_shut(
    site: Site, firewall: NftablesFirewall
) -> None:
    nonsense = door(CLIENT6, "tcp/22", f"{HOST}:22")
    with pytest.raises(FirewallError, match="IPv4"):
        firewall.open([TimedDoor(SSH, 30), TimedDoor(nonsense, 30)])
    assert site.tcp(22) is not Outcome.CONNECTED


def test_the_kernel_shuts_a_door_on_time(site: Site, firewall: NftablesFirewall) -> None:
    before = time.monotonic()
    firewall.open([TimedDoor(SSH, 1.2)])
    opened = time.monotonic()
    last_open, first_shut = closing_time(site.outside, CLIENT, ROUTER, 22)
    assert last_open - opened < 1.2 + TOLERANCE
    assert first_shut - before > 1.2 - TOLERANCE


def test_knocking_again_extends_and_does_not_stack(site: Site, firewall: NftablesFirewall) -> None:
    firewall.open([TimedDoor(SSH, 1.0)])
    assert site.tcp(22) is Outcome.CONNECTED
    before = time.monotonic()
    firewall.open([TimedDoor(SSH, 1.5)])
    opened = time.monotonic()
    last_open, first_shut = closing_time(site.outside, CLIENT, ROUTER, 22)
    assert last_open - opened < 1.5 + TOLERANCE
    assert first_shut - before > 1.5 - TOLERANCE


def test_a_door_is_never_shut_while_its_time_changes(
    site: Site, firewall: NftablesFirewall
) -> None:
    firewall.open([TimedDoor(SSH, 30)])
    done = threading.Event()

    def renew() -> None:
        while not done.is_set():
            firewall.open([TimedDoor(SSH, 30)])

    renewing = threading.Thread(target=renew)
    renewing.start()
    outcomes = {site.tcp(22) for _ in range(1000)}
    done.set()
    renewing.join()
    assert outcomes == {Outcome.CONNECTED}


def test_closing_shuts_a_door_at_once(site: Site, firewall: NftablesFirewall) -> None:
    other = door(CLIENT, "tcp/8080")
    firewall.open([TimedDoor(SSH, 30), TimedDoor(other, 30)])
    firewall.close([SSH])
    assert site.tcp(22) is not Outcome.CONNECTED
    assert site.tcp(8080) is Outcome.CONNECTED
    firewall.close([SSH, door(STRANGER, "tcp/22")])
    assert [timed.door for timed in firewall.read()] == [other]


def test_a_connection_outlives_its_door(site: Site, firewall: NftablesFirewall) -> None:
    with listen_tcp(site.router, 7000) as listener:
        firewall.open([TimedDoor(door(CLIENT, "tcp/7000"), 30)])
        client = connect(site.outside, CLIENT, ROUTER, 7000)
        server, _ = listener.accept()
        firewall.close([door(CLIENT, "tcp/7000")])
        with client, server:
            assert site.tcp(7000) is not Outcome.CONNECTED
            client.sendall(b"still here")
            assert server.recv(100) == b"still here"


def test_only_captured_devices_are_let_in(site: Site, firewall: NftablesFirewall) -> None:
    firewall.open([TimedDoor(door(GUEST, "tcp/22"), 30)])
    assert try_tcp(site.guest, GUEST, ROUTER_GUEST, 22) is not Outcome.CONNECTED


@pytest.mark.parametrize("devices", [["eth2"], ["eth1", "eth2"], ["any"]])
def test_other_devices_can_be_captured_later(
    site: Site, firewall: NftablesFirewall, devices: list[str]
) -> None:
    firewall.open([TimedDoor(SSH, 30), TimedDoor(door(GUEST, "tcp/22"), 30)])
    with site.router.entered():
        firewall.start(devices)
    assert try_tcp(site.guest, GUEST, ROUTER_GUEST, 22) is Outcome.CONNECTED
    assert (site.tcp(22) is Outcome.CONNECTED) == (devices != ["eth2"])


def test_other_bits_of_the_mark_are_left_alone(site: Site, firewall: NftablesFirewall) -> None:
    site.router.nft(
        """
        table inet witness {
            chain before {
                type filter hook input priority filter - 20
                meta mark set 0x00003f01
            }
            chain after {
                type filter hook input priority filter - 5
                ct state new meta mark 0x40003f01 counter name "both"
                ct state new meta mark 0x00003f01 counter name "other"
            }
            counter both { }
            counter other { }
        }
    """.replace("table", "add table inet witness\ntable", 1)
    )
    firewall.open([TimedDoor(SSH, 30)])
    assert site.tcp(22) is Outcome.CONNECTED
    assert site.tcp(8080) is not Outcome.CONNECTED
    counters = site.router.run("nft", "list", "counters", "table", "inet", "witness")
    packets = [line.split()[1] for line in counters.splitlines() if "packets" in line]
    assert packets[0] == "1"
    assert int(packets[1]) >= 1


@given(doors=NFT_DOOR_LISTS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_kernel_returns_the_doors_it_was_given(
    firewall: NftablesFirewall, doors: list[Door]
) -> None:
    firewall.open([TimedDoor(item, 100 + number) for number, item in enumerate(doors)])
    held = {timed.door: timed.seconds for timed in firewall.read()}
    assert set(held) == set(doors)
    for number, item in enumerate(doors):
        assert held[item] == pytest.approx(100 + number, abs=5)
    firewall.open([TimedDoor(item, 300) for item in doors])
    again = firewall.read()
    assert {timed.door for timed in again} == set(doors)
    assert len(again) == len(doors)
    assert all(timed.seconds == pytest.approx(300, abs=5) for timed in again)
    firewall.close(doors)
    assert firewall.read() == []
