"""The time of day jumps under a running daemon, or comes late, as NTP makes it on a router."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from fwknopd.policy.stanza import Stanza
from fwknopd.spa.packet import SpaKeys
from tests.netns.faults.clocks import WallClock
from tests.netns.faults.conftest import ARENAS, COMPLETE
from tests.netns.faults.router import TCP, Knock, Router
from tests.netns.matrix.arenas import Arena
from tests.netns.matrix.guarded import guarded
from tests.netns.matrix.site import Site
from tests.netns.namespaces import Machines

pytestmark = [pytest.mark.root, pytest.mark.nft, pytest.mark.iptables]
BOTH = pytest.mark.parametrize("arena", ARENAS, ids=lambda arena: arena.name)
ANY = pytest.mark.parametrize(
    "arena", ARENAS if COMPLETE else ARENAS[:1], ids=lambda arena: arena.name
)
BY_TIME_OF_DAY = pytest.mark.parametrize(
    "arena", ARENAS if COMPLETE else ARENAS[1:], ids=lambda arena: arena.name
)
"""The rules of iptables name their ends so."""

HOUR, DAY = 3600.0, 86400.0
JUMPS = (HOUR, DAY, -HOUR, 0.0) if COMPLETE else (DAY, -HOUR)
"""Where the clock is set, one after the other, against the true time."""

SHORT, LONG = 1, 60
EARLY_SECONDS, LATE_SECONDS = 1.0, 10.0
"""A door may shut so much earlier or later than asked: it is looked for on a busy machine, and a
jump of the clock would make hours of it."""


@pytest.fixture
def clock(tmp_path: Path) -> WallClock:
    folder = tmp_path / "clock"
    folder.mkdir()
    return WallClock(folder)


@pytest.fixture
def router(
    served: tuple[Site, Machines], arena: Arena, tmp_path: Path, clock: WallClock
) -> Iterator[Router]:
    """With a daemon that lives by the clock, and is not started yet."""
    with guarded(served, arena, tmp_path, (TCP,), clock.environment) as made:
        made.arena.load(made.site)
        yield Router(made)


def epoch_1970(clock: WallClock) -> None:
    """A router without a clock battery, a minute after it was switched on."""
    clock.set_ahead(60 - time.time())


def says_of_its_clock(router: Router) -> tuple[bool, str]:
    found = router.guarded.ask("status")["clock"]
    return found["ok"], found["detail"]


@BOTH
def test_a_clock_that_jumps_moves_no_door_and_makes_no_packet_fresh(
    router: Router, clock: WallClock
) -> None:
    router.guarded.daemon.start()
    used: list[Knock] = []
    for ahead in JUMPS:
        opened = time.monotonic()
        short = router.let_in(SHORT, ahead=clock.ahead)
        long = router.let_in(LONG, ahead=clock.ahead)
        used += [short, long]
        clock.set_ahead(ahead)
        assert says_of_its_clock(router) == (True, "")
        assert_ends(router, short, opened + SHORT)
        assert left_of(router, clock, long) == pytest.approx(left_after(opened), abs=3)
        assert_spent(router, used, clock)
        assert router.guarded.ask("reload")["reloaded"]
        assert left_of(router, clock, long) == pytest.approx(left_after(opened), abs=3)
        router.close_all()
    # Back where it was, only the list keeps these from opening.
    clock.set_ahead(0.0)
    assert assert_spent(router, used[:2], clock) == {"replay"}


def left_after(opened: float) -> float:
    """Seconds that a long door has left which was opened at that monotonic second."""
    return opened + LONG - time.monotonic()


def assert_spent(router: Router, used: Sequence[Knock], clock: WallClock) -> set[str]:
    """Sent again, these open nothing; who has the right time gets in. Why they don't."""
    before = counts(router)
    for knock in used:
        router.send(knock)
    # Of many copies not each is told, but each is judged, in turn.
    router.let_in(LONG, ahead=clock.ahead)
    more = counts(router) - before
    assert more.pop("accepted") == 1
    assert more.total() == len(used), more
    assert set(more) <= {"replay", "too-old", "from-the-future"}
    return set(more)


def counts(router: Router) -> Counter[str]:
    """How many packets got which verdict."""
    return Counter(router.guarded.ask("status")["counters"])


def assert_ends(router: Router, knock: Knock, end: float) -> None:
    """A door that is open now shuts at that monotonic second."""
    assert knock.home.phone in router.held() or time.monotonic() > end
    while knock.home.phone in router.held():
        assert time.monotonic() < end + LATE_SECONDS
    assert time.monotonic() > end - EARLY_SECONDS


def left_of(router: Router, clock: WallClock, knock: Knock) -> float:
    """Seconds a door has left, as the daemon tells it."""
    grants = router.guarded.ask("grants")["grants"]
    ends = [grant["expires"] for grant in grants if grant["address"] == knock.home.phone]
    return float(max(ends)) - clock.now()


@ANY
def test_before_the_time_is_known_nobody_gets_in_and_after_it_everybody(
    router: Router, clock: WallClock
) -> None:
    epoch_1970(clock)
    router.guarded.daemon.start()
    before = router.made(LONG)
    of_1970 = router.made(LONG, ahead=clock.ahead)
    for knock in (before, of_1970):
        assert router.verdict(knock)["reason"] == "clock-not-set"
    ok, detail = says_of_its_clock(router)
    assert not ok
    assert "1970-01-01" in detail
    assert not router.held()
    clock.set_ahead(0.0)
    assert says_of_its_clock(router) == (True, "")
    router.let_in()
    # It opened nothing, so it was not used up.
    assert router.verdict(before)["verdict"] == "accept"
    assert router.verdict(before)["reason"] == "replay"
    router.close_all()


@BY_TIME_OF_DAY
def test_a_daemon_told_not_to_wait_for_its_clock_ends_doors_in_time_when_it_is_set(
    router: Router, clock: WallClock
) -> None:
    """Half a century later."""
    router.guarded.server["WAIT_FOR_CLOCK"] = "N"
    router.guarded.configure()
    epoch_1970(clock)
    router.guarded.daemon.start()
    ok, detail = says_of_its_clock(router)
    assert ok
    assert "knocks are judged by it all the same" in detail
    opened = time.monotonic()
    short = router.let_in(SHORT, ahead=clock.ahead)
    early = clock.ahead
    clock.set_ahead(0.0)
    assert_ends(router, short, opened + SHORT)
    assert router.verdict(short)["verdict"] == "refuse"
    router.let_in()
    # And if the clock were set back, by whomever.
    clock.set_ahead(early)
    assert router.verdict(short)["reason"] == "replay"
    router.close_all()


@pytest.mark.parametrize("ahead", [HOUR, -HOUR], ids=["forward", "back"])
@BY_TIME_OF_DAY
def test_killed_and_started_in_another_hour_it_has_the_same_doors_and_used_packets(
    router: Router, clock: WallClock, arena: Arena, ahead: float
) -> None:
    """With iptables no door for longer than anybody may have one."""
    router.guarded.daemon.start()
    opened = time.monotonic()
    knock = router.let_in(SHORT)
    router.guarded.daemon.kill()
    clock.set_ahead(ahead)
    router.guarded.daemon.start()
    if arena.closes:
        assert_ends(router, knock, opened + SHORT)
    elif ahead > 0:
        # Its rule names an end that is over.
        assert not router.held()
    else:
        assert left_of(router, clock, knock) <= Stanza(1, SpaKeys()).max_fw_timeout
    clock.set_ahead(0.0)
    assert router.verdict(knock)["reason"] == "replay"
    router.let_in()
    router.close_all()
