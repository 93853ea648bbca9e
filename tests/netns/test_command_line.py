"""The command line where there is a kernel: sniffing, rules listed and flushed, no rule left."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.program import ACCESS, Fwknopd, Running
from tests.netns.namespaces import End, Machine, Machines

pytestmark = pytest.mark.root

NFTABLES = pytest.param("nftables", marks=pytest.mark.nft)
IPTABLES = pytest.param("iptables", marks=pytest.mark.iptables)
ELEMENT = "192.0.2.7 . tcp . 22"
RULE = r"-A FWKNOP_INPUT -s 192\.0\.2\.7/32 -p tcp .*--dport 22 .*_exp_\d+"
OTHERS = "203.0.113.9"


@pytest.fixture
def machine() -> Iterator[Machine]:
    with Machines() as machines:
        router = machines.add("router")
        with router.entered():
            yield router


@pytest.fixture(params=[NFTABLES, IPTABLES])
def fwknopd(request: pytest.FixtureRequest, tmp_path: Path, machine: Machine) -> Iterator[Fwknopd]:
    """An installation that sniffs on lo of a machine of its own, with each firewall."""
    made = Fwknopd(tmp_path)
    made.firewall = request.param
    made.write(
        made.config,
        f"PCAP_INTF lo;\nPCAP_FILTER udp port {made.port};\nFWKNOP_RUN_DIR {made.run_dir};\n",
    )
    yield made
    made.run("-K")


def rules(fwknopd: Fwknopd, machine: Machine) -> str:
    reader = ("nft", "list", "ruleset") if fwknopd.firewall == "nftables" else ("iptables-save",)
    return machine.run(*reader)


def others_make_a_rule(fwknopd: Fwknopd, machine: Machine) -> None:
    if fwknopd.firewall == "nftables":
        chain = f"chain theirs {{\nip saddr {OTHERS} accept\n}}"
        machine.nft(f"table inet other {{\n{chain}\n}}\n")
    else:
        machine.run("iptables", "-A", "INPUT", "-s", OTHERS, "-j", "ACCEPT")


def is_open(text: str) -> bool:
    return ELEMENT in text or bool(re.search(r"192\.0\.2\.7\b.*(dpt:|dport )22\b", text))


def open_a_door(fwknopd: Fwknopd, daemon: Running) -> str:
    said = len(daemon.lines)
    fwknopd.knock()
    return daemon.wait_for("Added access rule to", after=said)


def test_the_console_shows_the_packet_and_what_the_kernel_was_told(
    fwknopd: Fwknopd, machine: Machine
) -> None:
    fwknopd.write(fwknopd.config, f"PCAP_FILTER udp port {fwknopd.port};\n")
    # The words of OpenWrt's own page.
    with fwknopd.foreground("-v", "-i", "lo", "-r", str(fwknopd.run_dir)) as daemon:
        added = open_a_door(fwknopd, daemon)
        assert is_open(rules(fwknopd, machine))
        daemon.end()
    shown = "\n".join(daemon.lines)
    assert "Sniffing interface: lo" in daemon.lines
    assert " Message String: 192.0.2.7,tcp/22" in daemon.lines
    if fwknopd.firewall == "nftables":
        assert f"netlink: add element inet fwknopd open4 {{ {ELEMENT} timeout 30s }}" in shown
        assert "Added access rule to nftables for 192.0.2.7 -> 0.0.0.0/0 tcp/22" in added
    else:
        assert re.search(RULE, shown)

        assert "Added access rule to FWKNOP_INPUT for 192.0.2.7 -> 0.0.0.0/0 tcp/22" in added


def test_rules_are_listed(fwknopd: Fwknopd, machine: Machine) -> None:
    others_make_a_rule(fwknopd, machine)
    heading = f"Listing rules in fwknopd {fwknopd.firewall} "
    assert fwknopd.run("--fw-list").returncode == 0
    with fwknopd.foreground() as daemon:
        open_a_door(fwknopd, daemon)
        ours, everything = fwknopd.run("--fw-list"), fwknopd.run("--fw-list-all")
    assert (ours.returncode, everything.returncode) == (0, 0)
    assert ours.stdout.startswith(heading)
    assert is_open(ours.stdout)
    assert is_open(everything.stdout)
    assert OTHERS not in ours.stdout
    assert OTHERS in everything.stdout


def test_flushing_closes_the_doors_of_a_running_daemon(fwknopd: Fwknopd, machine: Machine) -> None:
    with fwknopd.foreground() as daemon:
        open_a_door(fwknopd, daemon)
        done = fwknopd.run("--fw-flush")
        assert done.returncode == 0
        assert done.stdout.startswith("Deleting any existing firewall rules...\n")
        assert not is_open(rules(fwknopd, machine))
        assert fwknopd.ask("grants")["grants"] == []
        # It goes on: the same client can knock again.
        open_a_door(fwknopd, daemon)
        assert is_open(rules(fwknopd, machine))


def test_flushing_after_a_crash_leaves_nothing(fwknopd: Fwknopd, machine: Machine) -> None:
    others_make_a_rule(fwknopd, machine)
    with fwknopd.foreground() as daemon:
        open_a_door(fwknopd, daemon)
        daemon.end(signal.SIGKILL)
    assert is_open(rules(fwknopd, machine))
    assert fwknopd.run("--fw-flush").returncode == 0
    left = rules(fwknopd, machine)
    assert "fwknop" not in left.lower()
    assert OTHERS in left


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_an_orderly_end_takes_the_rules_away(
    fwknopd: Fwknopd, machine: Machine, number: signal.Signals
) -> None:
    with fwknopd.foreground() as daemon:
        open_a_door(fwknopd, daemon)
        assert daemon.end(number) == 0
    assert "fwknop" not in rules(fwknopd, machine).lower()


def test_a_reload_leaves_doors_open_and_the_lock_held(fwknopd: Fwknopd, machine: Machine) -> None:
    assert fwknopd.run().returncode == 0
    fwknopd.knock()
    fwknopd.wait_for_event("access rule")
    fwknopd.write(fwknopd.access, ACCESS + "SOURCE nonsense\n")
    fwknopd.run("-R")
    fwknopd.wait_for_event("Configuration not used")
    assert is_open(rules(fwknopd, machine))
    fwknopd.write(fwknopd.access, ACCESS)
    fwknopd.run("-R")
    fwknopd.wait_for_event("Configuration loaded")
    assert is_open(rules(fwknopd, machine))
    assert fwknopd.run("-S").returncode == 0
    assert fwknopd.run("-K").returncode == 0
    assert "fwknop" not in rules(fwknopd, machine).lower()


def test_test_mode_makes_no_rule(fwknopd: Fwknopd, machine: Machine) -> None:
    with fwknopd.foreground("-t") as daemon:
        fwknopd.knock()
        daemon.wait_for("--test mode enabled, skipping firewall manipulation.")
        assert "fwknop" not in rules(fwknopd, machine).lower()


@pytest.mark.parametrize("how", ["command line", "fwknopd.conf"])
def test_packets_that_leave_count_only_when_asked_for(
    tmp_path: Path, machine: Machine, how: str
) -> None:
    with Machines("fwkp") as machines:
        peer = machines.add("peer")
        machines.join(
            End(machine, "eth0", ("198.51.100.1/24",)), End(peer, "eth0", ("198.51.100.2/24",))
        )
        fwknopd = Fwknopd(tmp_path)
        settings = f"PCAP_FILTER udp port {fwknopd.port};\nFWKNOP_RUN_DIR {fwknopd.run_dir};\n"
        fwknopd.write(fwknopd.config, settings)
        with fwknopd.foreground("-i", "eth0", "-C", "1") as daemon:
            fwknopd.knock(to="198.51.100.2")
            with peer.entered():
                fwknopd.knock(to="198.51.100.1")
            # The limit is one packet, and the one that left was first.
            assert daemon.wait() == 0
            daemon.wait_for("SPA Packet from IP: 198.51.100.2 received")
        if how == "fwknopd.conf":
            fwknopd.write(fwknopd.config, settings + "ENABLE_PCAP_ANY_DIRECTION Y;\n")
        option = ("--pcap-any-direction",) if how == "command line" else ()
        with fwknopd.foreground("-i", "eth0", *option) as daemon:
            fwknopd.knock(to="198.51.100.2")
            daemon.wait_for("SPA Packet from IP: 198.51.100.1 received")
