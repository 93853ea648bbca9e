"""Our iptables rules wiped by others: back by themselves, without a knock."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from fwknopd.firewall import FirewallError
from fwknopd.firewall.iptables_process import LOCK_SECONDS, Programs
from fwknopd.firewall.iptables_rules import IptablesSettings
from fwknopd.firewall.iptables_watch import ROUND_SECONDS
from tests.netns.conftest import CLIENT, CLIENT6, HOST, STRANGER
from tests.netns.iptables_site import (
    ADMIN_RULES,
    VARIANTS,
    IptablesSite,
    RouterFirewall,
    iptables_site,
)
from tests.netns.probes import Outcome
from tests.unit.firewall.doors import door

pytestmark = [pytest.mark.root, pytest.mark.iptables]

SSH = door(CLIENT, "tcp/22")
WEB = door(CLIENT, "tcp/8080")
LED = door(CLIENT, "tcp/4000", f"{HOST}:22")
# Seconds until rules are back: what the watch waits for quiet, and a busy machine. A round, which
# finds them as well, comes later.
SOON = ROUND_SECONDS - 6
# The same while others hold the lock: more than two rounds.
PATIENCE = 40.0


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
    firewall = RouterFirewall(site, IptablesSettings(enable_nat=True))
    firewall.start()
    yield firewall
    firewall.stop()


def lost(firewall: RouterFirewall, within: float = SOON) -> bool:
    """Wait as the service's loop does, until rules are found lost or time is over."""
    end = time.monotonic() + within
    descriptor = firewall.fileno()
    assert descriptor is not None
    while (now := time.monotonic()) < end:
        look_at = firewall.look_at()
        wait = min(end, end if look_at is None else look_at) - now
        ready = select.select([descriptor], [], [], max(wait, 0))[0]
        if (ready or wait <= 0) and firewall.rules_lost():
            return True
    return False


def ours(site: IptablesSite) -> list[str]:
    """Our chains, jumps and rules, in whatever order."""
    return sorted(line for line in site.saved().splitlines() if "FWKNOP" in line)


def iptables(*commands: str) -> Callable[[IptablesSite], None]:
    def wipe(site: IptablesSite) -> None:
        for command in commands:
            site.iptables(*command.split())

    return wipe


def restored(site: IptablesSite) -> None:
    """As `netfilter-persistent reload` with rules saved before fwknopd ran."""
    site.router.run(f"iptables{site.variant}-restore", script=ADMIN_RULES.format(icmp="icmp"))


@pytest.fixture
def between(site: IptablesSite, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Scripts of a firewall's own that are loaded one after each table of ours."""
    scripts: list[str] = []
    real = Programs.restore

    def restore(self: Programs, script: str, wait: int = LOCK_SECONDS) -> FirewallError | None:
        fault = None
        for table in script.split("COMMIT\n")[:-1]:
            fault = fault or real(self, f"{table}COMMIT\n", wait)
            if scripts:
                site.router.run(f"iptables{site.variant}-restore", script=scripts.pop(0))
        return fault

    monkeypatch.setattr(Programs, "restore", restore)
    return scripts


WIPES = {
    "flush": iptables("-F", "-X"),
    "flush INPUT": iptables("-F INPUT"),
    "flush nat": iptables("-t nat -F", "-t nat -X"),
    "jump deleted": iptables("-D INPUT -j FWKNOP_INPUT"),
    "restore": restored,
}


@pytest.mark.parametrize("wipe", WIPES.values(), ids=WIPES)
def test_wiped_rules_are_back_without_a_knock(
    site: IptablesSite, firewall: RouterFirewall, wipe: Callable[[IptablesSite], None]
) -> None:
    firewall.open_for(SSH, LED)
    before = ours(site)
    wipe(site)
    assert lost(firewall)
    firewall.start()
    assert ours(site) == before
    assert site.tcp(22) is Outcome.CONNECTED
    # Their own repair is no news.
    assert not lost(firewall, within=1)


def test_rules_wiped_while_they_are_put_back_are_put_back_whole(
    site: IptablesSite, firewall: RouterFirewall, between: list[str]
) -> None:
    """A firewall that starts at the same time empties each table just after ours is in it."""
    firewall.open_for(door(CLIENT, "tcp/4000", f"{HOST}:22", mask="masquerade"), SSH)
    before = ours(site)
    restored(site)
    filter_, nat = ADMIN_RULES.format(icmp="icmp").split("*nat")
    between += [filter_, f"*nat{nat}"]
    firewall.start()
    assert not between
    assert ours(site) == before
    assert site.tcp(22) is Outcome.CONNECTED


def test_chains_are_back_even_when_no_door_is_open(
    site: IptablesSite, firewall: RouterFirewall
) -> None:
    site.iptables("-F", "INPUT")
    assert lost(firewall)
    firewall.start()
    assert site.rules("INPUT")[0] == "-A INPUT -j FWKNOP_INPUT"


def test_ipv6_is_watched_too(site: IptablesSite, firewall: RouterFirewall) -> None:
    firewall.open_for(door(CLIENT6, "tcp/22"))
    site.router.run(f"ip6tables{site.variant}", "-F")
    assert lost(firewall)
    firewall.start()
    assert {timed.door for timed in firewall.read()} == {door(CLIENT6, "tcp/22")}


def test_our_own_changes_and_those_of_others_elsewhere_are_no_news(
    site: IptablesSite, firewall: RouterFirewall
) -> None:
    firewall.open_for(SSH, LED, door(CLIENT6, "tcp/22"))
    firewall.open_for(SSH, seconds=60)
    firewall.close([LED])
    site.iptables("-A", "INPUT", "-s", STRANGER, "-j", "DROP")
    site.iptables("-t", "nat", "-A", "POSTROUTING", "-j", "ACCEPT")
    site.iptables("-N", "f2b-sshd")
    assert not lost(firewall, within=1)
    assert [timed.door for timed in firewall.read()] == [SSH, door(CLIENT6, "tcp/22")]


def test_a_door_closed_by_hand_stays_closed(site: IptablesSite, firewall: RouterFirewall) -> None:
    firewall.open_for(SSH, WEB, LED)
    for table, chain, port in (("filter", "FWKNOP_INPUT", 22), ("nat", "FWKNOP_PREROUTING", 4000)):
        (rule,) = [r for r in site.rules(chain, table) if f"--dport {port} " in r]
        site.iptables("-t", table, *rule.replace("-A", "-D", 1).split())
    # What is left of a door that was half closed goes too. The lock is the whole machine's:
    # whoever holds it puts the look off.
    end = time.monotonic() + PATIENCE
    while site.rules("FWKNOP_FORWARD"):
        assert time.monotonic() < end
        assert not lost(firewall, within=0.5)
    assert not lost(firewall, within=1)
    assert [timed.door for timed in firewall.read()] == [WEB]
    site.iptables("-F", "INPUT")
    assert lost(firewall)
    firewall.start()
    assert [timed.door for timed in firewall.read()] == [WEB]
    assert site.tcp(22) is not Outcome.CONNECTED


def test_old_rules_that_are_loaded_again_go_in_time(
    site: IptablesSite, firewall: RouterFirewall
) -> None:
    saved = site.router.run(f"iptables{site.variant}-save")
    now = int(time.time())
    match = "-p tcp -m tcp --dport 22 -m comment --comment _exp_{} -j ACCEPT\n"
    stale = f"-A FWKNOP_INPUT -s {CLIENT} {match}-A FWKNOP_INPUT -s {STRANGER} {match}"
    filter_, _, rest = saved.partition("*filter")
    saved = (
        f"{filter_}*filter{rest.replace('COMMIT', stale.format(now - 5, now + 8) + 'COMMIT', 1)}"
    )
    site.router.run(f"iptables{site.variant}-restore", script=saved)
    if lost(firewall, within=3):
        # iptables-nft tells that the chains were made anew.
        firewall.start()
    assert site.tcp(22) is not Outcome.CONNECTED
    assert site.tcp(22, source=STRANGER) is Outcome.CONNECTED or time.time() > now + 8
    with firewall.ticking():
        while site.rules("FWKNOP_INPUT"):
            assert time.time() < now + PATIENCE


def test_doors_lost_with_a_saved_set_come_back(
    site: IptablesSite, firewall: RouterFirewall
) -> None:
    """Chains and jumps are in the set, so that only announcements tell."""
    saved = site.router.run(f"iptables{site.variant}-save")
    firewall.open_for(SSH)
    site.router.run(f"iptables{site.variant}-restore", script=saved)
    if site.variant == "-nft":
        assert lost(firewall)
        firewall.start()
        assert site.tcp(22) is Outcome.CONNECTED
    else:
        # The old interface tells nobody: the door counts as closed by hand.
        # The lock is the whole machine's: whoever holds it may put the look off, again and again.
        end = time.monotonic() + PATIENCE
        while firewall.next_due() is not None:
            assert time.monotonic() < end
            assert not lost(firewall, within=0.5)
        assert site.tcp(22) is not Outcome.CONNECTED


def test_a_knock_in_between_repairs_at_once(site: IptablesSite, firewall: RouterFirewall) -> None:
    firewall.open_for(SSH)
    site.iptables("-F")
    firewall.open_for(WEB)
    assert site.tcp(22) is Outcome.CONNECTED
    assert site.tcp(8080) is Outcome.CONNECTED


def test_without_announcements_rounds_find_it(
    site: IptablesSite, firewall: RouterFirewall, monkeypatch: pytest.MonkeyPatch
) -> None:
    firewall._watch.close()
    assert firewall.look_at() is None
    firewall.open_for(SSH)
    monkeypatch.setattr("fwknopd.firewall.iptables_watch.ROUND_SECONDS", 0.2)
    site.iptables("-F")
    due = firewall.look_at()
    assert due is not None
    time.sleep(max(0, due - time.monotonic()))
    assert firewall.rules_lost()
    firewall.start()
    assert site.tcp(22) is Outcome.CONNECTED


def test_a_loss_found_by_the_diagnosis_is_mended(
    site: IptablesSite, firewall: RouterFirewall
) -> None:
    firewall._watch.close()
    site.iptables("-F", "INPUT")
    diagnosis = firewall.diagnose()
    assert not diagnosis.ready
    assert "from INPUT to FWKNOP_INPUT was deleted; it is being put back" in diagnosis.detail
    assert firewall.rules_lost()


def test_a_jump_that_was_moved_stays_where_it_is(
    site: IptablesSite, firewall: RouterFirewall
) -> None:
    site.iptables("-D", "INPUT", "-j", "FWKNOP_INPUT")
    site.iptables("-A", "INPUT", "-j", "FWKNOP_INPUT")
    assert not lost(firewall, within=1)
    firewall.open_for(SSH)
    firewall.start()
    assert site.rules("INPUT")[-1] == "-A INPUT -j FWKNOP_INPUT"
    assert len([rule for rule in site.rules("INPUT") if "FWKNOP" in rule]) == 1
    assert "FWKNOP_INPUT is rule 3 of INPUT" in firewall.diagnose().detail


def test_rules_of_others_in_a_chain_of_ours_stay(site: IptablesSite) -> None:
    site.iptables("-N", "FWKNOP_INPUT")
    site.iptables("-A", "FWKNOP_INPUT", "-s", "10.9.9.9", "-j", "ACCEPT")
    theirs = "-A FWKNOP_INPUT -s 10.9.9.9/32 -j ACCEPT"
    firewall = RouterFirewall(site, replace(IptablesSettings(), flush_at_init=True))
    firewall.start()
    firewall.open_for(SSH)
    (warning,) = firewall.diagnose().warnings
    assert "FWKNOP_INPUT holds rules that are not fwknopd's" in warning
    firewall.close([SSH])
    assert site.rules("FWKNOP_INPUT") == [theirs]
    firewall.open_for(SSH)
    firewall.stop()
    assert site.rules("FWKNOP_INPUT") == [theirs]
    assert site.rules("INPUT")[0] == "-A INPUT -j FWKNOP_INPUT"


def test_a_chain_of_nft_that_refuses_whom_a_door_lets_in_is_named(
    site: IptablesSite, firewall: RouterFirewall
) -> None:
    firewall.open_for(SSH)
    assert firewall.diagnose().warnings == (), "the tables of iptables-nft are its own"
    site.router.nft(
        "table inet late { chain in { type filter hook input priority filter; policy drop; }; }"
    )
    try:
        assert site.tcp(22) is not Outcome.CONNECTED
        found = firewall.diagnose()
        assert not firewall.rules_lost()
    finally:
        site.router.nft("delete table inet late")
    assert found.ready
    (warning,) = found.warnings
    assert warning.startswith("the chain inet late in of nftables refuses")
    assert site.tcp(22) is Outcome.CONNECTED
    assert firewall.diagnose().warnings == ()
