"""Every kind of door, over both families, with real connections through the real fw4's rules."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from fwknopd.firewall import TimedDoor
from fwknopd.firewall.nftables import NftablesFirewall
from fwknopd.grants import Door
from tests.netns.conftest import (
    CLIENT,
    CLIENT6,
    HOST,
    HOST6,
    ROUTER,
    ROUTER6,
    ROUTER_LAN,
    STRANGER,
    STRANGER6,
    Site,
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

ROUTER_LAN6 = "2001:db8:100::1"
# A host, an open door and a closed one, as they greet.
AT_HOST, AT_OTHER, AT_ROUTER = "host", "host, other port", "router"
TOLERANCE = 0.15


@dataclass(frozen=True)
class Side:
    """The same places in one family's addresses. ``near`` takes in the client, not the stranger."""

    client: str
    stranger: str
    router: str
    router_lan: str
    host: str
    near: int
    both: int


IPV4 = Side(CLIENT, STRANGER, ROUTER, ROUTER_LAN, HOST, 29, 28)
IPV6 = Side(CLIENT6, STRANGER6, ROUTER6, ROUTER_LAN6, HOST6, 125, 124)


@dataclass(frozen=True)
class Kind:
    """A kind of door: what it opens (in words of `door`), and what a client finds behind it.

    Words in braces are places of a Side. ``shut`` are places that stay shut to the client.
    """

    spec: str
    nat: str = ""
    opens: tuple[tuple[str, int, str], ...] = ()
    shut: tuple[tuple[str, int], ...] = ()
    at: str = ""
    local: bool = False
    translate: bool = True

    def door(self, side: Side, **more: Any) -> Door:
        return door(
            side.client,
            self.spec,
            self.nat.format_map(vars(side)),
            at=self.at.format_map(vars(side)),
            local=self.local,
            translate=self.translate,
            **more,
        )


ROUTER_IS_SHUT = (("{router}", 7000), ("{host}", 7000))
KINDS = {
    "plain": Kind(
        "tcp/7000",
        opens=(("{router}", 7000, AT_ROUTER), ("{router_lan}", 7000, AT_ROUTER)),
        shut=(("{router}", 22), ("{host}", 7000)),
    ),
    "plain, one address": Kind(
        "tcp/7000",
        at="{router}",
        opens=(("{router}", 7000, AT_ROUTER),),
        shut=(("{router_lan}", 7000), ("{router}", 22)),
    ),
    "local": Kind(
        "tcp/4000",
        "{router}:7000",
        local=True,
        opens=(("{router}", 4000, AT_ROUTER), ("{router_lan}", 4000, AT_ROUTER)),
        shut=ROUTER_IS_SHUT,
    ),
    "local, one address": Kind(
        "tcp/4000",
        "{router}:7000",
        local=True,
        at="{router}",
        opens=(("{router}", 4000, AT_ROUTER),),
        shut=(*ROUTER_IS_SHUT, ("{router_lan}", 4000)),
    ),
    "local, untranslated": Kind(
        "tcp/4000",
        "{router}:7000",
        local=True,
        translate=False,
        opens=(("{router}", 7000, AT_ROUTER),),
        shut=(("{router}", 4000), ("{router_lan}", 7000)),
    ),
    "forwarded": Kind(
        "tcp/4000",
        "{host}:7000",
        opens=(("{router}", 4000, AT_HOST), ("{router_lan}", 4000, AT_HOST)),
        shut=ROUTER_IS_SHUT,
    ),
    "forwarded, port unchanged": Kind(
        "tcp/7001",
        "{host}:0",
        opens=(("{router}", 7001, AT_OTHER),),
        shut=(*ROUTER_IS_SHUT, ("{host}", 7001)),
    ),
    "forwarded, one address": Kind(
        "tcp/4000",
        "{host}:7000",
        at="{router}",
        opens=(("{router}", 4000, AT_HOST),),
        shut=(*ROUTER_IS_SHUT, ("{router_lan}", 4000)),
    ),
    "untranslated": Kind(
        "tcp/4000",
        "{host}:7000",
        translate=False,
        opens=(("{host}", 7000, AT_HOST),),
        shut=(("{router}", 4000), ("{router}", 7000), ("{host}", 7001)),
    ),
    "everything to one host": Kind(
        "all",
        "{host}:0",
        opens=(("{router}", 7000, AT_HOST), ("{router_lan}", 7001, AT_OTHER)),
    ),
    "everything to one host, one address": Kind(
        "all",
        "{host}:0",
        at="{router}",
        opens=(("{router}", 7000, AT_HOST), ("{router}", 7001, AT_OTHER)),
        shut=(("{router_lan}", 7000), ("{host}", 7000)),
    ),
    "everything to one host, untranslated": Kind(
        "all",
        "{host}:0",
        translate=False,
        opens=(("{host}", 7000, AT_HOST), ("{host}", 7001, AT_OTHER)),
        shut=(("{router}", 7000),),
    ),
    "everything forwarded": Kind(
        "all",
        opens=(("{host}", 7000, AT_HOST), ("{host}", 7001, AT_OTHER)),
        shut=(("{router}", 7000),),
    ),
}
FORWARDED = [name for name, kind in KINDS.items() if kind.door(IPV4).forwarded]

every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
both_families = pytest.mark.parametrize("side", [IPV4, IPV6], ids=["IPv4", "IPv6"])


@pytest.fixture(scope="module", autouse=True)
def _greeters(_site: Site) -> Iterator[None]:
    """Servers on port 7000 of router and host, and on 7001 of the host."""
    with ExitStack() as servers:
        for machine, port, words in (
            (_site.router, 7000, AT_ROUTER),
            (_site.host, 7000, f"{AT_HOST}|{{peer}}"),
            (_site.host, 7001, f"{AT_OTHER}|{{peer}}"),
        ):
            servers.enter_context(greeter(machine, port, words))
        yield


def told(site: Site, source: str, address: str, port: int) -> list[str]:
    """What the server behind a port says: who it is, and a host also who it sees connect."""
    with connect(site.outside, source, address, port) as client:
        return client.recv(100).decode().split("|")


def greeting(site: Site, source: str, address: str, port: int) -> str:
    """Who the server behind a port is."""
    return told(site, source, address, port)[0]


def place(side: Side, kind: Kind) -> tuple[str, int]:
    """An address and port that a door of this kind opens."""
    address, port, _ = kind.opens[0]
    return address.format_map(vars(side)), port


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
    opened = time.monotonic()
    firewall.open([TimedDoor(kind.door(IPV4), 0.8)])
    last_open, first_shut = closing_time(site.outside, CLIENT, *place(IPV4, kind))
    assert last_open - opened < 0.8 + TOLERANCE
    assert first_shut - opened > 0.8 - TOLERANCE
    assert firewall.read() == []


@every_kind
def test_it_is_never_shut_while_it_is_extended(
    site: Site, firewall: NftablesFirewall, kind: Kind
) -> None:
    item = kind.door(IPV4, **({"mask": "masquerade"} if kind.door(IPV4).forwarded else {}))
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


# Whose address connections appear to come from


@both_families
@pytest.mark.parametrize("prefix", [False, True], ids=["address", "network"])
@pytest.mark.parametrize("how", ["masquerade", "fixed"])
@pytest.mark.parametrize("name", FORWARDED)
def test_forwarded_connections_appear_to_come_from_the_router(
    site: Site, firewall: NftablesFirewall, side: Side, name: str, how: str, prefix: bool
) -> None:
    kind = KINDS[name]
    mask = how if how == "masquerade" else side.router_lan
    more = {"prefix": side.near} if prefix else {}
    masked = kind.door(side, mask=mask, **more)
    plain = kind.door(side, **more)
    firewall.open([TimedDoor(masked, 30)])
    [timed] = firewall.read()
    assert timed.door == masked
    assert told(site, side.client, *place(side, kind))[1] == side.router_lan
    # Knocking without it again puts an end to it.
    firewall.open([TimedDoor(plain, 30)])
    assert told(site, side.client, *place(side, kind))[1] == side.client
    assert [timed.door for timed in firewall.read()] == [plain]


def test_nobody_elses_source_is_changed(site: Site, firewall: NftablesFirewall) -> None:
    # A rule of the admin's forwards tcp/2222 for everybody.
    site.router.nft(f"""
        table inet theirs {{
            chain dstnat {{
                type nat hook prerouting priority dstnat; policy accept;
                iifname "eth1" tcp dport 2222 dnat ip to {HOST}:7000
            }}
        }}
        insert rule inet fw4 forward ct status dnat accept
    """)
    firewall.open([TimedDoor(door(CLIENT, "tcp/4000", f"{HOST}:7000", mask="masquerade"), 30)])
    assert told(site, STRANGER, ROUTER, 2222) == [AT_HOST, STRANGER]
    assert told(site, CLIENT, ROUTER, 2222) == [AT_HOST, CLIENT]
    assert told(site, CLIENT, ROUTER, 4000) == [AT_HOST, ROUTER_LAN]
    firewall.open([TimedDoor(door(CLIENT, "all", mask="masquerade"), 30)])
    assert told(site, STRANGER, ROUTER, 2222) == [AT_HOST, STRANGER]
