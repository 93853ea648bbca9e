"""Doors of every kind in iptables, with real connections: who gets in, to where, as whom."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from ipaddress import IPv6Address, ip_address

import pytest
from hypothesis import HealthCheck, given, settings

from fwknopd.firewall import TimedDoor
from fwknopd.firewall.iptables_rules import IptablesSettings
from fwknopd.grants import Door
from fwknopd.policy.stanza import NatTarget, SourceNat
from tests.netns.conftest import (
    CLIENT,
    CLIENT6,
    GUEST,
    HOST,
    HOST6,
    ROUTER,
    ROUTER6,
    ROUTER_LAN,
    STRANGER,
    STRANGER6,
)
from tests.netns.iptables_site import VARIANTS, IptablesSite, RouterFirewall, iptables_site
from tests.netns.probes import Outcome, arrives, connect, greeter, listen_tcp, try_tcp, udp_server
from tests.unit.firewall.doors import door
from tests.unit.firewall.kinds import EVERY_DOOR_LISTS

pytestmark = [pytest.mark.root, pytest.mark.iptables]

SETTINGS = IptablesSettings(enable_nat=True, enable_snat=True)
ROUTER_LAN6 = "2001:db8:100::1"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Who is who in a family."""

    client: str
    stranger: str
    router: str
    router_lan: str
    host: str


FAMILIES = {
    "ipv4": Addresses(CLIENT, STRANGER, ROUTER, ROUTER_LAN, HOST),
    "ipv6": Addresses(CLIENT6, STRANGER6, ROUTER6, ROUTER_LAN6, HOST6),
}


@pytest.fixture(scope="module", params=VARIANTS)
def _site(request: pytest.FixtureRequest) -> Iterator[IptablesSite]:
    with iptables_site(request.param) as site, ExitStack() as servers:
        servers.enter_context(greeter(site.guest, 22, "guest"))
        servers.enter_context(greeter(site.host, 7000, "host 7000"))
        yield site


@pytest.fixture
def site(_site: IptablesSite) -> IptablesSite:
    """The router with nothing but its admin's rules."""
    _site.reset()
    return _site


@pytest.fixture
def firewall(site: IptablesSite) -> Iterator[RouterFirewall]:
    """Our firewall, started on the router."""
    firewall = RouterFirewall(site, SETTINGS)
    firewall.start()
    yield firewall
    firewall.stop()


@pytest.fixture(params=FAMILIES)
def net(request: pytest.FixtureRequest) -> Addresses:
    """The addresses of a family."""
    return FAMILIES[request.param]


def greeting(site: IptablesSite, source: str, address: str, port: int) -> str:
    """What the server behind a port says first, "" when there is no connection."""
    try:
        with connect(site.outside, source, address, port) as client:
            return client.recv(100).decode()
    except OSError:
        return ""


def seen_as(site: IptablesSite, source: str, address: str, port: int, inside: int = 9000) -> str:
    """The address that a server on the host sees a connection come from."""
    with (
        closing(listen_tcp(site.host, inside)) as listener,
        closing(connect(site.outside, source, address, port)),
    ):
        server, peer = listener.accept()
        with closing(server):
            return str(IPv6Address(peer[0]).ipv4_mapped or peer[0])


def forward_all(client: str, host: str = "", *, translate: bool = True) -> Door:
    """Everything of a client: to wherever it goes, or to one host."""
    nat = NatTarget(ip_address(host), 0) if host else None
    return Door(ip_address(client), None, nat, translate=bool(host) and translate)


def test_everything_passes_through_the_router(
    site: IptablesSite, firewall: RouterFirewall, net: Addresses
) -> None:
    assert greeting(site, net.client, net.host, 22) == ""
    firewall.open_for(forward_all(net.client))
    for port in (22, 8080):
        assert greeting(site, net.client, net.host, port) == "host"
    assert greeting(site, net.stranger, net.host, 22) == ""
    # Through the router, and not into it.
    assert greeting(site, net.client, net.router, 22) == ""
    with udp_server(site.host, net.host, 5000) as server:
        assert arrives(site.outside, net.client, server, net.host, 5000)
        assert not arrives(site.outside, net.stranger, server, net.host, 5000)
    firewall.close([forward_all(net.client)])
    assert greeting(site, net.client, net.host, 22) == ""


def test_everything_leads_to_one_host(
    site: IptablesSite, firewall: RouterFirewall, net: Addresses
) -> None:
    firewall.open_for(forward_all(net.client, net.host))
    for port, server in ((22, "host"), (8080, "host"), (7000, "host 7000")):
        assert greeting(site, net.client, net.router, port) == server
    assert greeting(site, net.stranger, net.router, 22) == ""


def test_what_one_port_asks_for_comes_before_what_all_do(
    site: IptablesSite, firewall: RouterFirewall, net: Addresses
) -> None:
    led = door(net.client, "tcp/22", f"{net.host}:7000")
    firewall.open_for(forward_all(net.client, net.host))
    firewall.open_for(led)
    assert greeting(site, net.client, net.router, 22) == "host 7000"
    firewall.open_for(forward_all(net.client, net.host), seconds=60)
    assert greeting(site, net.client, net.router, 22) == "host 7000"
    firewall.close([led])
    assert greeting(site, net.client, net.router, 22) == "host"


def test_a_way_without_translation_leads_to_its_target_only(
    site: IptablesSite, firewall: RouterFirewall
) -> None:
    kept = replace(door(CLIENT, "tcp/4000", f"{HOST}:22"), translate=False)
    firewall.open_for(kept)
    assert greeting(site, CLIENT, HOST, 22) == "host"
    assert greeting(site, CLIENT, HOST, 8080) == ""
    assert greeting(site, CLIENT, ROUTER, 4000) == ""
    assert greeting(site, CLIENT, GUEST, 22) == ""
    assert greeting(site, STRANGER, HOST, 22) == ""
    firewall.open_for(forward_all(CLIENT, HOST, translate=False))
    assert greeting(site, CLIENT, HOST, 8080) == "host"
    assert greeting(site, CLIENT, GUEST, 22) == ""
    assert [timed.door for timed in firewall.read()] == [
        kept,
        forward_all(CLIENT, HOST, translate=False),
    ]


def test_a_translated_door_opens_its_target_and_no_other_host(
    site: IptablesSite, firewall: RouterFirewall
) -> None:
    firewall.open_for(door(CLIENT, "tcp/4000", f"{HOST}:22"))
    assert greeting(site, CLIENT, ROUTER, 4000) == "host"
    assert greeting(site, CLIENT, GUEST, 22) == ""


def test_a_target_without_a_port_gets_the_port_asked_for(
    site: IptablesSite, firewall: RouterFirewall, net: Addresses
) -> None:
    firewall.open_for(door(net.client, "tcp/7000", f"{net.host}:0"))
    assert greeting(site, net.client, net.router, 7000) == "host 7000"
    assert greeting(site, net.client, net.router, 22) == ""


def test_forwarded_connections_come_from_an_address_of_ours(
    site: IptablesSite, firewall: RouterFirewall, net: Addresses
) -> None:
    led = door(net.client, "tcp/4000", f"{net.host}:9000")
    firewall.open_for(led)
    assert seen_as(site, net.client, net.router, 4000) == net.client
    fixed = replace(led, source_nat=SourceNat(ip_address(net.router_lan)))
    for hidden in (fixed, replace(led, source_nat=SourceNat())):
        firewall.open_for(hidden)
        assert [timed.door for timed in firewall.read()] == [hidden]
        assert seen_as(site, net.client, net.router, 4000) == net.router_lan
    firewall.open_for(replace(forward_all(net.client), source_nat=SourceNat()))
    assert seen_as(site, net.client, net.host, 9000) == net.router_lan


def test_nobody_else_gets_another_address(site: IptablesSite, firewall: RouterFirewall) -> None:
    site.iptables("-A", "FORWARD", "-s", STRANGER, "-j", "ACCEPT")
    led = door(CLIENT, "tcp/4000", f"{HOST}:9000")
    for source in (SourceNat(), SourceNat(ip_address(ROUTER_LAN))):
        firewall.open_for(replace(led, source_nat=source))
        assert seen_as(site, STRANGER, HOST, 9000) == STRANGER
        assert seen_as(site, CLIENT, ROUTER, 4000) == ROUTER_LAN


def test_two_masqueraded_connections_at_once(site: IptablesSite, firewall: RouterFirewall) -> None:
    led = replace(door(CLIENT, "tcp/4000", f"{HOST}:9000"), source_nat=SourceNat())
    firewall.open_for(led)
    with closing(listen_tcp(site.host, 9000)) as listener, ExitStack() as connections:
        for _ in range(2):
            client = connections.enter_context(connect(site.outside, CLIENT, ROUTER, 4000))
            server = connections.enter_context(listener.accept()[0])
            client.sendall(b"here")
            assert server.recv(100) == b"here"


def test_a_door_towards_one_address_of_the_router(
    site: IptablesSite, firewall: RouterFirewall, net: Addresses
) -> None:
    only = ip_address(net.router)
    firewall.open_for(replace(door(net.client, "tcp/22"), destination=only))
    assert greeting(site, net.client, net.router, 22) == "router"
    assert greeting(site, net.client, net.router_lan, 22) == ""
    led = door(net.client, "tcp/4000", f"{net.host}:7000")
    firewall.open_for(replace(led, destination=only))
    assert greeting(site, net.client, net.router, 4000) == "host 7000"
    assert greeting(site, net.client, net.router_lan, 4000) == ""
    local = door(net.client, "tcp/4001", f"{net.router_lan}:8080", local=True)
    firewall.open_for(replace(local, destination=only))
    assert greeting(site, net.client, net.router, 4001) == "router"
    assert greeting(site, net.client, net.router_lan, 4001) == ""


def test_answers_are_let_out_from_that_address(site: IptablesSite) -> None:
    site.iptables("-P", "OUTPUT", "DROP")
    firewall = RouterFirewall(site, replace(SETTINGS, enable_output=True))
    firewall.start()
    firewall.open_for(replace(door(CLIENT, "tcp/22"), destination=ip_address(ROUTER)))
    assert greeting(site, CLIENT, ROUTER, 22) == "router"
    assert f"-s {ROUTER}/32 -d {CLIENT}/32" in site.rules("FWKNOP_OUTPUT")[0]
    firewall.open_for(door(CLIENT, "tcp/4001", f"{ROUTER_LAN}:8080", local=True))
    assert greeting(site, CLIENT, ROUTER, 4001) == "router"
    firewall.stop()


def test_a_network_gets_in(site: IptablesSite, firewall: RouterFirewall, net: Addresses) -> None:
    def network(bits: int, nat: str = "") -> Door:
        asked = door(net.client, "tcp/4000" if nat else "tcp/22", nat)
        narrow = replace(asked, prefix=bits)
        return replace(narrow, address=narrow.network.network_address)

    bits = ip_address(net.client).max_prefixlen
    # The client's address ends in 7, the stranger's in 8.
    firewall.open_for(network(bits - 3))
    assert site.tcp(22, net.client, net.router) is Outcome.CONNECTED
    assert site.tcp(22, net.stranger, net.router) is not Outcome.CONNECTED
    firewall.open_for(network(bits - 4), network(bits - 4, f"{net.host}:7000"))
    assert site.tcp(22, net.stranger, net.router) is Outcome.CONNECTED
    assert greeting(site, net.stranger, net.router, 4000) == "host 7000"
    assert {timed.door for timed in firewall.read()} == {
        network(bits - 3),
        network(bits - 4),
        network(bits - 4, f"{net.host}:7000"),
    }


@given(doors=EVERY_DOOR_LISTS)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_kernel_returns_the_doors_it_was_given(
    site: IptablesSite, firewall: RouterFirewall, doors: list[Door]
) -> None:
    firewall.open([TimedDoor(item, 100 + number) for number, item in enumerate(doors)])
    # Another daemon knows the doors from the rules alone.
    before = site.saved()
    successor = RouterFirewall(site, SETTINGS)
    successor.start()
    assert site.saved() == before
    for reader in (firewall, successor):
        held = {timed.door: timed.seconds for timed in reader.read()}
        assert set(held) == set(doors)
        for number, item in enumerate(doors):
            assert held[item] == pytest.approx(100 + number, abs=5)
    firewall.close(doors)
    assert firewall.read() == []


def test_chains_are_made_where_they_are_needed(site: IptablesSite) -> None:
    for settings_, chains in (
        (IptablesSettings(enable_nat=True), {"PREROUTING", "FORWARD", "INPUT"}),
        (SETTINGS, {"PREROUTING", "POSTROUTING", "MASQUERADE", "FORWARD", "INPUT"}),
    ):
        firewall = RouterFirewall(site, settings_)
        firewall.start()
        assert our_chains(site) == chains
        firewall.stop()
        assert our_chains(site) == set()


def test_a_client_with_its_own_source_makes_the_chain_it_needs(site: IptablesSite) -> None:
    before = site.saved()
    firewall = RouterFirewall(site, IptablesSettings(enable_nat=True))
    firewall.start()
    led = door(CLIENT, "tcp/4000", f"{HOST}:22")
    firewall.open_for(replace(led, source_nat=SourceNat()))
    assert "MASQUERADE" in our_chains(site)
    assert "POSTROUTING" not in our_chains(site)
    assert site.rules("POSTROUTING", "nat") == ["-A POSTROUTING -j FWKNOP_MASQUERADE"]
    firewall.stop()
    assert site.saved() == before


def our_chains(site: IptablesSite) -> set[str]:
    """The names of our IPv4 chains, less what they have in common."""
    lines = (site.iptables("-S") + site.iptables("-t", "nat", "-S")).splitlines()
    return {line.removeprefix("-N FWKNOP_") for line in lines if line.startswith("-N")}


def test_the_other_side_of_the_router_is_not_open(
    site: IptablesSite, firewall: RouterFirewall
) -> None:
    firewall.open_for(forward_all(CLIENT))
    assert try_tcp(site.guest, GUEST, HOST, 22) is not Outcome.CONNECTED
