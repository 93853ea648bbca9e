"""Machines without fw4, whose admins write their own nftables rules: the one line they need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fwknopd.firewall import TimedDoor
from fwknopd.firewall.nftables import NftablesFirewall
from tests.netns.conftest import CLIENT, CLIENT6, HOST, ROUTER6, STRANGER, Site
from tests.netns.guarded_host import GuardedHost, guarded_host
from tests.netns.probes import Outcome, try_tcp
from tests.unit.firewall.doors import door

pytestmark = [pytest.mark.root, pytest.mark.nft]

DATA = Path(__file__).parents[1] / "data" / "nftables"
LINE = "meta mark & 0x40000000 != 0 accept"
TABLES = {"debian": "inet filter", "nixos": "inet nixos-fw"}

both = pytest.mark.parametrize("name", TABLES)


def load(site: Site, name: str, *, line_in: tuple[str, ...] = ()) -> None:
    """The admin's rules, and the line first in those chains."""
    site.router.nft("flush ruleset\n" + (DATA / f"{name}.nft").read_text())
    for chain in line_in:
        site.router.nft(f"insert rule {TABLES[name]} {chain} {LINE}")


@pytest.fixture
def wan(site: Site) -> Iterator[NftablesFirewall]:
    """Our firewall, yet to be started; the test lives on the router."""
    firewall = NftablesFirewall()
    with site.router.entered():
        yield firewall
        firewall.stop()


@both
def test_the_line_that_is_missing_is_named_and_helps(
    site: Site, wan: NftablesFirewall, name: str
) -> None:
    load(site, name)
    wan.start(["eth1"])
    wan.open([TimedDoor(door(CLIENT, "tcp/22"), 30), TimedDoor(door(CLIENT6, "tcp/22"), 30)])
    assert site.tcp(22) is not Outcome.CONNECTED
    lacking = wan.diagnose()
    assert not lacking.ready
    for chain in ("input", "forward"):
        assert f"the chain {TABLES[name]} {chain} refuses" in lacking.detail
    site.router.nft(f"insert rule {TABLES[name]} input {LINE}")
    assert site.tcp(22) is Outcome.CONNECTED
    assert try_tcp(site.outside, CLIENT6, ROUTER6, 22) is Outcome.CONNECTED
    assert site.tcp(22, STRANGER) is not Outcome.CONNECTED
    half = wan.diagnose()
    assert f"{TABLES[name]} input" not in half.detail
    assert f"{TABLES[name]} forward" in half.detail
    site.router.nft(f"insert rule {TABLES[name]} forward {LINE}")
    assert wan.diagnose().ready


@both
def test_doors_behind_the_router_need_the_line_in_forward(
    site: Site, wan: NftablesFirewall, name: str
) -> None:
    load(site, name, line_in=("input", "forward"))
    wan.start(["eth1"])
    wan.open([TimedDoor(door(CLIENT, "tcp/4000", f"{HOST}:22"), 30)])
    assert site.tcp(4000) is Outcome.CONNECTED
    assert site.tcp(4000, STRANGER) is not Outcome.CONNECTED


def test_the_line_goes_where_nixos_lets_an_admin_put_it(site: Site, wan: NftablesFirewall) -> None:
    load(site, "nixos", line_in=("input-allow", "forward-allow"))
    wan.start(["eth1"])
    assert wan.diagnose().ready
    wan.open([TimedDoor(door(CLIENT, "tcp/22"), 30)])
    assert site.tcp(22) is Outcome.CONNECTED


@both
def test_the_admins_own_rules_are_left_as_they_are(
    site: Site, wan: NftablesFirewall, name: str
) -> None:
    load(site, name, line_in=("input", "forward"))
    table = ("nft", "list", "table", *TABLES[name].split())
    before = site.router.run(*table)
    wan.start(["eth1"])
    wan.open([TimedDoor(door(CLIENT, "tcp/22"), 30)])
    assert site.router.run(*table) == before
    # What he lets in needs no door, and what he keeps out by name gets none.
    assert site.tcp(8080, STRANGER) is Outcome.CONNECTED
    wan.stop()
    assert site.list_ruleset() == before


def test_another_programs_chain_of_iptables_is_named_too(site: Site, wan: NftablesFirewall) -> None:
    load(site, "debian", line_in=("input", "forward"))
    site.router.run("iptables-nft", "-P", "INPUT", "DROP")
    wan.start(["eth1"])
    assert "the chain ip filter INPUT refuses" in wan.diagnose().detail
    mark = ("-m", "mark", "--mark", "0x40000000/0x40000000")
    site.router.run("iptables-nft", "-I", "INPUT", *mark, "-j", "ACCEPT")
    assert wan.diagnose().ready


@pytest.fixture
def debian(tmp_path: Path) -> Iterator[GuardedHost]:
    with guarded_host(tmp_path) as site:
        site.host.machine.nft((DATA / "debian.nft").read_text())
        yield site


def test_fwknopctl_status_and_the_log_tell_it(debian: GuardedHost) -> None:
    debian.host.write("/etc/fwknop/fwknopd.conf", "PCAP_INTF eth0;\n")
    debian.host.write(
        "/etc/fwknop/access.conf",
        "SOURCE ANY\nOPEN_PORTS tcp/22\nKEY_BASE64: c2VjcmV0c2VjcmV0c2VjcmV0\n"
        "HMAC_KEY_BASE64: aG1hY2htYWNobWFjaG1hY2htYWM=\n",
    )
    with debian.host.running("fwknopd -f --firewall nftables") as daemon:
        daemon.wait_for("the chain inet filter input refuses what no rule accepts")
        with pytest.raises(RuntimeError, match=r"^fwknopctl status: 4: ") as raised:
            debian.host.type("fwknopctl status")
        status = str(raised.value)
        assert "nftables: not ready: the chain inet filter input refuses" in status
        assert f"put `{LINE}` first into it" in status
        # Nothing is forwarded, so nothing is asked of that chain.
        assert "inet filter forward" not in status
        debian.host.machine.nft(f"insert rule inet filter input {LINE}")
        debian.host.machine.nft(
            "table inet theirs { chain pre { type filter hook prerouting priority mangle; "
            "meta mark set 0x40000000; }; }"
        )
    with debian.host.running("fwknopd -f --firewall nftables") as daemon:
        status = debian.host.type("fwknopctl status")
        assert "nftables: ready: the chain inet filter input accepts packets with mark" in status
        assert "warning: the rule `meta mark set 0x40000000` in inet theirs pre" in status
        daemon.wait_for("in inet theirs pre sets mark 0x40000000, the bit of fwknopd")
