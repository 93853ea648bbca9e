"""What others do to iptables: who tells of it, and when it is looked at."""

from __future__ import annotations

import os
import select
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from fwknopd.config.ipt_chain import DNAT_CHAIN, INPUT_CHAIN
from fwknopd.firewall.iptables_lock import IN_CLOSE_NOWRITE, LockNotices, tells_of_lock
from fwknopd.firewall.iptables_notices import NEWGEN, Heard, Places
from fwknopd.firewall.iptables_watch import (
    LONGEST_QUIET_SECONDS,
    PATIENCE_SECONDS,
    QUIET_SECONDS,
    RELAPSE_SECONDS,
    ROUND_SECONDS,
    RuleWatch,
)
from fwknopd.firewall.netlink import Message, attribute
from fwknopd.firewall.nfnetlink import Nft

PLACES = Places((INPUT_CHAIN, DNAT_CHAIN))
IPV4, IPV6, INET = 2, 10, 1


def notice(kind: int, *names: tuple[int, str], family: int = IPV4) -> Message:
    """A message of the nftables subsystem about something of those names."""
    payload = bytes((family, 0, 0, 0))
    payload += b"".join(attribute(number, f"{name}\0".encode()) for number, name in names)
    return Message(kind, 0, 0, payload)


@pytest.mark.parametrize("family", [IPV4, IPV6])
@pytest.mark.parametrize(
    ("kind", "names", "heard"),
    [
        (Nft.DELTABLE, ((1, "filter"),), Heard.REMADE),
        (Nft.DELTABLE, ((1, "mangle"),), Heard.NOTHING),
        (Nft.DELCHAIN, ((1, "filter"), (3, "FWKNOP_INPUT")), Heard.REMADE),
        (Nft.DELCHAIN, ((1, "nat"), (3, "FWKNOP_INPUT")), Heard.NOTHING),
        (Nft.DELCHAIN, ((1, "filter"), (3, "f2b-sshd")), Heard.NOTHING),
        (Nft.DELRULE, ((1, "filter"), (2, "INPUT")), Heard.CHANGED),
        (Nft.DELRULE, ((1, "nat"), (2, "FWKNOP_PREROUTING")), Heard.CHANGED),
        (Nft.DELRULE, ((1, "filter"), (2, "f2b-sshd")), Heard.NOTHING),
        (Nft.NEWRULE, ((1, "filter"), (2, "FWKNOP_INPUT")), Heard.CHANGED),
        (Nft.NEWRULE, ((1, "filter"), (2, "INPUT")), Heard.NOTHING),
        (Nft.NEWSETELEM, ((1, "filter"), (2, "FWKNOP_INPUT")), Heard.NOTHING),
    ],
)
def test_only_what_concerns_our_chains_is_news(
    kind: int, names: tuple[tuple[int, str], ...], heard: Heard, family: int
) -> None:
    assert PLACES.heard_in(notice(kind, *names, family=family)) is heard
    assert PLACES.heard_in(notice(kind, *names, family=INET)) is Heard.NOTHING


def test_a_notice_cut_short_is_refused() -> None:
    whole = notice(Nft.DELTABLE, (1, "filter"))
    with pytest.raises(ValueError, match="cut short"):
        PLACES.heard_in(Message(whole.kind, 0, 0, whole.payload[:-3]))
    assert PLACES.heard_in(Message(NEWGEN, 0, 0, b"")) is Heard.NOTHING


# The lock of the old iptables


@pytest.fixture
def locks(tmp_path: Path) -> Iterator[LockNotices]:
    notices = LockNotices([str(tmp_path), str(tmp_path / "missing")])
    yield notices
    notices.close()


def test_a_lock_let_go_of_is_told(tmp_path: Path, locks: LockNotices) -> None:
    assert not locks.drain()
    for name, told in (("other.lock", False), ("xtables.lock", True), ("fw3.lock", True)):
        (tmp_path / name).touch()
        assert bool(select.select([locks], [], [], 0)[0])
        assert locks.drain() is told
    holding = os.open(tmp_path / "xtables.lock", os.O_RDONLY)
    assert not locks.drain()
    os.close(holding)
    assert locks.drain()
    (tmp_path / "fw3.lock").unlink()
    assert locks.drain()


def test_lost_events_count_as_a_lock() -> None:
    overflow = struct.pack("iIII", -1, 0x4000, 0, 0)
    other = struct.pack("iIII", 1, IN_CLOSE_NOWRITE, 0, 16) + b"other.lock".ljust(16, b"\0")
    assert tells_of_lock(other + overflow)
    assert not tells_of_lock(other)
    assert not tells_of_lock(overflow[:-1])


def test_folders_that_are_not_there_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        LockNotices([str(tmp_path / "missing")])


# When to look


class Announcer:
    """Notices that a test makes."""

    def __init__(self) -> None:
        self.heard = Heard.NOTHING

    def drain(self) -> Heard:
        heard, self.heard = self.heard, Heard.NOTHING
        return heard


class Timed:
    """A watch on a clock that stands still."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.announcer = Announcer()
        self.watch = RuleWatch(lambda: self.now)
        self.watch._notices = self.announcer  # type: ignore[assignment]

    def hear(self, heard: Heard = Heard.CHANGED, *, after: float = 0) -> float | None:
        self.now += after
        self.announcer.heard = heard
        self.watch.listen()
        return self.watch.look_at(doors=False)

    def lose(self) -> float:
        """Lose the rules, and tell how long the look at them took."""
        due = self.hear(after=1)
        assert due is not None
        waited = due - self.now
        self.now = due
        self.watch.looked(lost=True)
        return waited


def test_a_look_waits_for_quiet_but_not_for_ever() -> None:
    timed = Timed()
    first = timed.now
    assert timed.hear(Heard.NOTHING) is None
    assert timed.hear() == pytest.approx(first + QUIET_SECONDS)
    for _ in range(50):
        due = timed.hear(after=0.2)
    assert due == pytest.approx(first + PATIENCE_SECONDS)
    timed.watch.looked(lost=False)
    assert timed.watch.look_at(doors=False) is None


def test_chains_made_anew_are_remembered_until_all_is_back() -> None:
    timed = Timed()
    timed.hear(Heard.REMADE)
    timed.hear(Heard.CHANGED)
    timed.watch.looked(lost=True)
    assert timed.watch.remade
    timed.watch.mended()
    assert not timed.watch.remade


def test_somebody_who_insists_is_answered_ever_more_slowly() -> None:
    timed = Timed()
    waits = [timed.lose() for _ in range(12)]
    assert waits[:3] == pytest.approx([QUIET_SECONDS, 2 * QUIET_SECONDS, 4 * QUIET_SECONDS])
    assert waits[-1] == pytest.approx(LONGEST_QUIET_SECONDS)
    timed.now += RELAPSE_SECONDS + LONGEST_QUIET_SECONDS
    assert timed.lose() == pytest.approx(QUIET_SECONDS)


def test_rounds_are_made_only_while_doors_are_open() -> None:
    timed = Timed()
    timed.watch.looked(lost=False)
    assert timed.watch.look_at(doors=False) is None
    assert timed.watch.look_at(doors=True) == timed.now + ROUND_SECONDS
    timed.watch.suspect()
    assert timed.watch.look_at(doors=False) == timed.now
    timed.watch.put_off()
    assert timed.watch.look_at(doors=False) == timed.now + ROUND_SECONDS


def test_nothing_is_sure_without_announcements() -> None:
    watch = RuleWatch(lambda: 0.0)
    assert watch.fileno() is None
    assert not watch.is_sure
    watch.listen()
    watch.passed(1)
    watch.close()
