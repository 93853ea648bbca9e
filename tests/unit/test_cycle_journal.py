"""The file of open cycles: private, whole, and believed only if nobody else can have made it."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import pytest

from fwknopd import run_file
from fwknopd.cycle_journal import MAX_BYTES, CycleJournal
from fwknopd.cycle_table import OpenCycle
from fwknopd.policy.command import Command


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "command.cycles"


def cycle(seconds: float = 60.0) -> OpenCycle:
    closing = Command((b"close", b"192.0.2.7"), "nobody", "", 5)
    now = round(time.monotonic(), 3)
    expires = round(now + seconds, 3)
    return OpenCycle(
        "phone", ip_address("192.0.2.7"), "tcp/22", closing, closing.words, now, expires
    )


def test_what_is_kept_is_loaded(path: Path) -> None:
    kept = [cycle(), cycle(30)]
    assert CycleJournal(path).keep(kept) == ""
    loaded = CycleJournal(path).load()
    assert (list(loaded.cycles), loaded.fault) == (kept, "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_no_file_is_no_cycle(path: Path) -> None:
    loaded = CycleJournal(path).load()
    assert (loaded.cycles, loaded.fault) == ((), "")


def test_without_cycles_there_is_no_file(path: Path) -> None:
    journal = CycleJournal(path)
    journal.keep([cycle()])
    assert journal.keep([]) == ""
    assert not path.exists()
    assert journal.keep([]) == ""


def test_what_was_left_half_made_is_in_nobodys_way(path: Path) -> None:
    path.with_name("command.cycles.new").write_text("half")
    assert CycleJournal(path).keep([cycle()]) == ""
    assert len(CycleJournal(path).load().cycles) == 1


def test_after_a_reboot_everything_is_over(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    CycleJournal(path).keep([cycle(9999)])
    (tmp_path / "boot").write_text("another boot\n")
    monkeypatch.setattr(run_file, "BOOT_ID", tmp_path / "boot")
    (loaded,) = CycleJournal(path).load().cycles
    assert loaded.expires <= time.monotonic()


def test_a_machine_that_does_not_count_its_boots(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_file, "BOOT_ID", tmp_path / "none")
    CycleJournal(path).keep([cycle(9999)])
    (loaded,) = CycleJournal(path).load().cycles
    assert loaded.expires <= time.monotonic()


def test_damage_is_told_and_the_rest_is_used(path: Path) -> None:
    CycleJournal(path).keep([cycle(), cycle()])
    path.write_bytes(path.read_bytes()[:-20])
    loaded = CycleJournal(path).load()
    assert len(loaded.cycles) == 1
    assert loaded.fault == f"{path} has damaged lines (1). What it would undo " + (
        "may still be open: see to that by hand"
    )


def link(path: Path) -> None:
    path.rename(path.with_name("other"))
    path.symlink_to("other")


def second_name(path: Path) -> None:
    path.with_name("other").hardlink_to(path)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def long(path: Path) -> None:
    os.truncate(path, MAX_BYTES + 1)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda path: path.chmod(0o640), "others can reach it"),
        (lambda path: path.chmod(0o602), "others can reach it"),
        (second_name, "others can reach it"),
        (link, "Too many levels of symbolic links"),
        (pipe, "it is not a regular file"),
        (folder, "Is a directory"),
        (long, f"it has more than {MAX_BYTES} bytes"),
    ],
)
def test_a_file_that_may_be_somebody_elses_is_not_used(
    path: Path, change: Callable[[Path], None], why: str
) -> None:
    CycleJournal(path).keep([cycle()])
    change(path)
    loaded = CycleJournal(path).load()
    assert loaded.cycles == ()
    assert loaded.fault.startswith(f"{path} is not used: {why}. What it would undo may still be")


@pytest.mark.root
def test_a_file_of_another_user_is_not_used(path: Path) -> None:
    CycleJournal(path).keep([cycle()])
    os.chown(path, 65534, 0)
    assert "is not used: it belongs to another user" in CycleJournal(path).load().fault


def test_a_link_is_replaced_and_not_followed(path: Path) -> None:
    other = path.with_name("other")
    other.write_text("precious")
    path.symlink_to(other)
    assert CycleJournal(path).keep([cycle()]) == ""
    assert other.read_text() == "precious"
    assert not path.is_symlink()


def test_a_folder_that_is_gone(path: Path) -> None:
    journal = CycleJournal(path / "none" / "file")
    assert "can't be written: No such file or directory" in journal.keep([cycle()])
