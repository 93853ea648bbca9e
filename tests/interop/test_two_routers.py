"""Two routers behind one address, as with VRRP: what a copy of a packet can do at the other.

Each has its own list of used packets. The shared address and their own are different ones of
this machine's loopback; a takeover is the shared address at the other's port.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fwknopd.control.client import ControlClient
from tests.interop.program import ACCESS, Fwknopd, make_packet

SHARED, OWN = "127.0.0.100", "127.0.0.2"
TOLD_APART = f"{ACCESS}DESTINATION {SHARED}\n"


@dataclass(frozen=True)
class Router:
    """One of the two."""

    installed: Fwknopd

    def get(self, packet: bytes, to: str) -> str:
        """Bring it a packet sent to an address; the reason of its verdict."""
        control = ControlClient(self.installed.run_dir / "control.sock")
        before = self.installed.ask("events")["last"]
        self.installed.send(packet, to)
        with closing(control.follow(after=before, limit=100)) as events:  # type: ignore[type-var]
            return str(next(event["reason"] for event in events if event["event"] == "verdict"))

    def doors(self) -> list[tuple[Any, Any]]:
        """Who may come in, and where."""
        grants = self.installed.ask("grants")["grants"]
        return [(grant["address"], grant["port"]) for grant in grants]


Pair = tuple[Router, Router]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Pair]]:
    """Both, with the same clients."""
    with ExitStack() as ending:

        def started(access: str) -> Pair:
            return one("a", access), one("b", access)

        def one(name: str, access: str) -> Router:
            folder = tmp_path / name
            folder.mkdir()
            installed = Fwknopd(folder)
            installed.has_run_before()
            installed.write(installed.access, access)
            ending.enter_context(installed.foreground())
            return Router(installed)

        yield started


def test_a_copy_opens_once_at_the_other_for_the_same_address_and_no_more(
    start: Callable[[str], Pair],
) -> None:
    first, second = start(ACCESS)
    packet = make_packet()
    assert first.get(packet, SHARED) == "accepted"
    assert first.get(packet, SHARED) == "replay"
    # Seen by both, or sent there by somebody who recorded it.
    assert second.get(packet, OWN) == "accepted"
    assert second.get(packet, OWN) == "replay"
    assert first.doors() == second.doors() == [("192.0.2.7", "tcp/22")]


def test_a_copy_that_is_too_old_opens_nothing_at_either(start: Callable[[str], Pair]) -> None:
    routers = start(ACCESS)
    old = make_packet(age=125)
    assert [router.get(old, SHARED) for router in routers] == ["too-old", "too-old"]
    assert [router.doors() for router in routers] == [[], []]


def test_told_apart_by_destination_a_copy_at_its_own_address_opens_nothing(
    start: Callable[[str], Pair],
) -> None:
    first, second = start(TOLD_APART)
    packet = make_packet()
    assert first.get(packet, SHARED) == "accepted"
    assert second.get(packet, OWN) == "destination-not-allowed"
    assert second.doors() == []
    # And there it is used up: after a takeover, too, it opens nothing.
    assert second.get(packet, SHARED) == "replay"
    assert second.get(make_packet(), SHARED) == "accepted"


def test_after_a_takeover_a_fresh_copy_to_the_shared_address_opens_once_more(
    start: Callable[[str], Pair],
) -> None:
    """What SECURITY.md says is left: until the packet is too old, for the same address."""
    first, second = start(TOLD_APART)
    packet = make_packet()
    assert first.get(packet, SHARED) == "accepted"
    assert [second.get(packet, SHARED) for _ in range(2)] == ["accepted", "replay"]
    assert second.doors() == first.doors()
