"""Doors that lead elsewhere: to a LAN host, or to another port of the router."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import permutations

import pytest

from fwknopd.clock import SystemClock
from fwknopd.door_requests import DoorRequest
from fwknopd.firewall import TimedDoor
from fwknopd.firewall.nftables import NftablesFirewall
from fwknopd.grants import Door
from fwknopd.open_doors import OpenDoors
from tests.netns.conftest import (
    CLIENT,
    CLIENT6,
    HOST,
    HOST6,
    ROUTER,
    ROUTER6,
    ROUTER_LAN,
    STRANGER,
    Site,
)
from tests.netns.probes import Outcome, arrives, closing_time, connect, greeter, udp_server
from tests.unit.firewall.doors import door

pytestmark = [pytest.mark.root, pytest.mark.nft]

TO_HOST = door(CLIENT, "tcp/4000", f"{HOST}:7000")
# Seconds a door may shut early or late.
TOLERANCE = 0.15


def greeting(site: Site, source: str, address: str, port: int) -> str:
    """What the server behind a port says first: who it is."""
    with connect(site.outside, source, address, port) as client:
        return client.recv(100).decode()


def open_for(firewall: NftablesFirewall, *doors: Door, seconds: float = 30) -> None:
    firewall.open([TimedDoor(item, seconds) for item in doors])


@pytest.fixture(autouse=True)
def _greeters(site: Site) -> Iterator[None]:
    """Servers on port 7000 of router and host, and on 7001 of the host."""
    with (
        greeter(site.router, 7000, "router"),
        greeter(site.host, 7000, "host"),
        greeter(site.host, 7001, "host, other port"),
    ):
        yield


def test_a_port_of_the_router_leads_to_a_lan_host(site: Site, firewall: NftablesFirewall) -> None:
    assert site.tcp(4000) is not Outcome.CONNECTED
    open_for(firewall, TO_HOST)
    assert greeting(site, CLIENT, ROUTER, 4000) == "host"
    assert site.tcp(4000, source=STRANGER) is not Outcome.CONNECTED
    assert site.tcp(7000) is not Outcome.CONNECTED


def test_the_router_and_its_lan_stay_shut_on_the_inside_port(
    site: Site, firewall: NftablesFirewall
) -> None:
    # The outside has a route to the LAN here, so only the firewall keeps it away.
    open_for(firewall, TO_HOST, door(CLIENT, "tcp/4001", f"{ROUTER}:22", local=True))
    assert site.tcp(7000, address=HOST) is not Outcome.CONNECTED
    assert site.tcp(22) is not Outcome.CONNECTED


def test_a_translated_port_leads_to_another_port_of_the_router(
    site: Site, firewall: NftablesFirewall
) -> None:
    open_for(firewall, door(CLIENT, "tcp/4000", f"{ROUTER_LAN}:7000", local=True))
    assert greeting(site, CLIENT, ROUTER, 4000) == "router"
    assert site.tcp(4000, source=STRANGER) is not Outcome.CONNECTED
    assert site.tcp(7000) is not Outcome.CONNECTED


def test_a_local_door_leads_nowhere_but_the_router(site: Site, firewall: NftablesFirewall) -> None:
    open_for(firewall, door(CLIENT, "tcp/4000", f"{HOST}:7000", local=True))
    assert site.tcp(4000) is not Outcome.CONNECTED
    open_for(firewall, door(CLIENT, "tcp/4001", f"{ROUTER_LAN}:7000", local=False))
    assert site.tcp(4001) is not Outcome.CONNECTED


def test_udp_is_translated_too(site: Site, firewall: NftablesFirewall) -> None:
    with udp_server(site.host, HOST, 53) as server:
        open_for(firewall, door(CLIENT, "udp/4053", f"{HOST}:53"))
        assert arrives(site.outside, CLIENT, server, ROUTER, 4053)
        assert not arrives(site.outside, STRANGER, server, ROUTER, 4053)


def test_ipv6_is_translated_too(site: Site, firewall: NftablesFirewall) -> None:
    open_for(firewall, door(CLIENT6, "tcp/4000", f"{HOST6}:7000"))
    assert greeting(site, CLIENT6, ROUTER6, 4000) == "host"
    assert site.tcp(7000, CLIENT6, HOST6) is not Outcome.CONNECTED


def test_a_translated_door_shuts_on_time(site: Site, firewall: NftablesFirewall) -> None:
    open_for(firewall, TO_HOST, seconds=0.1)  # The rules of this kind take their time.
    before = time.monotonic()
    open_for(firewall, TO_HOST, seconds=0.8)
    opened = time.monotonic()
    last_open, first_shut = closing_time(site.outside, CLIENT, ROUTER, 4000)
    assert last_open - opened < 0.8 + TOLERANCE
    assert first_shut - before > 0.8 - TOLERANCE


def test_closing_shuts_a_translated_door(site: Site, firewall: NftablesFirewall) -> None:
    open_for(firewall, TO_HOST)
    firewall.close([TO_HOST])
    assert site.tcp(4000) is not Outcome.CONNECTED
    assert CLIENT not in site.list_ruleset()


def test_knocking_for_another_target_changes_where_a_port_leads(
    site: Site, firewall: NftablesFirewall
) -> None:
    elsewhere = door(CLIENT, "tcp/4000", f"{HOST}:7001")
    open_for(firewall, TO_HOST)
    open_for(firewall, elsewhere)
    assert greeting(site, CLIENT, ROUTER, 4000) == "host, other port"
    assert [timed.door for timed in firewall.read()] == [elsewhere]
    # Closing what is no longer open must not shut what took its place.
    firewall.close([TO_HOST])
    assert greeting(site, CLIENT, ROUTER, 4000) == "host, other port"


def test_two_ports_to_one_target_do_not_depend_on_each_other(
    site: Site, firewall: NftablesFirewall
) -> None:
    second = door(CLIENT, "tcp/4001", f"{HOST}:7000")
    open_for(firewall, TO_HOST, seconds=30)
    open_for(firewall, second, seconds=0.3)
    closing_time(site.outside, CLIENT, ROUTER, 4001)
    assert greeting(site, CLIENT, ROUTER, 4000) == "host"
    open_for(firewall, second)
    firewall.close([second])
    assert site.tcp(4001) is not Outcome.CONNECTED
    assert greeting(site, CLIENT, ROUTER, 4000) == "host"


def test_our_translation_comes_before_a_port_forward_of_fw4(
    site: Site, firewall: NftablesFirewall
) -> None:
    # The scenario forwards tcp/2222 to port 22 of the host, for everybody.
    site.reset("redirect")
    with site.router.entered():
        firewall.start(["eth1"])
    open_for(firewall, door(CLIENT, "tcp/2222", f"{HOST}:7000"))
    assert greeting(site, CLIENT, ROUTER, 2222) == "host"
    assert site.tcp(2222, source=STRANGER) is Outcome.CONNECTED


TO_OTHER_PORT = door(CLIENT, "tcp/4000", f"{HOST}:7001")
TO_ROUTER = door(CLIENT, "tcp/4000", f"{ROUTER_LAN}:7000", local=True)
MASKED = door(CLIENT, "tcp/4000", f"{HOST}:7000", mask="masquerade")
MASKED_BY = door(CLIENT, "tcp/4000", f"{HOST}:7000", mask=ROUTER_LAN)
SEEN = {TO_HOST: "host", TO_OTHER_PORT: "host, other port", TO_ROUTER: "router"}


@pytest.mark.parametrize(
    "order",
    list(permutations((TO_HOST, TO_OTHER_PORT, TO_ROUTER, MASKED, MASKED_BY), 2)),
    ids=lambda order: " then ".join(f"{d.nat} {d.source_nat}" for d in order),
)
def test_a_door_takes_the_place_of_another_and_nothing_is_left(
    site: Site, firewall: NftablesFirewall, order: tuple[Door, Door]
) -> None:
    doors = OpenDoors(firewall, SystemClock(), lambda *_, **__: None)
    for item in order:
        (answer,) = doors.open([DoorRequest((item,), "phone", "phone", 30.0)])
        assert isinstance(answer, list)
        assert greeting(site, CLIENT, ROUTER, 4000) == SEEN.get(item, "host")
        assert [timed.door for timed in firewall.read()] == [item]
    doors.revoke(lambda _: True)
    assert CLIENT not in site.router.run("nft", "list", "table", "inet", "fwknopd")
