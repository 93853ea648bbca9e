"""Choosing a backend, running nft, and the backend that only remembers."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from fwknopd import spawning
from fwknopd.connections import NoConnections
from fwknopd.firewall import FirewallError, TimedDoor, conntrack
from fwknopd.firewall.choice import LateConntrack, choose_connections, choose_firewall
from fwknopd.firewall.iptables import IptablesFirewall
from fwknopd.firewall.log_only import LogOnlyFirewall
from fwknopd.firewall.nft_process import find_nft, run_nft
from fwknopd.firewall.nftables import NftablesFirewall
from fwknopd.firewall.process import run_anew
from tests.unit.connection_table import Table
from tests.unit.firewall.doors import door

SSH = door("198.51.100.7", "tcp/22")
DNS = door("198.51.100.7", "udp/53")


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which programs are looked for; empty."""
    monkeypatch.setattr(spawning, "SYSTEM_FOLDERS", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def install_nft(folder: Path, script: str) -> None:
    """Put a shell script in nft's place."""
    install(folder, "nft", script)


def install(folder: Path, name: str, script: str = "exit 0") -> None:
    """Put a shell script in a program's place."""
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_auto_is_nftables_where_nft_is_installed(programs: Path) -> None:
    install_nft(programs, "exit 0")
    assert choose_firewall("auto").name == "nftables"
    assert choose_firewall("nftables").name == "nftables"


@pytest.mark.parametrize("kind", ["auto", "nftables"])
def test_a_missing_nft_is_told_with_its_package(programs: Path, kind: str) -> None:
    assert programs.is_dir()
    with pytest.raises(FirewallError, match="nft not found: install the package nftables"):
        choose_firewall(kind)


def test_auto_is_iptables_where_only_that_is_installed(programs: Path) -> None:
    install(programs, "iptables-restore")
    assert choose_firewall("auto").name == "iptables"
    assert choose_firewall("iptables").name == "iptables"


IPTABLES_DROPS = """\
table ip filter {
	chain INPUT {
		type filter hook input priority filter; policy drop;
		ct state related,established counter packets 1 bytes 60 accept
	}
}
"""
OURS_LEFT_BEHIND = """\
table inet fwknopd {
	chain input {
		type filter hook input priority filter - 1; policy accept;
	}
}
"""
NATIVE_DROPS = """\
table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		ct state established,related accept
	}
}
"""
MARK_ACCEPTED = """\
table ip filter {
	chain input {
		type filter hook input priority filter; policy accept;
		meta mark & 0x40000000 != 0x00000000 accept
		drop
	}
}
"""


@pytest.mark.parametrize(
    ("listing", "kind"),
    [
        pytest.param("", "iptables", id="no rules yet"),
        pytest.param(IPTABLES_DROPS, "iptables", id="rules of iptables"),
        pytest.param(IPTABLES_DROPS + OURS_LEFT_BEHIND, "iptables", id="our table left behind"),
        pytest.param(NATIVE_DROPS, "nftables", id="an nft chain drops"),
        pytest.param(IPTABLES_DROPS + NATIVE_DROPS, "nftables", id="both"),
        pytest.param(MARK_ACCEPTED, "nftables", id="an nft chain accepts the mark"),
    ],
)
def test_with_both_installed_auto_is_what_the_admin_uses(
    programs: Path, listing: str, kind: str
) -> None:
    install(programs, "iptables-restore")
    (programs / "listing").write_text(listing)
    install_nft(programs, f"/bin/cat {programs / 'listing'}")
    assert choose_firewall("auto").name == kind


def test_fw4s_own_rules_are_told_from_those_of_iptables(programs: Path) -> None:
    install(programs, "iptables-restore")
    listed = Path(__file__).parents[2] / "data/fw4/default/listed.nft"
    install_nft(programs, f"/bin/cat {listed}")
    assert choose_firewall("auto").name == "nftables"


def test_auto_never_takes_iptables_beside_fw4(programs: Path) -> None:
    install(programs, "iptables-restore")
    fw4 = programs / "fw4"
    fw4.touch()
    with pytest.raises(FirewallError, match="nft not found"):
        choose_firewall("auto", fw4=fw4)


def test_a_missing_iptables_is_told_with_its_package(programs: Path) -> None:
    assert programs.is_dir()
    with pytest.raises(FirewallError, match="iptables-restore not found: install the package"):
        choose_firewall("iptables")


def test_log_only_needs_no_nft(programs: Path) -> None:
    assert programs.is_dir()
    assert choose_firewall("log-only").name == "log-only"


def test_other_firewalls_are_refused() -> None:
    with pytest.raises(FirewallError, match="no firewall is called 'pf'"):
        choose_firewall("pf")


def test_a_mark_of_two_bits_is_refused() -> None:
    with pytest.raises(FirewallError, match="one bit"):
        choose_firewall("nftables", 3)


def test_relative_folders_of_path_are_not_searched(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_nft(programs, "exit 0")
    monkeypatch.chdir(programs)
    monkeypatch.setenv("PATH", ".:")
    with pytest.raises(FirewallError, match="nft not found"):
        find_nft()


def test_nft_gets_the_script_and_its_answers_come_back(programs: Path) -> None:
    install_nft(programs, '/bin/cat; echo "args: $*" >&2; exit 3')
    answer = run_nft(["-f", "-"], "flush ruleset\n")
    assert (answer.status, answer.output, answer.errors) == (3, "flush ruleset\n", "args: -f -\n")
    assert answer.complaint == "args: -f -"


def test_a_silent_failure_has_a_complaint_too(programs: Path) -> None:
    install_nft(programs, "exit 4")
    assert run_nft([]).complaint == "it exited with status 4"


def test_nft_that_hangs_is_stopped(programs: Path) -> None:
    install_nft(programs, "exec /bin/sleep 60")
    started = time.monotonic()
    with pytest.raises(FirewallError, match=r"within 0\.2 seconds"):
        run_nft([], time_limit=0.2)
    assert time.monotonic() - started < 10
    # No other test is to wait for that.
    run_anew()


class Clock:
    """A clock a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_log_only_remembers_until_the_time_is_up() -> None:
    clock = Clock()
    firewall = LogOnlyFirewall(clock)
    firewall.open([TimedDoor(SSH, 30), TimedDoor(DNS, 10)])
    clock.now += 10
    assert firewall.read() == [TimedDoor(SSH, 20)]
    firewall.open([TimedDoor(SSH, 30)])
    assert firewall.read() == [TimedDoor(SSH, 30)]


def test_log_only_forgets_on_request() -> None:
    firewall = LogOnlyFirewall(Clock())
    firewall.start(["eth1"])
    firewall.open([TimedDoor(SSH, 30), TimedDoor(DNS, 30)])
    firewall.close([SSH, door("192.0.2.1", "tcp/1")])
    firewall.start(["eth2"])
    assert [timed.door for timed in firewall.read()] == [DNS]
    assert firewall.fileno() is None
    assert not firewall.rules_lost()
    assert "no packet" in firewall.diagnose().detail
    firewall.stop()
    assert firewall.read() == []


def test_connections_are_those_of_the_kernel_where_packets_come_in() -> None:
    assert isinstance(choose_connections(LogOnlyFirewall()), NoConnections)
    for firewall in (NftablesFirewall(), IptablesFirewall()):
        assert isinstance(choose_connections(firewall), LateConntrack)


def test_the_kernels_connections_are_looked_at_with_the_first_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table, made = Table({SSH: 1}), list[Table]()

    def make() -> Table:
        made.append(table)
        return table

    monkeypatch.setattr(conntrack, "Conntrack", make)
    late = LateConntrack()
    late.opened([SSH])
    assert made == []
    assert late.count([SSH]).of(SSH) == 1
    assert late.cut([SSH], []).count == 1
    late.opened([DNS])
    assert late.problem() == ""
    assert made == [table]
    assert table.let_in == [DNS]
