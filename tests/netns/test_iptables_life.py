"""Our iptables chains through restarts, losses and refusals."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import pytest

from fwknopd.clock import SystemClock
from fwknopd.firewall import TimedDoor
from fwknopd.firewall.iptables_rules import IptablesSettings
from fwknopd.open_doors import OpenDoors
from fwknopd.policy.stanza import Stanza
from fwknopd.spa.packet import SpaKeys
from tests.netns.conftest import CLIENT, CLIENT6, HOST, ROUTER, STRANGER
from tests.netns.iptables_site import VARIANTS, IptablesSite, RouterFirewall, iptables_site
from tests.netns.probes import Outcome, closing_time
from tests.timing import quickest
from tests.unit.firewall.doors import door

pytestmark = [pytest.mark.root, pytest.mark.iptables]

SSH = door(CLIENT, "tcp/22")
WEB = door(CLIENT, "tcp/8080")
NAT = IptablesSettings(enable_nat=True)
# Seconds until a test gives up: whether in time, a test tells by other means.
PATIENCE = 40.0
KEEPING = IptablesSettings(flush_at_exit=False)
MANY = [TimedDoor(door(f"10.0.{n >> 8}.{n & 255}", "tcp/22"), 300) for n in range(10_000)]


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
    firewall = RouterFirewall(site)
    firewall.start()
    yield firewall
    firewall.stop()


def started(site: IptablesSite, settings: IptablesSettings | None = None) -> RouterFirewall:
    """Another daemon's firewall, as after a crash of the first."""
    firewall = RouterFirewall(site, settings)
    firewall.start()
    return firewall


def rule(address: str, end: int) -> list[str]:
    """A rule as the C daemon, or an earlier one of ours, left it."""
    match = f"-s {address} -p tcp -m tcp --dport 22 -m comment --comment _exp_{end} -j ACCEPT"
    return ["-A", "FWKNOP_INPUT", *match.split()]


def test_a_daemon_that_starts_again_finds_its_doors_open(
    site: IptablesSite, firewall: RouterFirewall
) -> None:
    opened = time.monotonic()
    firewall.open_for(SSH)
    before = site.saved()
    successor = started(site)
    assert site.saved() == before
    (timed,) = successor.read()
    assert timed.door == SSH
    least = opened + 25
    assert least - time.monotonic() < timed.seconds <= 30
    due = successor.next_due()
    assert due is not None
    assert least < due <= time.monotonic() + 30
    successor.close([SSH])
    assert site.tcp(22) is not Outcome.CONNECTED


@pytest.mark.parametrize("hours", [5, -5])
def test_a_clock_that_jumps_by_hours_moves_no_door(site: IptablesSite, hours: int) -> None:
    jumped = 0.0
    firewall = RouterFirewall(site, wall=lambda: time.time() + jumped)
    firewall.start()
    opened = time.monotonic()
    firewall.open_for(SSH, seconds=2)
    jumped = hours * 3600.0
    firewall.open_for(WEB, seconds=60)
    assert {timed.door for timed in firewall.read()} == {SSH, WEB}
    with firewall.ticking():
        while site.tcp(22) is Outcome.CONNECTED:
            assert time.monotonic() < opened + PATIENCE
    assert time.monotonic() >= opened + 2
    assert site.tcp(8080) is Outcome.CONNECTED
    assert [timed.door for timed in firewall.read()] == [WEB]


def test_after_a_crash_and_a_clock_set_back_no_door_lasts_longer_than_a_client_may_have_it(
    site: IptablesSite,
) -> None:
    early = RouterFirewall(site, wall=lambda: time.time() + 5 * 3600)
    early.start()
    early.open_for(SSH)
    early.die()
    firewall = started(site)
    doors = OpenDoors(firewall, SystemClock(), lambda *args, **more: None)
    longest = Stanza(1, SpaKeys(b"key"), max_fw_timeout=60)
    assert doors.adopt((longest,)) == 1
    (timed,) = firewall.read()
    due = firewall.next_due()
    assert due is not None and due <= time.monotonic() + 60
    assert timed.seconds <= 60


def test_a_door_that_others_made_is_closed_in_time_once_somebody_has_seen_it(
    site: IptablesSite, firewall: RouterFirewall
) -> None:
    """Such as the last program of a daemon that was killed, which had waited for the lock."""
    firewall._watch.close()
    end = int(time.time()) + 2
    site.iptables(*rule(CLIENT, end))
    assert firewall.next_due() is None
    assert [timed.door for timed in firewall.read()] == [SSH]
    with firewall.ticking():
        while site.rules("FWKNOP_INPUT"):
            assert time.time() < end + PATIENCE
    assert time.time() >= end


def test_what_the_last_program_of_a_crash_did_is_found_and_closed_in_time(
    site: IptablesSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fwknopd.firewall.iptables_watch.PREDECESSOR_SECONDS", 0.5)
    crashed = started(site)
    crashed.die()
    firewall = started(site)
    end = int(time.time()) + 3
    site.iptables(*rule(CLIENT, end))
    if site.variant != "-nft":
        # As if a program of ours had waited for the lock just then.
        firewall._watch.passed(0)
    while firewall.next_due() is None:
        assert time.time() < end + PATIENCE, "nobody looks"
        firewall.rules_lost()
    with firewall.ticking():
        while site.rules("FWKNOP_INPUT"):
            assert time.time() < end + PATIENCE
    assert time.time() >= end


def test_what_a_crash_left_is_closed_in_time(site: IptablesSite) -> None:
    now = int(time.time())
    site.iptables("-N", "FWKNOP_INPUT")
    for address, end in ((STRANGER, now - 5), (CLIENT, now + 2), (CLIENT, now + 3)):
        site.iptables(*rule(address, end))
    site.iptables("-A", "FWKNOP_INPUT", "-s", "10.9.9.9", "-j", "ACCEPT")
    comment = ("-m", "comment", "--comment", f"_exp_{now + 2}")
    site.iptables("-A", "FWKNOP_INPUT", "-p", "icmp", *comment, "-j", "ACCEPT")
    firewall = started(site)
    assert site.tcp(22, source=STRANGER) is not Outcome.CONNECTED
    assert site.tcp(22) is Outcome.CONNECTED or time.time() > now + 3
    with firewall.ticking():
        while len(site.rules("FWKNOP_INPUT")) > 1:
            assert time.time() < now + PATIENCE
            time.sleep(0.02)
    assert time.time() > now + 2.9
    # What names no end is somebody else's.
    assert site.rules("FWKNOP_INPUT") == ["-A FWKNOP_INPUT -s 10.9.9.9/32 -j ACCEPT"]
    firewall.stop()


def test_flushing_at_the_start_is_done_where_asked_for(
    site: IptablesSite, firewall: RouterFirewall
) -> None:
    firewall.open_for(SSH)
    successor = started(site, IptablesSettings(flush_at_init=True))
    assert site.rules("FWKNOP_INPUT") == []
    successor.open_for(SSH)
    # At a reload it must not.
    successor.start()
    assert site.tcp(22) is Outcome.CONNECTED


def test_stopping_takes_everything_away_and_nothing_else(site: IptablesSite) -> None:
    before = site.saved()
    firewall = started(site, NAT)
    firewall.open_for(SSH, door(CLIENT6, "tcp/22"), door(CLIENT, "tcp/4000", f"{HOST}:22"))
    assert site.saved() != before
    firewall.stop()
    assert site.saved() == before
    firewall.stop()


def test_doors_stay_when_nothing_is_to_be_flushed_at_the_exit(site: IptablesSite) -> None:
    firewall = started(site, KEEPING)
    firewall.open_for(SSH)
    firewall.stop()
    assert site.tcp(22) is Outcome.CONNECTED
    assert [timed.door for timed in started(site).read()] == [SSH]


@pytest.mark.parametrize(
    "loss",
    [
        (("-F", "INPUT"),),
        (("-F", "FWKNOP_INPUT"),),
        (("-F",), ("-X",)),
        (("-D", "INPUT", "-j", "FWKNOP_INPUT"), ("-F", "FWKNOP_INPUT"), ("-X", "FWKNOP_INPUT")),
    ],
    ids=lambda loss: "".join("".join(words) for words in loss),
)
def test_what_others_deleted_is_back_at_the_next_knock(
    site: IptablesSite, firewall: RouterFirewall, loss: tuple[tuple[str, ...], ...]
) -> None:
    firewall.open_for(SSH)
    for words in loss:
        site.iptables(*words)
    assert site.tcp(22) is not Outcome.CONNECTED
    # An extension: the rule it takes out may be gone.
    firewall.open_for(SSH, seconds=60)
    firewall.open_for(WEB)
    assert site.tcp(22) is Outcome.CONNECTED
    assert site.tcp(8080) is Outcome.CONNECTED
    assert len(site.rules("FWKNOP_INPUT")) == 2
    assert site.rules("INPUT")[0] == "-A INPUT -j FWKNOP_INPUT"


def test_every_open_door_is_back_with_the_chains(
    site: IptablesSite, firewall: RouterFirewall
) -> None:
    firewall.open_for(SSH)
    site.reset()
    firewall.open_for(WEB)
    assert site.tcp(22) is Outcome.CONNECTED
    site.reset()
    firewall.start()
    assert site.tcp(8080) is Outcome.CONNECTED


def test_closing_what_others_deleted_is_no_error(
    site: IptablesSite, firewall: RouterFirewall
) -> None:
    firewall.open_for(SSH, WEB)
    site.iptables(*site.rules("FWKNOP_INPUT")[0].replace("-A", "-D", 1).split())
    firewall.close([SSH, WEB])
    assert site.rules("FWKNOP_INPUT") == []
    assert firewall.read() == []


def test_a_door_that_others_made_in_our_chain_is_closed_when_asked_for(
    site: IptablesSite, firewall: RouterFirewall
) -> None:
    firewall.open_for(WEB)
    site.iptables(*rule(CLIENT, int(time.time()) + 60))
    assert site.tcp(22) is Outcome.CONNECTED
    assert SSH in [timed.door for timed in firewall.read()]
    firewall.close([SSH])
    assert site.tcp(22) is not Outcome.CONNECTED
    assert site.tcp(8080) is Outcome.CONNECTED


def test_the_diagnosis_tells_whether_our_chain_is_asked(
    site: IptablesSite, firewall: RouterFirewall
) -> None:
    with site.router.entered():
        assert firewall.diagnose().detail == "FWKNOP_INPUT is rule 1 of INPUT"
        site.iptables("-I", "INPUT", "1", "-j", "REJECT")
        barred = firewall.diagnose()
        site.iptables("-F", "INPUT")
        lost = firewall.diagnose()
    assert not barred.ready
    assert barred.detail.startswith("rule 1 of INPUT, `-j REJECT --reject-with icmp-port-unr")
    assert not lost.ready
    assert "from INPUT to FWKNOP_INPUT was deleted" in lost.detail


def test_a_door_shuts_in_time_among_ten_thousand(
    site: IptablesSite, firewall: RouterFirewall
) -> None:
    firewall.open(MANY)
    with firewall.ticking():
        assert quickest(1, partial(late, site, firewall, 2)) < 1
    assert len(firewall.read()) == len(MANY)


def late(site: IptablesSite, firewall: RouterFirewall, seconds: float) -> float:
    """Seconds a door shuts after its time; not one before it."""
    before = time.monotonic()
    firewall.open_for(SSH, seconds=seconds)
    opened = time.monotonic()
    last_open, first_shut = closing_time(site.outside, CLIENT, ROUTER, 22)
    assert first_shut - before > seconds - 1
    return last_open - opened - seconds


def test_ten_thousand_doors_shut_together(site: IptablesSite, firewall: RouterFirewall) -> None:
    firewall.open([TimedDoor(timed.door, 1) for timed in MANY])
    while (due := firewall.next_due()) is not None:
        time.sleep(max(0, due - time.monotonic()))
        late = time.monotonic()
        firewall.expire()
        took = time.monotonic() - late
    assert site.rules("FWKNOP_INPUT") == []
    assert took < 5
