"""Doors in iptables as a user meets them: real connections past an admin's own rules."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings

from fwknopd.firewall import FirewallError, TimedDoor
from fwknopd.firewall.iptables_process import Programs
from fwknopd.firewall.iptables_rules import IptablesSettings
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
)
from tests.netns.iptables_site import VARIANTS, IptablesSite, RouterFirewall, iptables_site
from tests.netns.probes import (
    Outcome,
    arrives,
    closing_time,
    connect,
    greeter,
    listen_tcp,
    udp_server,
)
from tests.timing import quickest
from tests.unit.firewall.doors import DOOR_LISTS, door

pytestmark = [pytest.mark.root, pytest.mark.iptables]

SSH = door(CLIENT, "tcp/22")
TO_HOST = door(CLIENT, "tcp/4000", f"{HOST}:7000")
SETTINGS = IptablesSettings(enable_nat=True)
# Seconds a door may shut early or late: doors that end together are closed together, by a
# process that has to start first.
TOLERANCE = 0.5


@pytest.fixture(scope="module", params=VARIANTS)
def _site(request: pytest.FixtureRequest) -> Iterator[IptablesSite]:
    with iptables_site(request.param) as site:
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


def greeting(site: IptablesSite, source: str, address: str, port: int) -> str:
    """What the server behind a port says first: who it is."""
    with connect(site.outside, source, address, port) as client:
        return client.recv(100).decode()


def test_a_door_opens_for_one_address_and_port(
    site: IptablesSite, firewall: RouterFirewall
) -> None:
    assert site.tcp(22) is not Outcome.CONNECTED
    firewall.open_for(SSH)
    assert site.tcp(22) is Outcome.CONNECTED
    assert site.tcp(22, source=STRANGER) is not Outcome.CONNECTED
    assert site.tcp(8080) is not Outcome.CONNECTED


def test_doors_work_over_ipv6(site: IptablesSite, firewall: RouterFirewall) -> None:
    assert site.tcp(22, CLIENT6, ROUTER6) is not Outcome.CONNECTED
    firewall.open_for(door(CLIENT6, "tcp/22"))
    assert site.tcp(22, CLIENT6, ROUTER6) is Outcome.CONNECTED
    assert site.tcp(22, STRANGER6, ROUTER6) is not Outcome.CONNECTED
    assert site.tcp(22) is not Outcome.CONNECTED


def test_doors_work_for_udp_and_do_not_open_tcp(
    site: IptablesSite, firewall: RouterFirewall
) -> None:
    with udp_server(site.router, ROUTER, 22) as server:
        assert not arrives(site.outside, CLIENT, server, ROUTER, 22)
        firewall.open_for(door(CLIENT, "udp/22"))
        assert arrives(site.outside, CLIENT, server, ROUTER, 22)
        assert not arrives(site.outside, STRANGER, server, ROUTER, 22)
    assert site.tcp(22) is not Outcome.CONNECTED


def test_the_rule_has_the_shape_that_guides_show(
    site: IptablesSite, firewall: RouterFirewall
) -> None:
    before = int(time.time())
    firewall.open_for(SSH)
    after = int(time.time())
    assert "-A INPUT -j FWKNOP_INPUT" in site.iptables("-S")
    (rule,) = site.rules("FWKNOP_INPUT")
    expected = f"-A FWKNOP_INPUT -s {CLIENT}/32 -p tcp -m tcp --dport 22 -m comment --comment "
    assert rule in [
        f"{expected}_exp_{second} -j ACCEPT" for second in range(before + 30, after + 32)
    ]


def test_our_jump_comes_before_what_admins_put_second(
    site: IptablesSite, firewall: RouterFirewall
) -> None:
    for _ in range(2):
        site.iptables("-I", "INPUT", "2", "-p", "tcp", "--dport", "22", "-j", "DROP")
        firewall.open_for(SSH)
        assert site.rules("INPUT")[0] == "-A INPUT -j FWKNOP_INPUT"
        assert site.tcp(22) is Outcome.CONNECTED


def test_a_door_shuts_on_time(site: IptablesSite, firewall: RouterFirewall) -> None:
    with firewall.ticking():
        assert quickest(TOLERANCE, partial(late, site, firewall, 1.2)) < TOLERANCE
    assert firewall.next_due() is None
    assert site.rules("FWKNOP_INPUT") == []


def test_knocking_again_extends_and_does_not_stack(
    site: IptablesSite, firewall: RouterFirewall
) -> None:
    with firewall.ticking():
        assert quickest(TOLERANCE, partial(late, site, firewall, 1.5, 3)) < TOLERANCE


def late(site: IptablesSite, firewall: RouterFirewall, *knocks: float) -> float:
    """Seconds a door shuts after its time, and never before it, when knocked for like this."""
    for seconds in knocks:
        before = time.monotonic()
        firewall.open_for(SSH, seconds=seconds)
        opened = time.monotonic()
    assert len(site.rules("FWKNOP_INPUT")) <= 1
    last_open, first_shut = closing_time(site.outside, CLIENT, ROUTER, 22)
    assert first_shut - before > seconds - TOLERANCE
    return last_open - opened - seconds


def test_a_door_is_never_shut_while_its_time_changes(
    site: IptablesSite, firewall: RouterFirewall
) -> None:
    firewall.open_for(SSH)
    done = threading.Event()

    def renew() -> None:
        seconds = 30
        while not done.is_set():
            seconds += 1
            firewall.open_for(SSH, seconds=seconds)

    renewing = threading.Thread(target=renew)
    renewing.start()
    outcomes = {site.tcp(22) for _ in range(300)}
    done.set()
    renewing.join()
    assert outcomes == {Outcome.CONNECTED}


def test_closing_shuts_a_door_at_once(site: IptablesSite, firewall: RouterFirewall) -> None:
    other = door(CLIENT, "tcp/8080")
    firewall.open_for(SSH, other)
    firewall.close([SSH])
    assert site.tcp(22) is not Outcome.CONNECTED
    assert site.tcp(8080) is Outcome.CONNECTED
    firewall.close([SSH, door(STRANGER, "tcp/22")])
    assert [timed.door for timed in firewall.read()] == [other]


def test_a_connection_outlives_its_door(site: IptablesSite, firewall: RouterFirewall) -> None:
    with listen_tcp(site.router, 7000) as listener:
        firewall.open_for(door(CLIENT, "tcp/7000"))
        client = connect(site.outside, CLIENT, ROUTER, 7000)
        server, _ = listener.accept()
        firewall.close([door(CLIENT, "tcp/7000")])
        with client, server:
            assert site.tcp(7000) is not Outcome.CONNECTED
            client.sendall(b"still here")
            assert server.recv(100) == b"still here"


def test_a_port_of_the_router_leads_to_a_lan_host(
    site: IptablesSite, firewall: RouterFirewall
) -> None:
    with greeter(site.host, 7000, "host"), greeter(site.host, 7001, "other port"):
        assert site.tcp(4000) is not Outcome.CONNECTED
        firewall.open_for(TO_HOST)
        assert greeting(site, CLIENT, ROUTER, 4000) == "host"
        assert site.tcp(4000, source=STRANGER) is not Outcome.CONNECTED
        elsewhere = door(CLIENT, "tcp/4000", f"{HOST}:7001")
        firewall.open_for(elsewhere)
        assert greeting(site, CLIENT, ROUTER, 4000) == "other port"
        assert [timed.door for timed in firewall.read()] == [elsewhere]
        # Closing what is no longer open must not shut what took its place.
        firewall.close([TO_HOST])
        assert site.tcp(4000) is Outcome.CONNECTED
        firewall.close([elsewhere])
        assert site.tcp(4000) is not Outcome.CONNECTED


def test_two_ports_to_one_target_do_not_depend_on_each_other(
    site: IptablesSite, firewall: RouterFirewall
) -> None:
    second = door(CLIENT, "tcp/4001", f"{HOST}:7000")
    with greeter(site.host, 7000, "host"):
        firewall.open_for(TO_HOST, second)
        firewall.close([second])
        assert site.tcp(4001) is not Outcome.CONNECTED
        assert greeting(site, CLIENT, ROUTER, 4000) == "host"


def test_what_is_gone_already_is_closed_without_a_look(
    site: IptablesSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look at thousands of rules takes a third of a second, and knocks wait for it."""
    firewall = RouterFirewall(site, SETTINGS)
    firewall.start([])
    elsewhere = door(CLIENT, "tcp/4000", f"{HOST}:7001")
    firewall.open([TimedDoor(TO_HOST, 60)])
    firewall.open([TimedDoor(elsewhere, 60)])
    looks: list[str] = []
    save = Programs.save

    def noted(programs: Programs) -> str:
        looks.append(programs.stem)
        return save(programs)

    with monkeypatch.context() as patched:
        patched.setattr(Programs, "save", noted)
        firewall.close([TO_HOST])
        assert looks == []
    assert [timed.door for timed in firewall.read()] == [elsewhere]
    firewall.close([TO_HOST, elsewhere])
    assert firewall.read() == []


def test_a_translated_port_leads_to_another_port_of_the_router(
    site: IptablesSite, firewall: RouterFirewall
) -> None:
    with greeter(site.router, 7000, "router"):
        firewall.open_for(door(CLIENT, "tcp/4000", f"{ROUTER_LAN}:7000", local=True))
        assert greeting(site, CLIENT, ROUTER, 4000) == "router"
        assert site.tcp(4000, source=STRANGER) is not Outcome.CONNECTED


def test_ipv6_is_translated_too(site: IptablesSite, firewall: RouterFirewall) -> None:
    with greeter(site.host, 7000, "host"):
        firewall.open_for(door(CLIENT6, "tcp/4000", f"{HOST6}:7000"))
        assert greeting(site, CLIENT6, ROUTER6, 4000) == "host"


def test_answers_are_let_out_where_nothing_else_is(site: IptablesSite) -> None:
    site.iptables("-P", "OUTPUT", "DROP")
    for enabled, outcome in ((False, Outcome.SILENT), (True, Outcome.CONNECTED)):
        firewall = RouterFirewall(site, IptablesSettings(enable_output=enabled))
        firewall.start()
        firewall.open_for(SSH)
        assert site.tcp(22) is outcome
        firewall.stop()


def test_doors_that_contradict_open_nothing(site: IptablesSite, firewall: RouterFirewall) -> None:
    before = site.saved()
    with pytest.raises(FirewallError, match="two targets"):
        firewall.open_for(TO_HOST, door(CLIENT, "tcp/4000", f"{HOST}:7001"))
    with pytest.raises(FirewallError, match="IPv4"):
        firewall.open_for(SSH, door(CLIENT6, "tcp/22", f"{HOST}:22"))
    with pytest.raises(FirewallError, match="more than 0"):
        firewall.open_for(SSH, seconds=0)
    assert site.saved() == before


@given(doors=DOOR_LISTS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_kernel_returns_the_doors_it_was_given(
    site: IptablesSite, firewall: RouterFirewall, doors: list[Door]
) -> None:
    firewall.open([TimedDoor(item, 100 + number) for number, item in enumerate(doors)])
    # Another daemon knows the doors from the rules alone.
    successor = RouterFirewall(site, SETTINGS)
    successor.start()
    for reader in (firewall, successor):
        held = {timed.door: timed.seconds for timed in reader.read()}
        assert set(held) == set(doors)
        for number, item in enumerate(doors):
            assert held[item] == pytest.approx(100 + number, abs=5)
    firewall.close(doors)
    assert firewall.read() == []
