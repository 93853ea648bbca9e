"""Killed, stopped or refused something at any instruction around a grant.

`FAULTS=complete` does it at every system call; otherwise at the first of each kind on each file.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.interop.program import environment
from tests.lab.errors import LabError
from tests.netns.faults.conftest import ARENAS, COMPLETE
from tests.netns.faults.router import Router
from tests.netns.faults.tracing import (
    CHANGING,
    COMMITTING,
    HARMLESS,
    LEARNING,
    Call,
    Trace,
    first_of_each,
    tampered,
)
from tests.netns.matrix.arenas import Arena
from tests.netns.matrix.guarded import ANSWER_SECONDS

pytestmark = [
    pytest.mark.root,
    pytest.mark.nft,
    pytest.mark.iptables,
    pytest.mark.strace,
    pytest.mark.timeout(900),
]
BOTH = pytest.mark.parametrize("arena", ARENAS, ids=lambda arena: arena.name)

LONG, SHORT = 60, 1
JUST_SHUTTING = 0.2
"""Seconds: between two questions such a door may go."""

STANDSTILL = 1.2
"""Seconds: longer than a short door is open."""


def calls_of_a_grant(router: Router, folder: Path) -> list[Call]:
    """What the daemon does from packet to open door, once it has done it before."""
    router.let_in()
    with Trace(router.pid, folder / "trace").noting() as calls:
        router.let_in()
        router.guarded.ask("status")
    asked = next(n for n, call in enumerate(calls) if call.name.startswith("accept"))
    part = [call for call in calls[:asked] if call.name not in HARMLESS]
    return part if COMPLETE else first_of_each(part)


def only(names: frozenset[str], calls: list[Call]) -> list[Call]:
    """Those of some names, and not on files without a name, which nobody else sees."""
    return [c for c in calls if COMPLETE or (c.name in names and not c.on.startswith("memfd"))]


def until_it_is_told(calls: list[Call]) -> list[Call]:
    """Those up to the first that tells somebody of the open door."""
    noted = next(n for n, call in enumerate(calls) if "open.doors" in call.on)
    return calls if COMPLETE else calls[: noted + 2]


@BOTH
def test_killed_anywhere_no_packet_opens_twice_and_no_door_is_forgotten(
    router: Router, tmp_path: Path, arena: Arena
) -> None:
    calls = until_it_is_told(only(CHANGING, calls_of_a_grant(router, tmp_path)))
    for call in calls:
        knock = router.made(LONG)
        with tampered(router.pid, call, "signal=SIGKILL"):
            router.send(knock)
            assert router.guarded.daemon.process.wait(ANSWER_SECONDS) == -signal.SIGKILL, call
        opened = arena.admits(router.guarded.site, knock.home.phone)
        router.guarded.daemon.stop()
        router.guarded.daemon.start()
        # Whoever sniffed the packet sends it again.
        again = router.verdict(knock)
        if opened:
            assert again["reason"] == "replay", f"{call}: {again}"
        router.assert_accounted_for("tcp-4", "?")
        assert max(router.held().values()) <= LONG + 1, call
        assert not list(tmp_path.rglob("*.new")), call
    router.close_all()


def until(condition: Callable[[], bool], what: object) -> None:
    """Wait until something is so."""
    end = time.monotonic() + ANSWER_SECONDS
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.01)


COMMIT = """\
import sys
from pathlib import Path
from fwknopd.config.uci_change import SetOption
from fwknopd.uci_store import UciStore
store = UciStore(Path(sys.argv[1]), Path(sys.argv[2]))
loaded = store.load()
print("loaded", flush=True)
sys.stdin.readline()
store.commit([SetOption(sys.argv[3], "x", sys.argv[4])], loaded.etag)
print("done", flush=True)
"""
BEFORE = "config global 'settings'\n\toption x '0'\n"


@contextmanager
def committing(uci: Path) -> Iterator[subprocess.Popen[str]]:
    """A program that has read the configuration, and changes it when told to go on."""
    arguments = [str(uci), str(uci.parent / "saved"), "settings", "1"]
    with subprocess.Popen(
        [sys.executable, "-c", COMMIT, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "loaded\n"
        yield process


def go_on(process: subprocess.Popen[str]) -> str:
    """What it says until its end."""
    return process.communicate("go on\n", ANSWER_SECONDS)[0]


def test_killed_anywhere_in_a_commit_the_configuration_is_the_old_one_or_the_new(
    tmp_path: Path,
) -> None:
    uci = tmp_path / "fwknopd"
    uci.touch(mode=0o600)
    uci.write_text(BEFORE)
    with committing(uci) as process, Trace(process.pid, tmp_path / "trace").noting() as calls:
        assert go_on(process) == "done\n"
    after, seen = uci.read_text(), set()
    for call in only(COMMITTING, first_of_each(calls)):
        uci.write_text(BEFORE)
        with committing(uci) as process, tampered(process.pid, call, "signal=SIGKILL"):
            go_on(process)
        assert process.returncode == -signal.SIGKILL, call
        seen.add(uci.read_text())
        assert seen <= {BEFORE, after}, call
        # Whoever comes next is not kept out.
        with committing(uci) as process:
            assert go_on(process) == "done\n", call
        assert uci.read_text() == after
    assert seen == {BEFORE, after}


def is_stopped(pid: int) -> bool:
    """By a signal, or in the hands of who traces it."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "Tt"


@pytest.mark.parametrize("arena", ARENAS if COMPLETE else ARENAS[:1], ids=lambda a: a.name)
def test_stopped_anywhere_no_door_lasts_longer_than_it_is_told(
    router: Router, tmp_path: Path, arena: Arena
) -> None:
    calls = until_it_is_told(only(CHANGING | LEARNING, calls_of_a_grant(router, tmp_path)))
    for call in calls:
        router.close_all()
        knock = router.made(SHORT)
        with tampered(router.pid, call, "signal=SIGSTOP"):
            router.send(knock)
            until(lambda: is_stopped(router.pid), call)
        time.sleep(STANDSTILL)
        if arena.closes:
            assert not router.held(), call
        os.kill(router.pid, signal.SIGCONT)
        # The second is answered after all that was due when the first came.
        router.guarded.ask("status")
        router.guarded.ask("status")
        # In this order: a door of the list may shut meanwhile.
        listed, held = router.listed(), router.held()
        for address, seconds in held.items():
            assert listed.get(address) == "tcp-4" or seconds < JUST_SHUTTING, f"{call}: {held}"
            assert seconds <= SHORT, f"{call}: {held}"


@pytest.mark.parametrize("error", ["ENOMEM", "EIO"] if COMPLETE else ["ENOMEM"])
@BOTH
def test_whatever_the_system_refuses_the_next_knock_opens(
    router: Router, tmp_path: Path, error: str
) -> None:
    for call in calls_of_a_grant(router, tmp_path):
        with tampered(router.pid, call, f"error={error}"):
            router.send(router.made(LONG))
            # An event may be what is lost; the answer comes after all that a knock leads to. It
            # may be lost, too.
            with suppress(LabError):
                router.guarded.ask("status")
        assert router.guarded.daemon.process.running(), call
        router.let_in()
        router.assert_accounted_for("tcp-4")
    router.close_all()
