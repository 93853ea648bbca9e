"""Commands of the real client through a real network, and cycles that fill an nft set.

Until there was a firewall for nftables, a cycle with such a set was how people with fw4 got
their doors opened; these are their configurations.
"""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from tests.interop.program import TIME_LIMIT, Running
from tests.netns.conftest import CLIENT, STRANGER
from tests.netns.guarded_host import GuardedHost, guarded_host
from tests.netns.probes import Outcome, closing_time, listen_tcp
from tests.netns.serving import ACCESS, ask, send_knock, serving
from tests.timing import quickest

pytestmark = [pytest.mark.root, pytest.mark.client, pytest.mark.nft]

RULES = """\
table inet filter {
    set friends { type ipv4_addr . inet_proto . inet_service; flags timeout; }
    chain input {
        type filter hook input priority filter; policy drop;
        ct state established,related accept
        ip saddr . meta l4proto . th dport @friends accept
    }
}
"""
ELEMENT = "$SRC . $PROTO . $PORT"
WITH_CLOSE = f"""\
CMD_CYCLE_OPEN   nft add element inet filter friends {{ {ELEMENT} }}
CMD_CYCLE_CLOSE  nft delete element inet filter friends {{ {ELEMENT} }}
CMD_CYCLE_TIMER  3
"""
WITH_TIMEOUT = f"""\
CMD_CYCLE_OPEN   nft add element inet filter friends {{ {ELEMENT} timeout $CLIENT_TIMEOUTs }}
CMD_CYCLE_CLOSE  NONE
FW_ACCESS_TIMEOUT 3
"""
SECONDS = 3.0
TOLERANCE = 1.5


@pytest.fixture
def site(tmp_path: Path) -> Iterator[GuardedHost]:
    """A host with a service at tcp/22, and a set that lets people in."""
    with guarded_host(tmp_path) as made, closing(listen_tcp(made.host.machine, 22)):
        made.host.machine.nft(RULES)
        yield made


def knock(site: GuardedHost, options: str = f"-a {CLIENT}") -> None:
    """Knock, and wait until the command has done its work."""
    send_knock(site, options)
    until(lambda: site.tries(22) is Outcome.CONNECTED)


def until(condition: Callable[[], bool]) -> None:
    """Wait for what a command does, of which nobody is told."""
    end = time.monotonic() + TIME_LIMIT
    while not condition():
        assert time.monotonic() < end, "it never happens"


def elements(site: GuardedHost) -> str:
    return site.host.machine.run("nft", "list", "set", "inet", "filter", "friends")


@pytest.mark.parametrize("cycle", [WITH_CLOSE, WITH_TIMEOUT], ids=["close", "timeout"])
def test_a_cycle_lets_the_client_in_for_its_time(site: GuardedHost, cycle: str) -> None:
    with serving(site, "", ACCESS + cycle):
        assert site.tries(22) is Outcome.SILENT
        assert quickest(TOLERANCE, partial(late, site)) < TOLERANCE
        # Neither a table nor a chain of ours.
        tables = site.host.machine.run("nft", "list", "tables").split()
        assert tables == ["table", "inet", "filter"]


def late(site: GuardedHost) -> float:
    """Seconds that who knocks is let in for after his time, and never for less than that."""
    before = time.monotonic()
    knock(site)
    opened = time.monotonic()
    assert site.tries(22, STRANGER) is Outcome.SILENT
    last_open, first_shut = closing_time(site.outside.machine, CLIENT, "198.51.100.1", 22)
    assert first_shut - before > SECONDS - TOLERANCE
    return last_open - opened - SECONDS


def test_the_clients_own_time_counts_up_to_the_most(site: GuardedHost) -> None:
    with serving(site, "", f"{ACCESS}{WITH_TIMEOUT}MAX_FW_TIMEOUT 100\n"):
        knock(site, f"-a {CLIENT} -f 90")
        assert "timeout 1m30s" in elements(site)
        site.host.machine.run("nft", "flush", "set", "inet", "filter", "friends")
        knock(site, f"-a {CLIENT} -f 9000")
        assert "timeout 1m40s" in elements(site)


def test_port_lists_apply(site: GuardedHost) -> None:
    with serving(site, "", f"{ACCESS}{WITH_CLOSE}OPEN_PORTS tcp/80\n") as daemon:
        send_knock(site, f"-a {CLIENT}")
        daemon.wait_for("One or more requested protocol/ports was denied per access.conf.")
        assert CLIENT not in elements(site)


def test_a_killed_daemon_leaves_nothing_open(site: GuardedHost) -> None:
    with serving(site, "", ACCESS + WITH_CLOSE) as daemon:
        knock(site)
        daemon.end(signal.SIGKILL)
    assert CLIENT in elements(site)
    with serving(site, "", ACCESS + WITH_CLOSE) as daemon:
        daemon.wait_for("Timer expired, running CMD_CYCLE_CLOSE command")
        until(lambda: CLIENT not in elements(site))
        assert site.tries(22) is Outcome.SILENT


def test_stopping_the_daemon_closes_what_is_open(site: GuardedHost) -> None:
    with serving(site, "", ACCESS + WITH_CLOSE.replace("TIMER  3", "TIMER  300")) as daemon:
        knock(site)
        assert ask(site, "grants")["grants"][0]["address"] == CLIENT
        assert daemon.end() == 0
    assert CLIENT not in elements(site)


def test_a_command_runs_as_who_it_should(site: GuardedHost) -> None:
    lines = "ENABLE_CMD_EXEC Y\nCMD_EXEC_USER nobody\nCMD_EXEC_GROUP users\n"
    with tempfile.TemporaryDirectory(prefix="fw-") as folder:
        Path(folder).chmod(0o777)
        with serving(site, "", ACCESS + lines) as daemon:
            site.outside.type(
                f"fwknop -n it -D 198.51.100.1 -a {CLIENT} -C 'cp /proc/self/status {folder}/s'"
            )
            wait_for_end(daemon)
        status = Path(folder, "s").read_text().splitlines()
    assert "Uid:\t65534\t65534\t65534\t65534" in status
    assert "Gid:\t100\t100\t100\t100" in status
    assert "CapEff:\t0000000000000000" in status
    assert [line.strip() for line in status if line.startswith("Groups:")] == ["Groups:"]


def wait_for_end(daemon: Running) -> None:
    daemon.wait_for("CMD_EXEC: command returned 0, pid_status: 0")
    daemon.wait_for("setuid/setgid user/group to nobody/users")
