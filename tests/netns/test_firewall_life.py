"""Our table through restarts, reloads, losses and refusals."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fwknopd import spawning
from fwknopd.firewall import FirewallError, TimedDoor
from fwknopd.firewall.netlink import Request
from fwknopd.firewall.nfnetlink import Element
from fwknopd.firewall.nftables import NftablesFirewall
from tests.netns.conftest import CLIENT, Site
from tests.netns.fw4_rulesets import (
    OUR_INCLUDES,
    PROJECT,
    printed_ruleset,
    router_ruleset,
    with_includes,
)
from tests.netns.probes import Outcome
from tests.unit.firewall.doors import door

pytestmark = [pytest.mark.root, pytest.mark.nft]

SSH = door(CLIENT, "tcp/22")
NOBODY = 65534


def test_includes_go_where_fw4_puts_them() -> None:
    installed = {
        chain: f"/usr/share/nftables.d/chain-pre/{chain}/20-fwknopd.nft" for chain in OUR_INCLUDES
    }
    made = with_includes(printed_ruleset("default"), installed)
    assert made == printed_ruleset("default-with-includes")


def test_the_includes_are_one_constant_line_each() -> None:
    # A file fw4 can't parse leaves the router without any firewall after a reboot.
    for path in OUR_INCLUDES.values():
        [rule] = path.read_text().splitlines()
        assert rule.startswith("meta mark & 0x40000000 != 0 accept")
        assert "@" not in rule


def test_without_the_includes_a_door_lets_nobody_in(site: Site, firewall: NftablesFirewall) -> None:
    site.router.nft(printed_ruleset("default"))
    firewall.open([TimedDoor(SSH, 30)])
    assert site.tcp(22) is not Outcome.CONNECTED


def test_a_daemon_that_starts_again_finds_its_doors_open(
    site: Site, firewall: NftablesFirewall
) -> None:
    firewall.open([TimedDoor(SSH, 30)])
    successor = NftablesFirewall()
    with site.router.entered():
        successor.start(["eth1"])
    assert site.tcp(22) is Outcome.CONNECTED
    [timed] = successor.read()
    assert timed.door == SSH
    assert 20 < timed.seconds <= 30
    successor.stop()


def test_starting_again_changes_no_rule(site: Site, firewall: NftablesFirewall) -> None:
    before = site.list_ruleset()
    with site.router.entered():
        firewall.start(["eth1"])
    assert site.list_ruleset() == before
    assert not firewall.rules_lost()


def test_another_mark_takes_the_place_of_the_first(site: Site, firewall: NftablesFirewall) -> None:
    firewall.open([TimedDoor(SSH, 30)])
    successor = NftablesFirewall(mark=0x20000000)
    with site.router.entered():
        successor.start(["eth1"])
    assert "0x40000000" not in site.router.run("nft", "list", "table", "inet", "fwknopd")
    assert [timed.door for timed in successor.read()] == [SSH]
    successor.stop()


def test_a_table_of_another_shape_is_replaced(site: Site) -> None:
    site.router.nft("""
        table inet fwknopd {
            set open4 { type ipv4_addr; flags timeout; }
            chain input { type filter hook input priority 300; policy accept; }
        }
    """)
    firewall = NftablesFirewall()
    with site.router.entered():
        firewall.start(["eth1"])
    firewall.open([TimedDoor(SSH, 30)])
    assert site.tcp(22) is Outcome.CONNECTED
    firewall.stop()


def test_stopping_takes_everything_away_and_nothing_else(
    site: Site, firewall: NftablesFirewall
) -> None:
    before = site.router.run("nft", "list", "tables")
    firewall.open([TimedDoor(SSH, 30)])
    firewall.stop()
    tables = site.router.run("nft", "list", "tables")
    assert sorted([*tables.splitlines(), "table inet fwknopd"]) == sorted(before.splitlines())
    assert site.tcp(22) is not Outcome.CONNECTED
    firewall.stop()
    assert firewall.fileno() is None


@pytest.mark.parametrize("restart", ["", "delete table inet fw4\n"])
def test_doors_outlive_fw4_reload_and_restart(
    site: Site, firewall: NftablesFirewall, restart: str
) -> None:
    firewall.open([TimedDoor(SSH, 30)])
    site.router.nft(restart + router_ruleset("default"))
    assert site.tcp(22) is Outcome.CONNECTED
    assert not firewall.rules_lost()


def test_opening_without_the_table_says_what_happened(
    site: Site, firewall: NftablesFirewall
) -> None:
    site.router.nft("flush ruleset")
    with pytest.raises(FirewallError, match="table inet fwknopd is gone"):
        firewall.open([TimedDoor(SSH, 30)])
    # So many at once that the kernel's complaints do not fit into our buffer.
    with pytest.raises(FirewallError, match="table inet fwknopd is gone"):
        firewall.open(
            [TimedDoor(door(f"10.0.{n >> 8}.{n & 255}", "tcp/22"), 30) for n in range(9000)]
        )


def test_opening_before_the_start_is_a_mistake() -> None:
    with pytest.raises(FirewallError, match="not started"):
        NftablesFirewall().open([TimedDoor(SSH, 30)])


def test_thousands_of_doors_open_in_one_call(firewall: NftablesFirewall) -> None:
    doors = [TimedDoor(door(f"10.0.{n >> 8}.{n & 255}", "tcp/22"), 300) for n in range(10000)]
    firewall.open(doors)
    assert len(firewall.read()) == 10000
    firewall.close([timed.door for timed in doors[1:]])
    assert [timed.door for timed in firewall.read()] == [doors[0].door]


class SlowFirewall(NftablesFirewall):
    """Of a router that needs 0.2 ms for each change of an element, by a clock of its own."""

    def __init__(self) -> None:
        self.changes = 0
        super().__init__(monotonic=lambda: self.changes * 0.0002)

    def _request(self, element: Element, milliseconds: int) -> Request:
        self.changes += 1
        assert self.changes < 50_000, "it goes on setting them"
        return super()._request(element, milliseconds)


def test_doors_whose_number_alone_makes_them_late_are_set_again_once(site: Site) -> None:
    firewall = SlowFirewall()
    doors = [TimedDoor(door(f"10.0.{n >> 8}.{n & 255}", "tcp/22"), 600) for n in range(4000)]
    with site.router.entered():
        firewall.start(["eth1"])
        firewall.open([*doors, TimedDoor(SSH, 1)])
        held = {timed.door: timed.seconds for timed in firewall.read()}
        firewall.stop()
    # What was over by the time the others were set is shut, and none of these lasts too long.
    assert held.keys() == {timed.door for timed in doors}
    assert 500 < min(held.values()) <= max(held.values()) < 600 - 2


UNPRIVILEGED = """
import os, sys
sys.path[:0] = sys.argv[1:]
from fwknopd.firewall import FirewallError, TimedDoor
from fwknopd.firewall.nftables import NftablesFirewall
from tests.unit.firewall.doors import door

firewall = NftablesFirewall()
try:
    {steps}
except FirewallError as error:
    print(error)
"""


def run_unprivileged(site: Site, *steps: str) -> str:
    """Run a small program on the router, which may become nobody; the FirewallError it met.

    A process of its own, because a process with threads should not fork.
    """
    program = UNPRIVILEGED.format(steps="\n    ".join(steps))
    paths = (str(PROJECT), str(PROJECT / "daemon"))
    return site.router.run(sys.executable, "-c", program, *paths)


def test_starting_without_privilege_says_what_is_needed(site: Site) -> None:
    answer = run_unprivileged(site, f"os.setuid({NOBODY})", 'firewall.start(["eth1"])')
    assert answer.startswith("not allowed to change nftables: needs CAP_NET_ADMIN")


def test_opening_after_losing_privilege_says_what_is_needed(site: Site) -> None:
    answer = run_unprivileged(
        site,
        'firewall.start(["eth1"])',
        f"os.setuid({NOBODY})",
        f'firewall.open([TimedDoor(door("{CLIENT}", "tcp/22"), 30)])',
    )
    assert answer.startswith("not allowed to change nftables: needs CAP_NET_ADMIN")
    assert site.tcp(22) is not Outcome.CONNECTED


def test_starting_without_nft_names_the_package(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(spawning, "SYSTEM_FOLDERS", ())
    firewall = NftablesFirewall()
    with site.router.entered(), pytest.raises(FirewallError, match="install the package nftables"):
        firewall.start(["eth1"])
    firewall.stop()


def test_the_diagnosis_tells_whether_fw4_accepts_the_mark(
    site: Site, firewall: NftablesFirewall
) -> None:
    with site.router.entered():
        assert firewall.diagnose().ready
        assert not NftablesFirewall(mark=0x20000000).diagnose().ready
        site.router.nft(printed_ruleset("default"))
        missing = firewall.diagnose()
        site.router.nft("delete table inet fw4")
        without_fw4 = firewall.diagnose()
    assert not missing.ready
    assert "fw4 reload" in missing.detail
    assert without_fw4.ready
    assert "whoever tries gets in" in without_fw4.detail
