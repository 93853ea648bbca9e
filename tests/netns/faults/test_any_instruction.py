"""Killed, stopped or refused something at any instruction around a grant.

`FAULTS=complete` does it at every system call; otherwise at the first of each kind on each file.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.lab.errors import LabError
from tests.netns.faults.conftest import ARENAS, COMPLETE
from tests.netns.faults.router import Router
from tests.netns.faults.tracing import (
    CHANGING,
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
        held, listed = router.held(), router.listed()
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
