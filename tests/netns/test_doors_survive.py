"""The running daemon's doors through crashes, a firewall that comes and goes, and upgrades.

One door leads to the router, and one to a host behind it.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.lab.client import Ask
from tests.lab.configs import ready_config
from tests.lab.events import event_is
from tests.lab.hosts import Host
from tests.lab.lab import Lab, LabOptions
from tests.lab.network import LAN
from tests.netns.namespaces import Machine
from tests.timing import quickest

pytestmark = [pytest.mark.root, pytest.mark.nft, pytest.mark.client]

SCENARIO = "wan-drop"
SSH, FORWARDED = 22, 8080
TO_LAN = Ask("tcp/8080", nat=f"{LAN[0]}:80")
EARLIER = Path(__file__).parents[1] / "data" / "nftables" / "before-lookups.nft"
# Seconds a door may shut early or late.
TOLERANCE = 0.6


def made(tmp_path: Path, seconds: int) -> Lab:
    return Lab(tmp_path / "lab", LabOptions(config=ready_config(seconds=seconds)))


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with made(tmp_path, 30) as started:
        yield started


@pytest.fixture
def brief(tmp_path: Path) -> Iterator[Lab]:
    """A lab whose doors stay open for three seconds."""
    with made(tmp_path, 3) as started:
        yield started


def router(lab: Lab) -> Machine:
    assert lab.router.machine is not None
    return lab.router.machine


@dataclass(frozen=True, slots=True)
class Opening:
    """Monotonic seconds: before any door was open, and around when the last was opened."""

    begun: float
    before: float
    after: float


def knock(lab: Lab) -> Opening:
    """Open both doors."""
    begun = time.monotonic()
    for ask in (Ask("tcp/22"), TO_LAN):
        mark, before = lab.events.mark(), time.monotonic()
        lab.knock(ask)
        lab.events.wait_for(event_is("grant"), since=mark)
    return Opening(begun, before, time.monotonic())


def reached(lab: Lab, host: Host | None = None) -> list[bool]:
    """Does a machine, or the phone, get through either door?"""
    source = host or lab.phone
    return [bool(source.connect(lab.router.address, port, 0.4)) for port in (SSH, FORWARDED)]


def left(lab: Lab) -> list[float]:
    """Seconds that each grant has left."""
    now = time.time()
    return [grant["expires"] - now for grant in lab.daemon.ask("grants")["grants"]]


def assert_shut_after(lab: Lab, opening: Opening, seconds: float) -> None:
    """Both doors shut so many seconds after they were opened."""
    seen_open = tried = opening.after
    while any(reached(lab)):
        seen_open, tried = tried, time.monotonic()
    assert seen_open - opening.after < seconds + TOLERANCE
    assert time.monotonic() - opening.before > seconds - TOLERANCE


# The daemon is gone


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=lambda n: n.name)
def test_the_kernel_shuts_doors_without_the_daemon(brief: Lab, number: signal.Signals) -> None:
    opened = knock(brief)
    assert reached(brief) == [True, True] or time.monotonic() > opened.begun + 3
    brief.daemon.process.signal(number)
    assert_shut_after(brief, opened, 3)
    brief.daemon.process.signal(signal.SIGCONT)


def test_a_daemon_that_comes_back_takes_its_doors_over(lab: Lab) -> None:
    knock(lab)
    lab.daemon.kill()
    assert reached(lab) == [True, True]
    lab.daemon.start()
    assert reached(lab) == [True, True]
    assert all(20 < seconds <= 30 for seconds in left(lab))
    assert len(left(lab)) == 2
    # They are known doors: knocking again extends them, and revoking shuts them.
    knock(lab)
    assert len(left(lab)) == 2
    assert lab.daemon.ask("revoke", all=True)["revoked"] == 2
    assert reached(lab) == [False, False]


def test_an_upgrade_keeps_doors_and_their_time(lab: Lab) -> None:
    lab.daemon.kill()
    text = EARLIER.read_text().replace("198.51.100.7", lab.phone.address)
    text = text.replace(" 4000 ", f" {FORWARDED} ").replace(" 7000 ", " 80 ")
    router(lab).nft("add table inet fwknopd\ndelete table inet fwknopd\n" + text)
    assert reached(lab) == [True, True]
    lab.daemon.start()
    assert reached(lab) == [True, True]
    assert reached(lab, lab.stranger) == [False, False]
    assert all(20 < seconds <= 30 for seconds in left(lab))
    assert len(left(lab)) == 4


# The firewall comes and goes


def reload_fw4(lab: Lab) -> None:
    lab.network.load_ruleset(SCENARIO)


def restart_fw4(lab: Lab) -> None:
    lab.network.restart_ruleset(SCENARIO)


@pytest.mark.parametrize("action", [reload_fw4, restart_fw4])
def test_doors_stay_open_through_fw4(lab: Lab, action: Callable[[Lab], None]) -> None:
    knock(lab)
    for _ in range(3):
        action(lab)
        assert reached(lab) == [True, True]
        assert reached(lab, lab.stranger) == [False, False]
    assert all(20 < seconds <= 30 for seconds in left(lab))
    assert not [e for e in lab.events.since(0) if "deleted from outside" in str(e.get("detail"))]


def flush_fw4(lab: Lab) -> None:
    """As `fw4 flush` does, and `/etc/init.d/firewall stop`: each table by itself."""
    for table in router(lab).run("nft", "list", "tables").splitlines():
        router(lab).nft(f"delete {table}\n")


def flush_everything(lab: Lab) -> None:
    router(lab).nft("flush ruleset\n")


@pytest.mark.parametrize("loss", [flush_fw4, flush_everything])
def test_doors_are_back_within_a_second(lab: Lab, loss: Callable[[Lab], None]) -> None:
    knock(lab)
    assert quickest(1, partial(back_after, loss, lab)) < 1
    assert reached(lab, lab.stranger) == [False, False]
    assert all(20 < seconds <= 30 for seconds in left(lab))


def back_after(loss: Callable[[Lab], None], lab: Lab) -> float:
    """Seconds until the doors are back."""
    mark = lab.events.mark()
    lost = time.monotonic()
    loss(lab)
    lab.network.load_ruleset(SCENARIO)
    lab.events.wait_for(
        lambda e: e["event"] == "firewall" and "2 open doors restored" in e["detail"], since=mark
    )
    assert reached(lab) == [True, True]
    return time.monotonic() - lost


def test_a_loss_does_not_lengthen_a_door(brief: Lab) -> None:
    opened = knock(brief)
    flush_everything(brief)
    brief.network.load_ruleset(SCENARIO)
    assert_shut_after(brief, opened, 3)


# The uplink comes and goes


def test_doors_outlive_a_redial(lab: Lab) -> None:
    knock(lab)
    mark = lab.events.mark()
    router(lab).ip("link", "set", "eth1", "down")
    reload_fw4(lab)
    router(lab).ip("link", "set", "eth1", "up")
    router(lab).ip("route", "replace", "default", "via", "198.51.100.1")
    reload_fw4(lab)
    assert reached(lab) == [True, True]
    assert reached(lab, lab.stranger) == [False, False]
    assert all(15 < seconds <= 30 for seconds in left(lab))
    assert not [e for e in lab.events.since(mark) if e["event"] == "revoke"]


def test_knocking_again_extends_and_never_stacks(brief: Lab) -> None:
    knock(brief)
    opened = knock(brief)
    assert len(left(brief)) <= 2
    listing = router(brief).run("nft", "list", "table", "inet", "fwknopd")
    assert listing.count(f"{brief.phone.address} . tcp . {SSH} ") <= 1
    assert_shut_after(brief, opened, 3)
