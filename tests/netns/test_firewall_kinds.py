"""Every kind of door, over both families, with real connections through the real fw4's rules."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from fwknopd.firewall import TimedDoor
from fwknopd.firewall.nftables import NftablesFirewall
from fwknopd.watching import WatchedNftables
from tests.netns.conftest import (
    CLIENT,
    GUEST,
    HOST,
    ROUTER,
    ROUTER_GUEST,
    STRANGER,
    Site,
)
from tests.netns.door_kinds import (
    AT_HOST,
    AT_OTHER,
    AT_ROUTER,
    IPV4,
    IPV6,
    KINDS,
    Kind,
    Side,
    place,
)
from tests.netns.probes import (
    Outcome,
    arrives,
    closing_time,
    connect,
    greeter,
    try_tcp,
    udp_server,
)
from tests.unit.firewall.doors import door

pytestmark = [pytest.mark.root, pytest.mark.nft]

every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
# Seconds a door may shut early or late.
TOLERANCE = 0.15

both_families = pytest.mark.parametrize("side", [IPV4, IPV6], ids=["IPv4", "IPv6"])


@pytest.fixture(scope="module", autouse=True)
def _greeters(_site: Site) -> Iterator[None]:
    """Servers on port 7000 of router and host, and on 7001 of the host."""
    with ExitStack() as servers:
        for machine, port, words in (
            (_site.router, 7000, AT_ROUTER),
            (_site.host, 7000, AT_HOST),
            (_site.host, 7001, AT_OTHER),
        ):
            servers.enter_context(greeter(machine, port, words))
        yield


def greeting(site: Site, source: str, address: str, port: int) -> str:
    """What the server behind a port says first: who it is."""
    with connect(site.outside, source, address, port) as client:
        return client.recv(100).decode()


def is_open(site: Site, side: Side, kind: Kind, source: str = "") -> bool:
    return try_tcp(site.outside, source or side.client, *place(side, kind)) is Outcome.CONNECTED


def assert_opens_what_it_should(site: Site, side: Side, kind: Kind, sources: list[str]) -> None:
    for address, port, words in kind.opens:
        for source in sources:
            assert greeting(site, source, address.format_map(vars(side)), port) == words
    for address, port in kind.shut:
        outcome = try_tcp(site.outside, side.client, address.format_map(vars(side)), port)
        assert outcome is not Outcome.CONNECTED


@both_families
@every_kind
def test_it_opens_what_it_should_to_one_address(
    site: Site, firewall: NftablesFirewall, side: Side, kind: Kind
) -> None:
    assert not is_open(site, side, kind)
    item = kind.door(side)
    firewall.open([TimedDoor(item, 30)])
    assert_opens_what_it_should(site, side, kind, [side.client])
    assert not is_open(site, side, kind, side.stranger)
    [timed] = firewall.read()
    assert (timed.door, 25 < timed.seconds <= 30) == (item, True)
    firewall.close([item])
    assert not is_open(site, side, kind)
    assert firewall.read() == []


@both_families
@every_kind
def test_it_opens_to_a_network_and_to_nobody_outside(
    site: Site, firewall: NftablesFirewall, side: Side, kind: Kind
) -> None:
    near, wide = kind.door(side, prefix=side.near), kind.door(side, prefix=side.both)
    firewall.open([TimedDoor(near, 30)])
    assert_opens_what_it_should(site, side, kind, [side.client])
    assert not is_open(site, side, kind, side.stranger)
    # A network around it, open at the same time.
    firewall.open([TimedDoor(wide, 60)])
    assert_opens_what_it_should(site, side, kind, [side.client, side.stranger])
    firewall.close([near])
    assert_opens_what_it_should(site, side, kind, [side.client, side.stranger])
    assert [timed.door for timed in firewall.read()] == [wide]
    firewall.close([wide])
    assert not is_open(site, side, kind)


@every_kind
def test_the_kernel_shuts_it_on_time(site: Site, firewall: NftablesFirewall, kind: Kind) -> None:
    firewall.open([TimedDoor(kind.door(IPV4), 0.1)])  # The rules of this kind take their time.
    before = time.monotonic()
    firewall.open([TimedDoor(kind.door(IPV4), 0.8)])
    opened = time.monotonic()
    last_open, first_shut = closing_time(site.outside, CLIENT, *place(IPV4, kind))
    assert last_open - opened < 0.8 + TOLERANCE
    assert first_shut - before > 0.8 - TOLERANCE
    assert firewall.read() == []


@every_kind
def test_it_is_never_shut_while_it_is_extended(
    site: Site, firewall: NftablesFirewall, kind: Kind
) -> None:
    item = kind.door(IPV4, **_masked(kind))
    firewall.open([TimedDoor(item, 30)])
    done = threading.Event()

    def extend() -> None:
        while not done.is_set():
            firewall.open([TimedDoor(item, 30)])

    extending = threading.Thread(target=extend)
    extending.start()
    outcomes = {is_open(site, IPV4, kind) for _ in range(300)}
    done.set()
    extending.join()
    assert outcomes == {True}
    assert len(firewall.read()) == 1


@every_kind
def test_it_outlives_a_new_daemon(site: Site, firewall: NftablesFirewall, kind: Kind) -> None:
    wide = kind.door(IPV4, prefix=28)
    firewall.open([TimedDoor(wide, 30)])
    successor = NftablesFirewall()
    successor.start(["eth1"])
    assert is_open(site, IPV4, kind)
    [timed] = successor.read()
    assert (timed.door, 25 < timed.seconds <= 30) == (wide, True)
    successor.close([wide])
    assert not is_open(site, IPV4, kind)
    successor.stop()


@every_kind
def test_only_captured_devices_are_let_in(
    site: Site, firewall: NftablesFirewall, kind: Kind
) -> None:
    # The guest is on eth2, where nothing is captured.
    side = replace(IPV4, client=GUEST, router=ROUTER_GUEST)
    firewall.open([TimedDoor(kind.door(side), 30)])
    for address, port, _ in kind.opens:
        there = address.format_map(vars(side))
        assert try_tcp(site.guest, GUEST, there, port) is not Outcome.CONNECTED


@both_families
@every_kind
def test_what_is_said_with_v_opens_and_closes_it_too(
    site: Site, firewall: NftablesFirewall, side: Side, kind: Kind
) -> None:
    said: list[str] = []
    watched = WatchedNftables(firewall, said.append)
    item = kind.door(side, prefix=side.near, **_masked(kind))
    watched.open([TimedDoor(item, 30)])
    adding = [line.removeprefix("netlink: ") for line in said]
    said.clear()
    watched.close([item])
    deleting = [line.removeprefix("netlink: ") for line in said]
    assert firewall.read() == []
    site.router.nft("\n".join(adding) + "\n")
    [timed] = firewall.read()
    assert (timed.door, 25 < timed.seconds <= 30) == (item, True)
    assert is_open(site, side, kind)
    site.router.nft("\n".join(deleting) + "\n")
    assert firewall.read() == []


def _masked(kind: Kind) -> dict[str, str]:
    return {"mask": "masquerade"} if kind.door(IPV4).forwarded else {}


def test_no_door_is_shut_while_the_first_of_other_kinds_open(
    site: Site, firewall: NftablesFirewall
) -> None:
    firewall.open([TimedDoor(door(CLIENT, "tcp/22"), 30)])
    seen: list[Outcome] = []
    done = threading.Event()

    def try_it() -> None:
        while not done.is_set():
            seen.append(site.tcp(22))

    trying = threading.Thread(target=try_it)
    trying.start()
    for number, kind in enumerate(KINDS.values()):
        firewall.open([TimedDoor(kind.door(IPV4, prefix=24 + number % 4), 0.1)])
    done.set()
    trying.join()
    assert len(seen) > len(KINDS)
    assert set(seen) == {Outcome.CONNECTED}


def test_all_kinds_are_open_at_once(site: Site, firewall: NftablesFirewall) -> None:
    doors = [door(side.client, "tcp/22") for side in (IPV4, IPV6)] + [
        kind.door(side) for kind in KINDS.values() for side in (IPV4, IPV6)
    ]
    distinct = list({item.claim or item: item for item in doors}.values())
    firewall.open([TimedDoor(item, 30) for item in distinct])
    assert {timed.door for timed in firewall.read()} == set(distinct)
    firewall.close(distinct)
    assert firewall.read() == []


@both_families
def test_everything_to_one_host_is_not_only_tcp(
    site: Site, firewall: NftablesFirewall, side: Side
) -> None:
    with udp_server(site.host, side.host, 53) as server:
        firewall.open([TimedDoor(door(side.client, "all", f"{side.host}:0"), 30)])
        assert arrives(site.outside, side.client, server, side.router, 53)
        assert not arrives(site.outside, side.stranger, server, side.router, 53)


@both_families
def test_a_port_of_its_own_comes_before_everything(
    site: Site, firewall: NftablesFirewall, side: Side
) -> None:
    firewall.open([TimedDoor(door(side.client, "all", f"{side.host}:0"), 30)])
    firewall.open([TimedDoor(door(side.client, "tcp/7000", f"{side.host}:7001"), 30)])
    assert greeting(site, side.client, side.router, 7000) == AT_OTHER


def test_one_address_comes_before_its_network(site: Site, firewall: NftablesFirewall) -> None:
    firewall.open(
        [
            TimedDoor(door(CLIENT, "tcp/4000", f"{HOST}:7000", prefix=28), 30),
            TimedDoor(door(CLIENT, "tcp/4000", f"{HOST}:7001"), 30),
        ]
    )
    assert greeting(site, CLIENT, ROUTER, 4000) == AT_OTHER
    assert greeting(site, STRANGER, ROUTER, 4000) == AT_HOST
