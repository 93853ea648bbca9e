"""The journal on a real file system: power cuts, foreign lines, full disks, the C daemon."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest

from fwknopd import replay_journal
from fwknopd.replay import LIMIT, ReplayCache, ReplayEntry
from fwknopd.replay_format import (
    LONGEST_LINE,
    format_blind,
    format_file,
    format_line,
    parse_blind,
    parse_line,
)
from fwknopd.replay_journal import MAX_BYTES, JournalError, ReplayJournal

C_HEADER = "# <digest> <proto> <src_ip> <src_port> <dst_ip> <dst_port> <time>\n"
C_LINE = "A6ta/2j8qxbUS+Mi0ZyPENS3z0AJPMHouD8OETBapVs 17 10.9.0.2 60609 10.9.0.1 62201 1795316483\n"


def entry(number: int = 1) -> ReplayEntry:
    return ReplayEntry(
        digest=f"{number:043d}",
        key=number.to_bytes(32, "big"),
        seen=1_800_000_000 + number,
        timestamp=1_800_000_000,
        protocol=17,
        source=ip_address("198.51.100.7"),
        source_port=40000,
        destination=ip_address("192.0.2.1"),
        destination_port=62201,
        client="Anna's phone",
    )


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[ReplayJournal]:
    made = ReplayJournal(tmp_path / "replay.journal")
    made.replace(())
    yield made
    made.close()


def reread(journal: ReplayJournal) -> tuple[ReplayEntry, ...]:
    return ReplayJournal(journal.path).load().entries


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file of this process may grow beyond ``size`` bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_missing_file_is_said_and_no_error(tmp_path: Path) -> None:
    loaded = ReplayJournal(tmp_path / "replay.journal").load()
    assert (loaded.missing, loaded.entries) == (True, ())


def test_a_list_of_nothing_is_whole(journal: ReplayJournal) -> None:
    loaded = journal.load()
    assert (loaded.missing, loaded.empty, loaded.fault, loaded.blind_before) == (
        *(False, False, "", None),
    )


def test_what_was_written_is_read_by_the_next_process(journal: ReplayJournal) -> None:
    journal.append([entry(1)])
    journal.append([entry(2), entry(3)])
    loaded = ReplayJournal(journal.path).load()
    assert loaded.entries == (entry(1), entry(2), entry(3))
    assert (loaded.damaged, loaded.missing, loaded.cut) == (0, False, False)


@pytest.mark.parametrize(
    "changes",
    [
        {"source": ip_address("2001:db8::1"), "destination": ip_address("2001:db8::2")},
        {"source_port": None, "destination_port": None, "protocol": 1},
        {"key": None, "timestamp": None},
        {"client": ""},
        {"client": "#7"},
        {"client": "line\nfeed"},
        {"client": "Ω \udcff"},
    ],
)
def test_any_entry_survives(journal: ReplayJournal, changes: dict[str, object]) -> None:
    odd = entry()._replace(**changes)  # type: ignore[arg-type]
    journal.append([odd, entry(2)])
    assert reread(journal) == (odd, entry(2))


def test_only_the_owner_may_read_it(journal: ReplayJournal) -> None:
    journal.append([entry()])
    assert journal.path.stat().st_mode & 0o777 == 0o600
    journal.close()
    journal.path.chmod(0o644)
    journal.append([entry(2)])
    assert journal.path.stat().st_mode & 0o777 == 0o600


def test_its_folder_is_made(tmp_path: Path) -> None:
    journal = ReplayJournal(tmp_path / "run" / "fwknop" / "digest.cache")
    journal.replace([entry()])
    assert reread(journal) == (entry(),)
    assert journal.path.parent.stat().st_mode & 0o777 == 0o700


# Damage


def test_every_torn_last_line_is_dropped_and_the_next_is_whole(journal: ReplayJournal) -> None:
    journal.append([entry(1), entry(2)])
    journal.close()
    whole = journal.path.read_bytes()
    start = whole.rindex(b"\n", 0, -1) + 1
    for cut in range(start + 1, len(whole)):
        journal.path.write_bytes(whole[:cut])
        assert reread(journal) == (entry(1),), cut
        after = ReplayJournal(journal.path)
        after.load()
        after.append([entry(3)])
        after.close()
        loaded = ReplayJournal(journal.path).load()
        assert (loaded.entries, loaded.damaged) == ((entry(1), entry(3)), 1), cut


@pytest.mark.parametrize(
    "garbage",
    [
        b"\0" * 4096 + b"\n",
        b"\xff\xfe\n",
        b"garbage\n",
        b" \n",
        b"x" * 100_000 + b"\n",
        C_LINE.replace("1795316483", "-1").encode(),
        C_LINE.replace("1795316483", "9" * 5000).encode(),
        C_LINE.replace("1795316483", "17_95").encode(),
        C_LINE.replace("10.9.0.2", "router").encode(),
        C_LINE.replace(" 17 ", " udp ").encode(),
        C_LINE.replace("A6ta", "A*ta").encode(),
        format_line(entry(9)).replace(b" 17 ", b" 18 "),
    ],
)
def test_garbage_lines_are_counted_and_skipped(journal: ReplayJournal, garbage: bytes) -> None:
    journal.path.write_bytes(format_line(entry(1)) + garbage + format_line(entry(2)))
    loaded = journal.load()
    assert (loaded.entries, loaded.damaged) == ((entry(1), entry(2)), 1)


def test_an_empty_file_is_no_list(journal: ReplayJournal) -> None:
    journal.path.write_bytes(b"")
    assert journal.load().fault == "is empty"


def test_a_loss_is_remembered_beside_the_packets(journal: ReplayJournal) -> None:
    journal.replace([entry(1)], blind_before=1_800_000_120)
    assert journal.load().blind_before == 1_800_000_120
    journal.mark_blind(1_800_009_999)
    journal.append([entry(2)])
    loaded = ReplayJournal(journal.path).load()
    assert (loaded.blind_before, loaded.entries, loaded.fault) == (
        *(1_800_009_999, (entry(1), entry(2)), ""),
    )


def test_a_damaged_mark_of_a_loss_is_damage() -> None:
    mark = format_blind(1_800_000_120).rstrip(b"\n")
    assert parse_blind(mark) == 1_800_000_120
    for position in range(len(mark)):
        changed = bytearray(mark)
        changed[position] ^= 1
        assert parse_blind(bytes(changed)) is None


def test_no_file_of_ours_is_too_large_to_be_read() -> None:
    v6 = ip_address("2001:db8:1111:2222:3333:4444:5555:6666")
    longest = entry(10**42)._replace(
        protocol=255,
        source=v6,
        destination=v6,
        source_port=65535,
        destination_port=65535,
        timestamp=2**32,
        seen=10**11,
        client="\udcff" * 500,
    )
    assert len(format_line(longest)) <= LONGEST_LINE
    # It is made anew when it has twice as many lines as there are packets to remember.
    assert 2 * LIMIT * LONGEST_LINE < MAX_BYTES


def test_a_huge_file_is_read_from_its_end(
    journal: ReplayJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_journal, "MAX_BYTES", 1000)
    journal.append([entry(number) for number in range(100)])
    loaded = journal.load()
    assert loaded.cut
    assert loaded.damaged == 0
    assert "larger" in loaded.fault
    assert 3 <= len(loaded.entries) < 10
    assert loaded.entries[-1] == entry(99)


def test_the_bytes_of_one_line_changed_never_make_another_entry() -> None:
    line = format_line(entry()).rstrip(b"\n")
    assert parse_line(line) == entry()
    for position in range(len(line)):
        for flip in (1, 0x20):
            changed = bytearray(line)
            changed[position] ^= flip
            assert parse_line(bytes(changed)) is None, bytes(changed)


# Growth


def test_compaction_leaves_what_still_counts(journal: ReplayJournal) -> None:
    journal.append([entry(number) for number in range(600)])
    assert journal.grown(live=10)
    assert not journal.grown(live=400)
    journal.replace([entry(598), entry(599)])
    assert not journal.grown(live=10)
    assert reread(journal) == (entry(598), entry(599))
    assert journal.path.stat().st_mode & 0o777 == 0o600
    journal.append([entry(600)])
    assert reread(journal) == (entry(598), entry(599), entry(600))
    assert [path.name for path in journal.path.parent.iterdir()] == ["replay.journal"]


def test_growth_is_known_after_a_restart(journal: ReplayJournal) -> None:
    journal.append([entry(number) for number in range(600)])
    journal.close()
    second = ReplayJournal(journal.path)
    second.load()
    assert second.grown(live=10)


def test_a_leftover_of_a_broken_compaction_is_no_obstacle(journal: ReplayJournal) -> None:
    journal.append([entry(1)])
    journal.path.with_name("replay.journal.new").write_bytes(b"half a li")
    journal.replace([entry(1)])
    assert reread(journal) == (entry(1),)


def test_cache_and_journal_together_refuse_after_a_restart(journal: ReplayJournal) -> None:
    cache = ReplayCache()
    cache.add(entry(1), entry(1).seen)
    journal.append([entry(1)])
    journal.close()
    fresh = ReplayCache()
    fresh.load(ReplayJournal(journal.path).load().entries, entry(1).seen)
    assert fresh.seen(entry(1).digest) == entry(1)
    key = entry(1).key
    assert key is not None
    assert fresh.seen(key) == entry(1)


# Faults


def test_full_disk_is_reported_and_leaves_no_half_line(journal: ReplayJournal) -> None:
    journal.append([entry(1)])
    before = journal.path.read_bytes()
    with room_for(len(before) + 20), pytest.raises(JournalError) as caught:
        journal.append([entry(2)])
    assert str(journal.path) in str(caught.value)
    assert journal.path.read_bytes() == before
    journal.append([entry(3)])
    assert reread(journal) == (entry(1), entry(3))


def test_full_disk_during_compaction_keeps_the_old_file(journal: ReplayJournal) -> None:
    journal.append([entry(number) for number in range(10)])
    with room_for(300), pytest.raises(JournalError):
        journal.replace([entry(number) for number in range(9)])
    assert len(reread(journal)) == 10
    assert [path.name for path in journal.path.parent.iterdir()] == ["replay.journal"]
    journal.append([entry(10)])
    assert len(reread(journal)) == 11


@pytest.mark.parametrize("opened", [True, False])
@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:100]),
        lambda path: path.rename(path.with_name("moved")),
        lambda path: (path.unlink(), path.touch()),
    ],
    ids=["removed", "emptied", "cut", "moved", "made anew"],
)
def test_one_line_more_never_makes_a_list_of_what_is_left(
    journal: ReplayJournal, harm: Callable[[Path], object], opened: bool
) -> None:
    journal.append([entry(1)])
    if not opened:
        journal.close()
    harm(journal.path)
    with pytest.raises(JournalError, match="write"):
        journal.append([entry(2)])
    with pytest.raises(JournalError, match="write"):
        journal.append([entry(2)])
    journal.replace([entry(1), entry(2)])
    journal.append([entry(3)])
    assert reread(journal) == (entry(1), entry(2), entry(3))


def test_emptying_reaches_only_the_file_itself(journal: ReplayJournal, tmp_path: Path) -> None:
    journal.append([entry()])
    journal.empty()
    assert journal.path.read_bytes() == b""
    target = tmp_path / "precious"
    target.write_text("data")
    journal.path.unlink()
    journal.empty()
    assert not journal.path.exists()
    journal.path.symlink_to(target)
    journal.empty(make=True)
    assert target.read_text() == "data"


def test_a_symbolic_link_is_refused(journal: ReplayJournal, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("data")
    journal.path.unlink()
    journal.path.symlink_to(target)
    with pytest.raises(JournalError, match="symbolic link"):
        journal.append([entry()])
    with pytest.raises(JournalError, match="symbolic link"):
        journal.load()
    assert target.read_text() == "data"


def test_a_folder_or_a_pipe_is_refused(journal: ReplayJournal, tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="directory"):
        ReplayJournal(tmp_path).append([entry()])
    journal.path.unlink()
    os.mkfifo(journal.path)
    with pytest.raises(JournalError, match="not a regular file"):
        journal.load()


# The C daemon's digest.cache


def test_the_c_daemons_file_is_read(journal: ReplayJournal) -> None:
    journal.path.write_text(C_HEADER + C_LINE + "\n; remark\n")
    loaded = journal.load()
    assert loaded.damaged == 0
    (known,) = loaded.entries
    assert known.digest == "A6ta/2j8qxbUS+Mi0ZyPENS3z0AJPMHouD8OETBapVs"
    assert (known.key, known.timestamp, known.seen) == (None, None, 1795316483)
    assert (str(known.source), known.source_port) == ("10.9.0.2", 60609)


def test_the_c_daemons_file_is_continued(journal: ReplayJournal) -> None:
    journal.path.write_text(C_HEADER + C_LINE)
    journal.append([entry()])
    assert [known.client for known in reread(journal)] == ["", "Anna's phone"]


def test_the_c_daemon_can_read_ours(journal: ReplayJournal) -> None:
    # Measured with fwknopd 2.6.10: it reads seven columns and ignores any further ones.
    journal.append([entry()])
    assert format_file((), None).decode() == C_HEADER
    header, line = journal.path.read_text().splitlines()
    assert header + "\n" == C_HEADER
    assert " ".join(line.split(" ")[:7]) == (
        f"{entry().digest} 17 198.51.100.7 40000 192.0.2.1 62201 1800000001"
    )
