"""Killed anywhere while it starts, reloads or ends: the next start finds what it can go on from.

`FAULTS=complete` does it at every system call that changes something, with either firewall.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.lab.errors import LabError
from tests.lab.process import Process
from tests.netns.faults.conftest import ARENAS, COMPLETE
from tests.netns.faults.router import NAT, Knock, Router
from tests.netns.faults.test_any_instruction import is_stopped, until
from tests.netns.faults.tracing import CHANGING, COMMITTING, Call, Trace, first_of_each, tampered
from tests.netns.matrix.guarded import ANSWER_SECONDS

pytestmark = [
    pytest.mark.root,
    pytest.mark.nft,
    pytest.mark.iptables,
    pytest.mark.strace,
    pytest.mark.timeout(900),
]
NFT = pytest.mark.parametrize(
    "arena", ARENAS if COMPLETE else ARENAS[:1], ids=lambda arena: arena.name
)
IPTABLES = pytest.mark.parametrize(
    "arena", ARENAS if COMPLETE else ARENAS[1:], ids=lambda arena: arena.name
)
LONG = 280

NOTICED = (CHANGING | COMMITTING | {"bind", "listen", "ftruncate", "fcntl"}) - {"openat"}
"""After which the machine, or who asks, finds something else than before."""

EVERY_DAY = frozenset({"clone", "clone3", "vfork", "sendto", "rename"})
"""Of these the first on each file."""

LOADED = """\
import os, signal, sys
import fwknopd.runner, fwknopd.verbs, fwknopd.spa.cipher, fwknopd.capture.pcap
from fwknopd.start import main
os.kill(os.getpid(), signal.SIGSTOP)
sys.exit(main())
"""
"""A program that is loaded, and begins when it is told to: what it does then is its start alone."""


def noticed(calls: list[Call]) -> list[Call]:
    """Those that change something."""
    unseen = ("memfd", "fwknopd.log")
    found = [call for call in calls if call.name in NOTICED and not call.on.startswith(unseen)]
    return found if COMPLETE else [c for c in first_of_each(found) if c.name in EVERY_DAY]


@contextmanager
def about_to_start(router: Router) -> Iterator[Process]:
    """A daemon that has done nothing yet; it ends with the block."""
    daemon = router.guarded.daemon
    with router.guarded.site.router.entered():
        process = Process(
            "fwknopd",
            [sys.executable, "-c", LOADED, *daemon.command()[1:]],
            log=daemon.paths.log,
            environment=daemon.environment,
        )
    try:
        until(lambda: is_stopped(process.pid), "it does not come so far")
        yield process
    finally:
        process.signal(signal.SIGKILL)
        process.wait(ANSWER_SECONDS)


def answers(router: Router) -> bool:
    """Is there a daemon that answers?"""
    with suppress(LabError):
        router.guarded.ask("status")
        return True
    return False


def assert_goes_on(router: Router, used: Knock, call: Call) -> None:
    """A start like any other: nothing is in its way, open or fresh that should not be."""
    router.guarded.daemon.start()
    assert router.verdict(used)["reason"] == "replay", call
    router.let_in(LONG)
    router.assert_accounted_for("tcp-4", "nat-4", "?")
    assert max(router.held().values()) <= LONG + 1, call
    folders = (router.guarded.daemon.paths.run_dir, router.guarded.daemon.paths.uci.parent)
    assert not [path for folder in folders for path in folder.rglob("*.new")], call


class Tried:
    """The calls at which a daemon was to be killed. Not each run makes as many of a kind."""

    def __init__(self, calls: list[Call]) -> None:
        self._calls = noticed(calls)
        self._missed: list[Call] = []

    def __iter__(self) -> Iterator[Call]:
        yield from self._calls
        assert self._calls
        assert len(self._missed) <= len(self._calls) // 3, self._missed

    def is_killed(self, process: Process, call: Call, done: Callable[[], bool]) -> bool:
        """Wait for its end by the call, or till it is ``done`` without."""
        until(lambda: not process.running() or done(), call)
        if process.running() or process.wait(0) != -signal.SIGKILL:
            self._missed.append(call)
            return False
        return True


@NFT
def test_killed_anywhere_in_its_start_the_next_one_takes_its_doors_over(
    router: Router, tmp_path: Path
) -> None:
    used = router.let_in(LONG)
    router.guarded.daemon.kill()
    trace = tmp_path / "trace"
    with about_to_start(router) as process, Trace(process.pid, trace).noting() as calls:
        process.signal(signal.SIGCONT)
        until(lambda: answers(router), "it does not answer")
    tried = Tried(calls)
    for call in tried:
        before = set(router.held())
        with about_to_start(router) as process, tampered(process.pid, call, "signal=SIGKILL"):
            process.signal(signal.SIGCONT)
            tried.is_killed(process, call, lambda: answers(router))
        assert_goes_on(router, used, call)
        assert before <= set(router.held()), call
        router.guarded.daemon.kill()


@NFT
def test_killed_anywhere_in_a_reload_the_next_start_has_the_new_configuration(
    router: Router, tmp_path: Path
) -> None:
    """And nobody has a door who was disabled by it."""
    guarded = router.guarded
    used = router.let_in(LONG)
    router.let_in(LONG, NAT)
    with Trace(router.pid, tmp_path / "trace").noting() as calls:
        disable_nat(router)
    tried = Tried(calls)
    for call in tried:
        guarded.configure()
        assert guarded.ask("reload")["reloaded"]
        outsider = router.let_in(LONG, NAT)
        process = guarded.daemon.process
        with tampered(router.pid, call, "signal=SIGKILL"):
            with suppress(LabError):
                disable_nat(router)
            tried.is_killed(process, call, lambda: answers(router))
        guarded.daemon.kill()
        assert_goes_on(router, used, call)
        assert outsider.home.phone not in router.held(), call
        assert router.verdict(router.made(LONG, NAT))["reason"] == "client-disabled", call
    router.close_all()


def disable_nat(router: Router) -> None:
    """A reload that shuts a client out, who may have a door."""
    router.guarded.configure(frozenset({NAT.client(4)}))
    assert router.guarded.ask("reload")["reloaded"]


@IPTABLES
def test_killed_anywhere_in_its_end_the_next_start_goes_on(router: Router, tmp_path: Path) -> None:
    daemon = router.guarded.daemon
    used = router.let_in(LONG)
    with Trace(router.pid, tmp_path / "trace").noting() as calls:
        daemon.process.signal(signal.SIGTERM)
        daemon.process.wait(ANSWER_SECONDS)
    assert not router.held()
    daemon.stop()
    daemon.start()
    tried = Tried(calls)
    for call in tried:
        router.let_in(LONG)
        process = daemon.process
        with tampered(router.pid, call, "signal=SIGKILL"):
            process.signal(signal.SIGTERM)
            tried.is_killed(process, call, lambda: False)
        daemon.stop()
        assert_goes_on(router, used, call)
    router.close_all()
