"""Connections counted and cut: real ones, by every kind of door, with both firewalls."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from ipaddress import ip_address

import pytest

from fwknopd.connections import Counted, Cut
from fwknopd.firewall import TimedDoor
from fwknopd.firewall.conntrack import Conntrack
from fwknopd.firewall.ctnetlink import (
    Entry,
    create_dead_end,
    delete_entry,
    dump_entries,
    parse_entry,
)
from fwknopd.firewall.iptables_rules import IptablesSettings
from fwknopd.firewall.netlink_socket import NetlinkSocket
from fwknopd.firewall.nftables import NftablesFirewall
from fwknopd.firewall.own_addresses import OwnAddresses
from fwknopd.flows import Way
from fwknopd.grants import Door
from fwknopd.policy.stanza import NatTarget, SourceNat
from fwknopd.spa.request import Protocol
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
from tests.netns.iptables_site import VARIANTS, IptablesSite, RouterFirewall, iptables_site
from tests.netns.namespaces import Machine
from tests.netns.probes import connect, listen_tcp
from tests.netns.talks import Talk, clients_heard, servers_heard, tcp_talk, udp_talk
from tests.unit.firewall.doors import door

pytestmark = [pytest.mark.root, pytest.mark.nft, pytest.mark.iptables]

PORT = 5000
BACKENDS = ("nftables", *(f"iptables{variant}" for variant in VARIANTS))


@dataclass(frozen=True, slots=True)
class Guarded:
    """The site's router with a firewall of ours, and its connections."""

    site: Site
    firewall: NftablesFirewall | RouterFirewall
    conntrack: Conntrack

    def open(self, *doors: Door) -> None:
        with self.site.router.entered():
            self.firewall.open([TimedDoor(item, 60) for item in doors])
            self.conntrack.opened(doors)

    def close(self, *doors: Door) -> None:
        with self.site.router.entered():
            self.firewall.close(doors)

    def count(self, *doors: Door) -> Counted:
        with self.site.router.entered():
            return self.conntrack.count(doors)

    def cut(self, *closed: Door, still_open: Sequence[Door] = ()) -> Cut:
        with self.site.router.entered():
            return self.conntrack.cut(closed, still_open)

    def close_and_cut(self, *doors: Door, still_open: Sequence[Door] = ()) -> Cut:
        self.close(*doors)
        return self.cut(*doors, still_open=still_open)

    def entries(self) -> list[Entry]:
        with self.site.router.entered(), closing(NetlinkSocket()) as netlink:
            return [parse_entry(message) for message in netlink.ask(dump_entries())]

    def forget(self) -> None:
        """As a router does whose table of connections is flushed."""
        with self.site.router.entered(), closing(NetlinkSocket()) as netlink:
            messages = netlink.ask(dump_entries())
            netlink.do([delete_entry(parse_entry(message)) for message in messages])


@pytest.fixture(scope="module")
def _iptables_sites() -> Iterator[dict[str, IptablesSite]]:
    with ExitStack() as sites:
        yield {f"iptables{v}": sites.enter_context(iptables_site(v)) for v in VARIANTS}


@pytest.fixture(params=BACKENDS)
def guarded(
    request: pytest.FixtureRequest, site: Site, _iptables_sites: dict[str, IptablesSite]
) -> Iterator[Guarded]:
    """Each firewall in turn; the LAN may begin connections to the outside, as it does."""
    firewall: NftablesFirewall | RouterFirewall
    if request.param == "nftables":
        firewall = NftablesFirewall()
        with site.router.entered():
            firewall.start(["eth1"])
    else:
        site = _iptables_sites[request.param]
        site.reset()
        for program in ("iptables", "ip6tables"):
            rule = ("-A", "FORWARD", "-i", "br-lan", "-j", "ACCEPT")
            site.router.run(f"{program}{site.variant}", *rule)
        firewall = RouterFirewall(site, IptablesSettings(enable_nat=True))
        firewall.start()
    guarded = Guarded(site, firewall, Conntrack())
    guarded.forget()
    yield guarded
    with site.router.entered():
        firewall.stop()


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of door: who comes in, to which address and port, and where the server is."""

    door: Door
    client: str
    outside: tuple[str, int]
    inside: tuple[str, int]
    on_router: bool = True

    def talk(self, site: Site, client_port: int = 0) -> AbstractContextManager[Talk]:
        """A connection by such a door."""
        server = site.router if self.on_router else site.host
        ends = (site.outside, self.client, *self.outside, server)
        if self.door.port is not None and self.door.port.protocol is Protocol.UDP:
            return udp_talk(*ends, self.inside)
        return tcp_talk(*ends, self.inside[1], client_port)


def to_router(item: Door, address: str, inside: tuple[str, int], client: str = "") -> Kind:
    assert item.port is not None
    return Kind(item, client or str(item.address), (address, item.port.port), inside)


def to_host(item: Door, address: str, inside: tuple[str, int]) -> Kind:
    assert item.port is not None
    return Kind(item, str(item.address), (address, item.port.port), inside, on_router=False)


def kinds(protocol: str) -> dict[str, Kind]:
    """Doors of each kind, every one for a port of its own."""

    def spec(number: int) -> str:
        return f"{protocol}/{PORT + number}"

    masked = replace(door(CLIENT, spec(7), f"{HOST}:7507"), source_nat=SourceNat())
    untranslated = replace(door(CLIENT, spec(8), f"{HOST}:{PORT + 8}"), translate=False)
    network = replace(door(CLIENT, spec(9)), prefix=24)
    return {
        "input": to_router(door(CLIENT, spec(0)), ROUTER, (ROUTER, PORT)),
        "input6": to_router(door(CLIENT6, spec(1)), ROUTER6, (ROUTER6, PORT + 1)),
        # To the same port, where a server that speaks seems to come from where it did before.
        "dnat": to_host(door(CLIENT, spec(2), f"{HOST}:{PORT + 2}"), ROUTER, (HOST, PORT + 2)),
        "dnat6": to_host(door(CLIENT6, spec(3), f"{HOST6}:{PORT + 3}"), ROUTER6, (HOST6, PORT + 3)),
        "dnat, other port": to_host(door(CLIENT, spec(4), f"{HOST}:7504"), ROUTER, (HOST, 7504)),
        "local": to_router(
            door(CLIENT, spec(5), f"{ROUTER_LAN}:7505", local=True), ROUTER, (ROUTER_LAN, 7505)
        ),
        "local6": to_router(
            door(CLIENT6, spec(6), f"{ROUTER6}:7506", local=True), ROUTER6, (ROUTER6, 7506)
        ),
        "dnat, masqueraded": to_host(masked, ROUTER, (HOST, 7507)),
        "forward": to_host(untranslated, HOST, (HOST, PORT + 8)),
        "network": to_router(network, ROUTER, (ROUTER, PORT + 9), client=CLIENT),
    }


EVERYTHING = {
    "all to the host": Kind(
        Door(ip_address(STRANGER), None, NatTarget(ip_address(HOST), 0)),
        STRANGER,
        (ROUTER, PORT + 20),
        (HOST, PORT + 20),
        on_router=False,
    ),
    "all that passes": Kind(
        Door(ip_address(STRANGER6), None),
        STRANGER6,
        (HOST6, PORT + 21),
        (HOST6, PORT + 21),
        on_router=False,
    ),
}
SYN, RST, ACK, FIN = 2, 4, 16, 1
TCP, UDP = kinds("tcp"), kinds("udp")
SSH = TCP["input"]
KINDS = [*TCP.values(), *UDP.values(), *EVERYTHING.values()]
ALL = [kind.door for kind in KINDS]
ONE_EACH = dict.fromkeys(ALL, 1)


@pytest.fixture
def talks(guarded: Guarded) -> Iterator[list[Talk]]:
    """One connection by each kind of door, over TCP and UDP; the doors are still open."""
    guarded.open(*ALL)
    with ExitStack() as made:
        yield [made.enter_context(kind.talk(guarded.site)) for kind in KINDS]


def test_sessions_are_counted_and_outlive_their_doors(guarded: Guarded, talks: list[Talk]) -> None:
    assert guarded.count(*ALL) == Counted(ONE_EACH)
    guarded.close(*ALL)
    assert all(talk.is_up() for talk in talks)
    assert guarded.count(*ALL) == Counted(ONE_EACH)
    with pytest.raises(OSError):
        connect(guarded.site.outside, CLIENT, ROUTER, PORT)


@pytest.mark.parametrize("first", ["client", "server"])
def test_sessions_that_are_cut_are_dead_whoever_speaks_first(
    guarded: Guarded, talks: list[Talk], first: str
) -> None:
    assert guarded.close_and_cut(*ALL) == Cut(ONE_EACH)
    if first == "server":
        servers_heard(talks)
    assert clients_heard(talks) == []
    servers_heard(talks)
    assert clients_heard(talks) == []
    assert guarded.count(*ALL) == Counted({})


def test_why_deleting_is_not_enough(guarded: Guarded) -> None:
    guarded.open(SSH.door)
    with SSH.talk(guarded.site) as talk:
        assert talk.is_up()
        guarded.close(SSH.door)
        guarded.forget()
        assert talk.server_is_heard()
        assert talk.client_is_heard(), "the server brought it back, past a closed door"
        # It is the same session, whoever the kernel thinks began it.
        assert guarded.count(SSH.door) == Counted({SSH.door: 1})
        assert guarded.cut(SSH.door) == Cut({SSH.door: 1})
        talk.server_is_heard()
        assert not talk.client_is_heard()


@pytest.mark.parametrize("flags", [RST, SYN, ACK, FIN | ACK, RST | ACK])
def test_nothing_a_client_sends_brings_its_session_back(guarded: Guarded, flags: int) -> None:
    guarded.open(SSH.door)
    with SSH.talk(guarded.site) as talk, raw_tcp(guarded.site.outside) as send:
        assert talk.is_up()
        guarded.close_and_cut(SSH.door)
        send(segment(talk.port, flags))
        # The dead end is still there, and all there is.
        [entry] = guarded.entries()
        assert str(entry.flow.original.source) == ROUTER
        talk.server_is_heard()
        assert not talk.client_is_heard()


def test_other_sessions_go_on(guarded: Guarded) -> None:
    site = guarded.site
    guarded.open(SSH.door, door(CLIENT, f"tcp/{PORT + 1}"), door(STRANGER, f"tcp/{PORT}"))
    with (
        tcp_talk(site.outside, CLIENT, ROUTER, PORT + 1, site.router) as same_client,
        tcp_talk(site.outside, STRANGER, ROUTER, PORT, site.router) as somebody_else,
        tcp_talk(site.host, HOST, CLIENT, PORT, site.outside) as the_lan,
        SSH.talk(site) as doomed,
    ):
        assert guarded.close_and_cut(SSH.door) == Cut({SSH.door: 1})
        assert not doomed.client_is_heard()
        assert same_client.is_up()
        assert somebody_else.is_up()
        assert the_lan.is_up()


def test_what_a_lan_host_sends_out_is_not_its_doors(guarded: Guarded) -> None:
    # Somebody at home knocked for the address of a LAN host, and uses that port elsewhere.
    site, of_the_lan = guarded.site, door(HOST, f"tcp/{PORT}")
    with tcp_talk(site.host, HOST, CLIENT, PORT, site.outside) as talk:
        assert guarded.count(of_the_lan) == Counted({})
        assert guarded.cut(of_the_lan) == Cut({})
        assert talk.is_up()


def test_a_session_that_may_be_that_of_an_open_door_is_spared(guarded: Guarded) -> None:
    guarded.open(SSH.door)
    with SSH.talk(guarded.site) as talk:
        assert guarded.cut(SSH.door, still_open=[SSH.door]) == Cut({}, spared=1)
        assert talk.is_up()
        network = replace(door("198.51.100.0", f"tcp/{PORT}"), prefix=24)
        assert guarded.cut(SSH.door, still_open=[network]) == Cut({}, spared=1)
        assert guarded.cut(SSH.door, still_open=[TCP["dnat"].door]) == Cut({SSH.door: 1})


def test_clients_that_are_let_in_again_get_in_from_the_same_port(guarded: Guarded) -> None:
    doors = [kind.door for kind in TCP.values()]
    guarded.open(*doors)
    with ExitStack() as made:
        first = [made.enter_context(kind.talk(guarded.site)) for kind in TCP.values()]
        ports = [talk.port for talk in first]
        assert guarded.close_and_cut(*doors).count == len(doors)
    guarded.open(*doors)
    for kind, port in zip(TCP.values(), ports, strict=True):
        with kind.talk(guarded.site, port) as talk:
            assert talk.is_up()


def test_a_tunnel_that_is_let_in_again_goes_on(guarded: Guarded) -> None:
    # As WireGuard does, from one and the same port whenever the door opens.
    doors = [kind.door for kind in UDP.values()]
    guarded.open(*doors)
    with ExitStack() as made:
        talks = [made.enter_context(kind.talk(guarded.site)) for kind in UDP.values()]
        guarded.close_and_cut(*doors)
        assert clients_heard(talks) == []
        guarded.open(*doors)
        assert all(talk.is_up() for talk in talks)


def test_sessions_of_many_addresses_are_told_apart(guarded: Guarded) -> None:
    # More than the kernel is asked for one by one.
    absent = [door(f"198.51.100.{n}", f"tcp/{PORT}") for n in range(50, 60)]
    stranger = door(STRANGER, f"tcp/{PORT}")
    guarded.open(SSH.door, stranger, TCP["input6"].door)
    site = guarded.site
    with (
        SSH.talk(site) as doomed,
        TCP["input6"].talk(site) as over_ipv6,
        tcp_talk(site.outside, STRANGER, ROUTER, PORT, site.router) as somebody_else,
    ):
        counted = guarded.count(*absent, stranger, SSH.door, TCP["input6"].door)
        assert counted == Counted({SSH.door: 1, stranger: 1, TCP["input6"].door: 1})
        assert guarded.close_and_cut(SSH.door, *absent) == Cut({SSH.door: 1})
        assert not doomed.client_is_heard()
        assert over_ipv6.is_up()
        assert somebody_else.is_up()


def test_closed_sessions_are_not_counted(guarded: Guarded) -> None:
    guarded.open(SSH.door)
    with closing(listen_tcp(guarded.site.router, PORT)) as listener:
        caller = connect(guarded.site.outside, CLIENT, ROUTER, PORT)
        answerer, _ = listener.accept()
    assert guarded.count(SSH.door) == Counted({SSH.door: 1})
    # The client first, so that it is the one to wait for stragglers.
    caller.close()
    answerer.close()
    [entry] = guarded.entries()
    assert entry.closed
    assert guarded.count(SSH.door) == Counted({})


def test_the_routers_own_addresses_are_known(site: Site) -> None:
    own = (ROUTER, ROUTER_LAN, ROUTER6, "127.0.0.1", "127.5.5.5", "::1")
    others = (CLIENT, CLIENT6, HOST, HOST6, "192.0.2.1", "2001:db8:ffff::1", "192.168.1.255")
    site.router.ip("route", "add", "prohibit", "192.0.2.0/24")
    site.router.ip("route", "add", "blackhole", "2001:db8:ffff::/48")
    with site.router.entered(), closing(OwnAddresses()) as addresses:
        assert [a for a in (*own, *others) if addresses.has(ip_address(a))] == list(own)
        assert addresses.has(ip_address(ROUTER)), "asked again, too"


def test_thousands_of_sessions_are_cut(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    # However long a machine with other things to do may take for it.
    for limit in ("COUNT_SECONDS", "CUT_SECONDS"):
        monkeypatch.setattr(f"fwknopd.firewall.conntrack.{limit}", 60.0)
    tunnel, conntrack = door(CLIENT, f"udp/{PORT}"), Conntrack()
    with site.router.entered(), closing(NetlinkSocket()) as netlink:
        ways = [Way(ip_address(CLIENT), ip_address(ROUTER), 17, n, PORT) for n in range(2000)]
        # Any entry will do: these are connections nobody has answered yet.
        made = [create_dead_end(w, b"", w.destination, 60, translated=False) for w in ways]
        assert set(netlink.do(made)) == {0}
        assert conntrack.count([tunnel]) == Counted({tunnel: 2000})
        assert conntrack.cut([tunnel], []) == Cut({tunnel: 2000})
        assert conntrack.count([tunnel]) == Counted({})
        conntrack.opened([tunnel])
        left = [parse_entry(message) for message in netlink.ask(dump_entries())]
        assert not [entry for entry in left if entry.flow.original.source_port == PORT]


def test_without_the_right_to_look_nothing_is_known_and_that_is_said(site: Site) -> None:
    with site.router.entered():
        told = subprocess.run(
            ["setpriv", "--bounding-set=-net_admin", sys.executable, "-c", _WITHOUT_RIGHTS],
            env={"PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    count, cut, status = told.stdout.splitlines()
    assert count == cut == status
    assert "needs CAP_NET_ADMIN" in status


_WITHOUT_RIGHTS = """
from fwknopd.firewall.conntrack import Conntrack
from tests.unit.firewall.doors import door
doors, conntrack = [door("192.0.2.7", "tcp/22")], Conntrack()
print(conntrack.count(doors).problem)
print(conntrack.cut(doors, []).problem)
print(conntrack.problem())
"""


@contextmanager
def raw_tcp(machine: Machine) -> Iterator[Callable[[bytes], int]]:
    """Sends TCP segments of one's own making from the client to the router."""
    with machine.entered():
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
    with closing(raw):
        raw.bind((CLIENT, 0))
        yield lambda made: raw.sendto(made, (ROUTER, 0))


def segment(source_port: int, flags: int) -> bytes:
    """A TCP segment of no length to PORT, with a right checksum."""
    header = struct.pack("!HHIIBBHHH", source_port, PORT, 1, 1, 5 << 4, flags, 1024, 0, 0)
    ends = socket.inet_aton(CLIENT) + socket.inet_aton(ROUTER)
    whole = ends + struct.pack("!HH", socket.IPPROTO_TCP, len(header)) + header
    total = sum(struct.unpack(f"!{len(whole) // 2}H", whole))
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    return header[:16] + struct.pack("!H", checksum) + header[18:]
