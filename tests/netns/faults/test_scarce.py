"""Nothing to spare: descriptors, places at the control socket, time."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest

from tests.netns.faults.conftest import ARENAS
from tests.netns.faults.router import NAT, Knock, Router
from tests.netns.iptables_site import VARIANTS
from tests.netns.matrix.site import ROUTER

pytestmark = [pytest.mark.root, pytest.mark.nft, pytest.mark.iptables]

BUSY_SECONDS = 0.3
"""Of processor time in a second: a loop that turns without rest takes nearly all of it."""

TCP_PORT = 62201
MEMORY_KIB = 24_000


def descriptors(pid: int) -> list[int]:
    """Those a process has open."""
    return sorted(int(path.name) for path in Path(f"/proc/{pid}/fd").iterdir())


def busy_seconds(pid: int) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def resident(pid: int) -> int:
    """KiB of memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


@contextmanager
def out_of_descriptors(pid: int) -> Iterator[None]:
    """A process may open nothing more while the block runs."""
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    taken = descriptors(pid)
    free = next(number for number in count() if number not in taken)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (free, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def connection(router: Router) -> socket.socket:
    """To the daemon's control socket."""
    opened = socket.socket(socket.AF_UNIX)
    opened.connect(str(router.guarded.daemon.paths.control))
    opened.setblocking(False)
    return opened


def listen_for_tcp(router: Router) -> None:
    """Have the daemon take knocks over TCP, and the owner's firewall let them through."""
    guarded = router.guarded
    guarded.server["ENABLE_TCP_SERVER"] = "Y"
    guarded.configure()
    assert guarded.ask("reload")["reloaded"]
    accept = {
        "nftables": "nft insert rule inet fw4 input tcp dport 62201 accept",
        "iptables": f"iptables{VARIANTS[0]} -I INPUT -p tcp --dport 62201 -j ACCEPT",
    }
    guarded.site.router.run(*accept[guarded.arena.backend].split())


@contextmanager
def tcp_knock(router: Router) -> Iterator[Knock]:
    """A connection to the TCP server that holds a fresh knock."""
    knock = router.made(60)
    with router.guarded.site.outside.entered():
        opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with closing(opened):
        opened.settimeout(5.0)
        opened.bind((knock.home.phone, 0))
        opened.connect((ROUTER[4], TCP_PORT))
        opened.sendall(knock.payload)
        opened.shutdown(socket.SHUT_WR)
        yield knock


@pytest.mark.parametrize("arena", ARENAS, ids=lambda arena: arena.name)
def test_without_descriptors_it_rests_answers_and_goes_on_when_there_are_some(
    router: Router,
) -> None:
    guarded = router.guarded
    listen_for_tcp(router)
    with out_of_descriptors(router.pid), ExitStack() as waiting:
        refused = router.verdict(router.made(60, NAT))
        assert refused["reason"] == "firewall-error"
        assert "Too many open files" in refused["detail"]
        knock = waiting.enter_context(tcp_knock(router))
        waiting.enter_context(connection(router))
        busy, began = busy_seconds(router.pid), time.monotonic()
        time.sleep(1.0)
        passed = time.monotonic() - began
        assert busy_seconds(router.pid) - busy < BUSY_SECONDS * passed
        # A faulty reload keeps what is in force, and whoever asks why is answered.
        problems = guarded.ask("reload")["problems"]
        assert any("Too many open files" in str(problem) for problem in problems)
        assert guarded.ask("status")["captures"]
    # The knock over TCP has waited all the time.
    assert router.verdict_on(knock, 0)["verdict"] == "accept"
    router.let_in(kind=NAT)
    router.let_in()
    router.assert_accounted_for("tcp-4", "nat-4")
    assert guarded.ask("reload")["reloaded"]


def test_without_descriptors_the_first_who_ever_asks_is_answered(router: Router) -> None:
    router.guarded.daemon.restart()
    with out_of_descriptors(router.pid):
        for _ in range(3):
            assert router.guarded.ask("status")["captures"]


def test_control_clients_that_never_read_never_send_or_never_stop_delay_no_knock(
    router: Router,
) -> None:
    with ExitStack() as waiting:
        silent = [waiting.enter_context(connection(router)) for _ in range(20)]
        deaf = [waiting.enter_context(connection(router)) for _ in range(6)]
        followers = [waiting.enter_context(connection(router)) for _ in range(20)]
        for follower in followers:
            follower.send(b'{"verb": "events", "arguments": {"follow": true}}\n')
        for _ in range(10):
            for one in deaf:
                shout(one, b'{"verb": "events", "arguments": {"limit": 1000}}\n' * 200)
            # Without an end, and without a line's end.
            shout(silent[-1], b"x" * 100_000)
            router.let_in()
        assert router.guarded.ask("status")["captures"]
        assert resident(router.pid) < resident_at_rest(router) + MEMORY_KIB


def resident_at_rest(router: Router) -> int:
    """KiB of a daemon to which nobody has spoken."""
    router.guarded.daemon.restart()
    router.guarded.ask("status")
    return resident(router.pid)


def shout(opened: socket.socket, data: bytes) -> None:
    """Send as much as is taken; whoever hung up is deaf to it."""
    with suppress(OSError):
        opened.send(data)
