"""The file of who opened which door: whole, private, and kept short."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fwknopd import run_file
from fwknopd.grants import Grant, GrantTable
from fwknopd.owner_format import MAX_BYTES, Kept, check_of, format_opened, key_of
from fwknopd.owner_journal import FEW_LINES, RETRY_SECONDS, OwnerJournal
from tests.unit.firewall.doors import door

SSH, WEB = door("192.0.2.7", "tcp/22"), door("192.0.2.7", "tcp/80")


class Rig:
    """A journal beside the table it is about."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.table = GrantTable()
        self.passed = 0.0
        self.said: list[str] = []
        self.journal = self.another()

    def another(self) -> OwnerJournal:
        """That of the next process."""
        return OwnerJournal(self.path, self.now, self.said.append)

    def now(self) -> float:
        return time.monotonic() + self.passed

    def open(self, *grants: Grant) -> None:
        for grant in grants:
            self.table.record(grant)
        self.journal.opened(grants, self.table)

    def end(self, *grants: Grant) -> None:
        self.journal.ended(self.table.drop(grants), self.table)

    def left(self) -> list[Kept]:
        return list(self.another().left())


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "open.doors")


def grant(item: object = SSH, client: str = "phone", seconds: float = 60.0) -> Grant:
    assert isinstance(item, type(SSH))
    now = time.monotonic()
    return Grant(item, client, now, now + seconds, f"identity of {client}", client == "phone")


def kept(made: Grant) -> Kept:
    return Kept(
        key_of(made.door),
        made.client,
        check_of(made.owner),
        made.opened,
        made.expires,
        made.cut_at_expiry,
    )


def test_what_was_opened_and_has_not_ended_is_left(rig: Rig) -> None:
    phone, laptop, web = grant(), grant(client="laptop"), grant(WEB, "tele\u200bphone")
    rig.open(phone, laptop)
    rig.open(web)
    rig.end(laptop)
    assert rig.left() == [kept(phone), kept(web)]
    assert stat.S_IMODE(rig.path.stat().st_mode) == 0o600
    assert rig.said == []
    text = rig.path.read_bytes()
    assert b"192.0.2.7" not in text and b"identity" not in text


def test_what_is_over_is_not_left_and_a_door_of_nobody_known_is_nobodys(rig: Rig) -> None:
    rig.open(grant(seconds=-1), grant(WEB, "?"))
    assert rig.left() == []


def test_extending_over_and_over_keeps_the_file_short(rig: Rig) -> None:
    for _ in range(5 * FEW_LINES):
        rig.open(grant())
    assert rig.path.read_bytes().count(b"\n") < 2 * FEW_LINES
    assert rig.left() == [kept(next(iter(rig.table)))]
    assert [entry.name for entry in rig.path.parent.iterdir()] == [rig.path.name]


def test_without_doors_there_is_no_file(rig: Rig) -> None:
    rig.open(grant())
    rig.journal.keep(GrantTable())
    assert not rig.path.exists()
    assert rig.left() == []
    rig.open(grant())
    assert len(rig.left()) == 1


def test_what_another_boot_left_is_nothing(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.open(grant())
    (tmp_path / "boot").write_text("another boot\n")
    monkeypatch.setattr(run_file, "BOOT_ID", tmp_path / "boot")
    assert rig.left() == []
    assert rig.said == []


def shared(path: Path) -> None:
    path.chmod(0o640)


def linked(path: Path) -> None:
    path.rename(path.with_name("other"))
    path.symlink_to(path.with_name("other"))


def linked_twice(path: Path) -> None:
    os.link(path, path.with_name("other"))


def endless(path: Path) -> None:
    with path.open("ab") as file:
        file.truncate(MAX_BYTES + 1)


@pytest.mark.parametrize("change", [shared, linked, linked_twice, endless])
def test_a_file_that_others_can_have_made_is_not_believed(
    rig: Rig, change: Callable[[Path], None]
) -> None:
    rig.open(grant())
    change(rig.path)
    assert rig.left() == []
    (said,) = rig.said
    assert "would not survive a crash" in said and "is not used" in said
    rig.journal.keep(rig.table)
    assert len(rig.left()) == 1
    assert len(rig.said) == 1


def test_damaged_lines_are_told_and_the_others_believed(rig: Rig) -> None:
    rig.open(grant(), grant(WEB))
    boot, first, second = rig.path.read_bytes().splitlines(keepends=True)
    forged = format_opened([grant(WEB, "laptop")]).replace(b"laptop", b"admin")
    rig.path.write_bytes(boot + first.replace(b"phone", b"admin") + forged + b"junk\n" + second)
    (left,) = rig.left()
    assert left.door == key_of(WEB) and left.client == "phone"
    assert "damaged lines (3)" in rig.said[0]


def test_a_file_that_cannot_be_written_is_told_once_and_tried_again(rig: Rig) -> None:
    rig.path = rig.path.with_name("missing") / "open.doors"
    rig.journal = rig.another()
    rig.open(grant())
    rig.open(grant(WEB))
    (said,) = rig.said
    assert "can't be written: No such file or directory" in said
    rig.path.parent.mkdir()
    rig.open(grant(WEB, "laptop", seconds=600))
    rig.end(grant(WEB))
    # To try costs as much as there are doors, and each knock would wait for it.
    assert not rig.path.exists()
    rig.passed = RETRY_SECONDS
    rig.open(grant(client="tablet", seconds=600))
    assert {left.client for left in rig.left()} == {"laptop", "tablet"}
    assert len(rig.said) == 1


def test_a_write_that_failed_leaves_no_gap(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Part of a list would give one client the doors that another shares."""
    rig.open(grant(seconds=600))
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda fd, data: len(data) // 2)
        rig.open(grant(WEB, seconds=600))
    assert len(rig.left()) == 2
    full = os.open("/dev/full", os.O_WRONLY)
    assert rig.journal._fd is not None
    os.dup2(full, rig.journal._fd)
    os.close(full)
    rig.open(grant(WEB, "laptop"))
    assert not rig.path.exists()
    assert "No space left" in rig.said[0]
    rig.passed = RETRY_SECONDS
    rig.end(*[g for g in rig.table if g.client == "laptop"])
    assert len(rig.left()) == 2
    rig.journal.close()
