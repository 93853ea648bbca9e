"""The running daemon on iptables: doors survive a firewall restart, and nothing wakes it idly."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.program import Running
from tests.netns.both_daemons import Client, Host, both_daemons_host
from tests.netns.iptables_site import VARIANTS

pytestmark = [pytest.mark.root, pytest.mark.iptables, pytest.mark.client]

PHONE = Client(1, "", ("-A", "tcp/22"))
LAPTOP = Client(2, "", ("-A", "tcp/4000", "-N", "10.0.0.9:22"))
HIDDEN = Client(3, "FORCE_NAT 10.0.0.9 22\nFORCE_MASQUERADE Y", ("-A", "tcp/4000"))


@pytest.fixture(params=VARIANTS)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    with both_daemons_host(tmp_path, getattr(request, "param", "-nft")) as host:
        host.configure((PHONE, LAPTOP, HIDDEN), seconds=60)
        yield host


def knock(host: Host, daemon: Running, client: Client) -> None:
    host.knock(client)
    daemon.wait_for(f" for {client.address} -> ")


def test_doors_are_back_after_a_firewall_restart(host: Host) -> None:
    with host.our_daemon() as daemon:
        knock(host, daemon, PHONE)
        knock(host, daemon, LAPTOP)
        before = sorted(host.rules())
        for table in ("filter", "nat"):
            for command in ("-F", "-X"):
                host.machine.run(f"iptables{host.variant}", "-t", table, command)
        assert host.rules() == []
        daemon.wait_for("were deleted from outside; putting them back")
        daemon.wait_for("stand again; 2 open doors restored")
        assert sorted(host.rules()) == before
        # What was put back by the daemon itself is no reason to do it again.
        said = len(daemon.lines)
        knock(host, daemon, PHONE)
        assert not [line for line in daemon.lines[said:] if "deleted from outside" in line]


def test_chains_that_a_door_needed_are_listed_too(host: Host) -> None:
    with host.our_daemon() as daemon:
        assert "FWKNOP_MASQUERADE" not in host.ask_ours("--fw-list")
        knock(host, daemon, HIDDEN)
        listed = host.ask_ours("--fw-list")
    assert "Chain FWKNOP_MASQUERADE (1 references)" in listed
    assert HIDDEN.address in listed.partition("FWKNOP_MASQUERADE")[2]
    assert "Chain INPUT" not in listed


@pytest.mark.parametrize("host", ["-nft"], indirect=True)
def test_nothing_wakes_the_daemon_between_knock_and_end(host: Host) -> None:
    # The old iptables shares its lock with other tests, whose doings would wake it.
    with host.our_daemon() as daemon:
        for client in (PHONE, LAPTOP):
            knock(host, daemon, client)
            wait_until_asleep(daemon.process.pid)
            before = wake_ups(daemon.process.pid)
            time.sleep(2)
            assert wake_ups(daemon.process.pid) == before


def wait_until_asleep(pid: int) -> None:
    """Until half a second has passed without the process doing anything."""
    before = -1
    while before != (before := wake_ups(pid)):
        time.sleep(0.5)


def wake_ups(pid: int) -> int:
    """How often the process had to wait so far."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = [line for line in status if line.startswith("voluntary_ctxt_switches")]
    return int(line.split()[1])
