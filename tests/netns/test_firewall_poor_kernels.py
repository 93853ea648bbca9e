"""Where something is missing: a clear word, nothing half-made, and what works goes on working."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fwknopd.firewall import FirewallError, TimedDoor
from fwknopd.firewall.nftables import NftablesFirewall
from fwknopd.spawning import find_program
from tests.interop.program import Fwknopd, environment
from tests.netns.conftest import CLIENT, HOST, Site
from tests.netns.namespaces import Machines
from tests.netns.probes import Outcome
from tests.unit.firewall.doors import door

pytestmark = [pytest.mark.root, pytest.mark.nft]

SSH = door(CLIENT, "tcp/22")
FORWARDED = door(CLIENT, "tcp/4000", f"{HOST}:22")

Lacks = Callable[[str], None]


@pytest.fixture
def lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lacks:
    """Makes nft answer scripts with a word in them as where the kernel lacks that feature."""
    nft = find_program("nft")

    def lacks(word: str) -> None:
        program = tmp_path / "nft"
        program.write_text(f"""\
#!/bin/sh
script=$(cat)
case "$script" in *"{word}"*)
    echo "/dev/stdin:4:1-9: Error: Could not process rule: Operation not supported" >&2
    exit 1;;
esac
echo "$script" | {nft} "$@"
""")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/sbin:/usr/bin:/sbin:/bin")

    return lacks


def test_without_nat_plain_doors_open_and_others_say_why(site: Site, lacks: Lacks) -> None:
    lacks("type nat hook")
    firewall = NftablesFirewall()
    with site.router.entered():
        firewall.start(["eth1"])
        firewall.open([TimedDoor(SSH, 30)])
        with pytest.raises(FirewallError, match="kernel's modules for NAT") as refused:
            firewall.open([TimedDoor(door(CLIENT, "tcp/8080"), 30), TimedDoor(FORWARDED, 30)])
        assert "Operation not supported" in str(refused.value)
        assert [timed.door for timed in firewall.read()] == [SSH]
        assert site.tcp(22) is Outcome.CONNECTED
        assert not firewall.rules_lost()
        # And the next plain door needs no NAT either.
        firewall.open([TimedDoor(door(CLIENT, "tcp/8080"), 30)])
        assert site.tcp(8080) is Outcome.CONNECTED
        firewall.stop()


def test_without_timeouts_nothing_is_made(site: Site, lacks: Lacks) -> None:
    lacks("flags timeout")
    before = site.list_ruleset()
    firewall = NftablesFirewall()
    with site.router.entered(), pytest.raises(FirewallError, match="could not make table") as it:
        firewall.start(["eth1"])
    assert "Operation not supported" in str(it.value)
    assert "kmod-nft-core" in str(it.value)
    assert site.list_ruleset() == before
    firewall.stop()
    assert site.list_ruleset() == before


def test_an_open_door_stays_when_its_successor_cant_make_rules(site: Site, lacks: Lacks) -> None:
    first = NftablesFirewall()
    with site.router.entered():
        first.start(["eth1"])
        first.open([TimedDoor(SSH, 30)])
        lacks("flags timeout")
        successor = NftablesFirewall()
        with pytest.raises(FirewallError):
            successor.start(["eth1", "eth2"])
        # What stands is not torn down by what can't be built.
        assert site.tcp(22) is Outcome.CONNECTED
        assert [timed.door for timed in first.read()] == [SSH]
        first.stop()
        successor.stop()


def test_a_daemon_without_the_capability_says_so_and_changes_nothing(tmp_path: Path) -> None:
    with Machines() as machines:
        router = machines.add("router")
        fwknopd = Fwknopd(tmp_path)
        fwknopd.firewall = "nftables"
        stripped = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-all", "--"]
        with router.entered():
            done = subprocess.run(
                [*stripped, *fwknopd.command("-f")],
                capture_output=True,
                text=True,
                timeout=20,
                cwd=tmp_path,
                env=environment(),
            )
        assert done.returncode == 1
        assert "not allowed to change nftables: needs CAP_NET_ADMIN" in done.stderr
        assert "as root, or give its service that capability" in done.stderr
        assert router.run("nft", "list", "ruleset") == ""


def test_a_script_of_ours_is_never_loaded_by_halves(site: Site) -> None:
    # A chain of ours that somebody made a base chain of another kind.
    site.router.nft("""
        table inet fwknopd {
            chain mark_input { type filter hook output priority 0; policy drop; }
        }
    """)
    firewall = NftablesFirewall()
    with site.router.entered():
        firewall.start(["eth1"])
        firewall.open([TimedDoor(SSH, 30)])
        assert site.tcp(22) is Outcome.CONNECTED
        firewall.stop()
    assert "inet fwknopd" not in site.list_ruleset()
