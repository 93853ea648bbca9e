"""The UCI store on real files: locks, pending changes, atomic commits, clear errors."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fwknopd import uci_files, uci_store
from fwknopd.config.problems import ConfigError
from fwknopd.config.uci_changes import (
    AddSection,
    DeleteSection,
    SetOption,
    UciChange,
    new_section_id,
)
from fwknopd.config.uci_format import UciSyntaxError
from fwknopd.configuration import load_uci
from fwknopd.uci_store import (
    ConcurrentEdit,
    Exchange,
    PendingChanges,
    StoreError,
    UciStore,
    UnfitChange,
)

TEXT = "config access 'x'\n\toption SOURCE 'ANY'\n"
CHANGE = SetOption("x", "OPEN_PORTS", "tcp/22")
CHANGED = "\nconfig access 'x'\n\toption SOURCE 'ANY'\n\toption OPEN_PORTS 'tcp/22'\n\n"


@pytest.fixture
def store(tmp_path: Path) -> UciStore:
    confdir, savedir = tmp_path / "config", tmp_path / "save"
    confdir.mkdir()
    savedir.mkdir(mode=0o700)
    path = confdir / "fwknopd"
    path.write_text(TEXT)
    path.chmod(0o600)
    return UciStore(path, savedir)


@pytest.mark.parametrize(("folder", "there"), [("config", True), ("config", False), ("c", True)])
def test_a_file_that_uci_reads_in_place_of_this_one_is_told(
    store: UciStore, monkeypatch: pytest.MonkeyPatch, folder: str, there: bool
) -> None:
    overrides = store.savedir.parent / "run"
    overrides.mkdir()
    monkeypatch.setattr(uci_files, "OVERRIDES", overrides)
    monkeypatch.setattr(uci_files, "UCI_FOLDER", store.savedir.parent / folder)
    if there:
        (overrides / "fwknopd").touch()
    told = [found.message for found in store.load().problems]
    if there and folder == "config":
        assert told == [
            f"uci and LuCI read {overrides}/fwknopd in place of this file, which is in force here"
        ]
    else:
        assert told == []


def delta(store: UciStore) -> Path:
    return store.savedir / store.name


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def test_commit_writes_what_libuci_would(store: UciStore) -> None:
    store.commit([CHANGE], store.load().etag)
    assert store.path.read_text() == CHANGED
    assert [path.name for path in store.path.parent.iterdir()] == ["fwknopd"]


def test_nothing_to_commit_leaves_the_file_alone(store: UciStore) -> None:
    before = store.path.stat()
    store.commit([], store.load().etag)
    assert os.path.samestat(before, store.path.stat())
    assert store.path.read_text() == TEXT


@pytest.mark.parametrize(("old", "new"), [(0o600, 0o600), (0o644, 0o600), (0o640, 0o600)])
def test_the_mode_is_kept_but_never_lets_others_read_keys(
    store: UciStore, old: int, new: int
) -> None:
    store.path.chmod(old)
    store.commit([CHANGE], store.load().etag)
    assert stat.S_IMODE(store.path.stat().st_mode) == new


def test_a_new_file_is_private(store: UciStore) -> None:
    store.path.unlink()
    store.create()
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    added = new_section_id(store.load().package, "access")
    changes: list[UciChange] = [AddSection(added, "access"), SetOption(added, "SOURCE", "ANY")]
    store.commit(changes, store.load().etag)
    assert store.path.read_text() == "\nconfig access\n\toption SOURCE 'ANY'\n\n"


def test_a_change_of_the_file_is_noticed(store: UciStore) -> None:
    etag = store.load().etag
    store.path.write_text(TEXT + "\toption KEY 'k'\n")
    with pytest.raises(ConcurrentEdit):
        store.commit([CHANGE], etag)
    assert "OPEN_PORTS" not in store.path.read_text()


def test_a_new_pending_change_is_noticed(store: UciStore) -> None:
    etag = store.load().etag
    delta(store).write_text("fwknopd.x.KEY='k'\n")
    with pytest.raises(ConcurrentEdit):
        store.commit([CHANGE], etag)


def test_pending_changes_are_in_effect_and_reported(store: UciStore) -> None:
    delta(store).write_text("fwknopd.x.SOURCE='10.0.0.1'\n-fwknopd.gone\nother.x.KEY='k'\n")
    loaded = store.load()
    assert loaded.package.sections[0].get("SOURCE") == "10.0.0.1"
    assert loaded.saved.sections[0].get("SOURCE") == "ANY"
    assert loaded.pending == (SetOption("x", "SOURCE", "10.0.0.1"),)
    [problem] = loaded.problems
    assert "uci changes fwknopd" in problem.remedy


def test_pending_changes_are_committed_as_uci_does(store: UciStore) -> None:
    delta(store).write_text("fwknopd.x.KEY='k'\n")
    store.commit([CHANGE], store.load().etag)
    assert "\toption KEY 'k'\n\toption OPEN_PORTS 'tcp/22'\n" in store.path.read_text()
    assert delta(store).read_text() == ""


def test_pending_changes_can_be_a_reason_to_refuse(store: UciStore) -> None:
    delta(store).write_text("fwknopd.x.KEY='k'\n")
    with pytest.raises(PendingChanges, match="uci revert fwknopd"):
        store.commit([CHANGE], store.load().etag, include_pending=False)
    assert store.path.read_text() == TEXT
    assert delta(store).read_text() == "fwknopd.x.KEY='k'\n"


def test_a_check_refuses_what_a_commit_would_and_writes_nothing(store: UciStore) -> None:
    etag = store.load().etag
    before = store.path.stat()
    store.check([CHANGE], etag)
    for bad in (SetOption("x", "KEY", "a\0"), SetOption("gone", "KEY", "a")):
        for act in (store.check, store.commit):
            with pytest.raises(UnfitChange):
                act([bad], etag)
    delta(store).write_text("fwknopd.x.KEY='k'\n")
    with pytest.raises(ConcurrentEdit):
        store.check([CHANGE], etag)
    with pytest.raises(PendingChanges):
        store.check([CHANGE], store.load().etag, include_pending=False)
    assert os.path.samestat(before, store.path.stat())
    assert (store.path.read_text(), delta(store).read_text()) == (TEXT, "fwknopd.x.KEY='k'\n")


@pytest.mark.parametrize("what", ["folder", "file", "link"])
def test_pending_changes_anybody_could_have_written_do_not_count(
    store: UciStore, what: str, tmp_path: Path
) -> None:
    delta(store).write_text("fwknopd.x.KEY='evil'\n")
    if what == "link":
        delta(store).rename(tmp_path / "elsewhere")
        delta(store).symlink_to(tmp_path / "elsewhere")
    else:
        (store.savedir if what == "folder" else delta(store)).chmod(0o777)
    loaded = store.load()
    assert loaded.pending == ()
    assert "another user" in loaded.problems[0].message


def test_a_symbolic_link_stays_one(store: UciStore, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    store.path.rename(target)
    store.path.symlink_to(target)
    store.commit([CHANGE], store.load().etag)
    assert store.path.is_symlink()
    assert target.read_text() == CHANGED


def test_a_change_that_does_not_fit_leaves_the_file_alone(store: UciStore) -> None:
    with pytest.raises(StoreError, match="there is no section 'y'"):
        store.commit([CHANGE, DeleteSection("y")], store.load().etag)
    assert store.path.read_text() == TEXT


def test_a_control_character_never_reaches_the_file(store: UciStore) -> None:
    with pytest.raises(StoreError, match="control character"):
        store.commit([SetOption("x", "KEY", "a\x01b")], store.load().etag)


@pytest.mark.parametrize("kind", ['"a;b"', '"a#b"', '"a\'b"'])
def test_a_file_is_never_made_unreadable(store: UciStore, kind: str) -> None:
    text = f"config {kind} 'odd'\n{TEXT}"
    store.path.write_text(text)
    with pytest.raises(StoreError, match="section type"):
        store.commit([CHANGE], store.load().etag)
    assert store.path.read_text() == text


def test_a_missing_file(store: UciStore) -> None:
    store.path.unlink()
    with pytest.raises(StoreError, match="does not exist"):
        store.load()


def test_a_broken_file_names_the_line(store: UciStore) -> None:
    store.path.write_text(TEXT + "\toption KEY 'abc\n")
    with pytest.raises(UciSyntaxError, match=r"fwknopd:3: the quote '"):
        store.load()


def test_a_pipe_is_refused_at_once(store: UciStore) -> None:
    store.path.unlink()
    os.mkfifo(store.path)
    with pytest.raises(StoreError, match="not a regular file"):
        store.load()


def test_a_huge_file_is_refused(store: UciStore) -> None:
    store.path.write_bytes(b"#" * (uci_store.MAX_FILE_SIZE + 1))
    with pytest.raises(StoreError, match="larger than"):
        store.load()


def test_no_permission() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "fwknopd"
        path.touch(0o600)
        path.chmod(0o000)
        message = f"no permission for {path}. Run as root"
        with nobody(), pytest.raises(StoreError, match=message):
            UciStore(path, Path(folder)).load()


@contextmanager
def nobody() -> Iterator[None]:
    """Root may read everything; so be somebody else for a moment."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_lock_held_for_too_long_is_an_error(store: UciStore) -> None:
    impatient = UciStore(store.path, store.savedir, lock_timeout=0.05)
    with locked(store.path), pytest.raises(StoreError, match="locked by another program"):
        impatient.load()


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses of whoever waits for a lock, on a clock that only they move."""
    pauses: list[float] = []
    monkeypatch.setattr("fwknopd.uci_files.time.sleep", pauses.append)
    monkeypatch.setattr("fwknopd.uci_files.time.monotonic", lambda: sum(pauses))
    return pauses


def test_the_daemon_waits_a_second_for_a_lock_and_no_longer(
    store: UciStore, waited: list[float]
) -> None:
    """Its loop stands still meanwhile."""
    with locked(store.path), pytest.raises(ConfigError, match="locked by another program"):
        load_uci(store.path, store.savedir)
    assert 0.9 < sum(waited) < 1.1


def test_one_time_limit_is_for_both_locks(
    store: UciStore, waited: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    delta(store).write_text("fwknopd.phone.name='x'\n")
    with locked(delta(store)), store.path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)

        def sleep(seconds: float) -> None:
            waited.append(seconds)
            if sum(waited) > 6:
                fcntl.flock(file, fcntl.LOCK_UN)

        monkeypatch.setattr("fwknopd.uci_files.time.sleep", sleep)
        with pytest.raises(StoreError, match="locked by another program for 10 seconds"):
            store.load()
    assert 9.9 < sum(waited) < 10.1


def test_readers_do_not_keep_each_other_out(store: UciStore) -> None:
    with store.path.open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        assert UciStore(store.path, store.savedir, lock_timeout=0.0).load().package.sections


def test_a_writer_waits_for_the_other_and_sees_its_work(store: UciStore) -> None:
    """While we wait for the lock somebody renames a new file into place, as libuci does."""
    etag = store.load().etag
    new = store.path.with_name("new")
    new.write_text(TEXT + "\toption KEY 'k'\n")
    failures: list[Exception] = []

    def commit() -> None:
        try:
            store.commit([CHANGE], etag)
        except StoreError as error:
            failures.append(error)

    with locked(store.path):
        writer = threading.Thread(target=commit)
        writer.start()
        new.rename(store.path)
    writer.join(10)
    assert [type(error) for error in failures] == [ConcurrentEdit]
    assert "KEY" in store.path.read_text()


def test_a_file_renamed_into_place_without_a_lock_is_not_overwritten(
    store: UciStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An editor knows no locks; its file must not vanish under ours."""
    etag = store.load().etag
    new = store.path.with_name("new")
    new.write_text("config other\n")
    synced = os.fsync

    def sync_while_an_editor_saves(descriptor: int) -> None:
        synced(descriptor)
        if new.exists():
            new.rename(store.path)

    monkeypatch.setattr(os, "fsync", sync_while_an_editor_saves)
    with pytest.raises(ConcurrentEdit, match="replaced"):
        store.commit([CHANGE], etag)
    assert store.path.read_text() == "config other\n"
    assert [path.name for path in store.path.parent.iterdir()] == ["fwknopd"]


def test_a_full_disk_keeps_the_old_file(store: UciStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StoreError, match="No space left"):
        store.commit([CHANGE], store.load().etag)
    assert store.path.read_text() == TEXT
    assert [path.name for path in store.path.parent.iterdir()] == ["fwknopd"]


KILLED = """
import os, signal, sys
from pathlib import Path
from fwknopd.config.uci_changes import SetOption
from fwknopd.uci_store import UciStore
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
store = UciStore(Path(sys.argv[1]), Path(sys.argv[2]))
store.commit([SetOption("x", "KEY", "never-to-be-kept")], store.load().etag)
"""


def test_what_a_killed_commit_left_goes_with_the_next_one(store: UciStore) -> None:
    folder = store.path.parent
    subprocess.run([sys.executable, "-c", KILLED, str(store.path), str(store.savedir)])
    [left] = [path for path in folder.iterdir() if path != store.path]
    assert "never-to-be-kept" in left.read_text() and stat.S_IMODE(left.stat().st_mode) == 0o600
    store.commit([CHANGE], store.load().etag)
    assert left.exists(), "it may still be written"
    # None of these is one.
    stem = left.name[:-8]
    others = [folder / name for name in (".other.uci-01234567", f"{left.name}0", left.name[1:])]
    others += [folder / f"{stem}0000000x", folder / f"{stem}00000001"]
    for path in others[:-1]:
        path.touch()
    others[-1].mkdir()
    link = folder / f"{stem}00000002"
    link.symlink_to("fwknopd")
    hour_ago = time.time() - 3600
    for path in (left, *others, link):
        os.utime(path, (hour_ago, hour_ago), follow_symlinks=False)
    store.commit([SetOption("x", "OPEN_PORTS", "tcp/80")], store.load().etag)
    assert set(folder.iterdir()) == {store.path, link, *others}


def test_many_writers_lose_nothing(store: UciStore) -> None:
    def add(number: int) -> None:
        while True:
            loaded = store.load()
            try:
                store.commit([SetOption("x", f"o{number}", "1")], loaded.etag)
            except ConcurrentEdit:
                continue
            return

    writers = [threading.Thread(target=add, args=(number,)) for number in range(12)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(30)
    assert store.path.read_text().count("option o") == 12


def exchange(store: UciStore, *changes: UciChange) -> Exchange:
    """Commit the changes, and what the store said it would replace."""
    kept: list[Exchange] = []
    store.commit(changes, store.load().etag, keep=kept.append)
    return kept[0]


def test_commit_is_undone_byte_for_byte_with_what_was_pending(store: UciStore) -> None:
    store.path.write_text("# a comment\nconfig a x\n  option k v\n")
    delta(store).write_text("fwknopd.x.k='p'\n")
    before, etag = store.path.read_bytes(), store.load().etag
    done = exchange(store, SetOption("x", "o", "1"))
    assert store.load().package.sections[0].get("k") == "p"
    assert not store.load().pending
    store.put_back(done)
    assert store.path.read_bytes() == before
    assert delta(store).read_text() == "fwknopd.x.k='p'\n"
    assert store.load().etag == etag


@pytest.mark.parametrize("step", ["before the file", "before the pending changes"])
def test_commit_that_was_cut_short_is_undone_too(step: str, store: UciStore) -> None:
    store.path.write_text("config a x\n")
    delta(store).write_text("fwknopd.x.k='p'\n")
    before, etag = store.path.read_bytes(), store.load().etag
    done = exchange(store, SetOption("x", "o", "1"))
    delta(store).write_text("fwknopd.x.k='p'\n")
    if step == "before the file":
        store.path.write_bytes(before)
    store.put_back(done)
    assert store.path.read_bytes() == before
    assert store.load().etag == etag


def test_pending_changes_that_came_to_nothing_are_pending_again(store: UciStore) -> None:
    store.path.write_text("\nconfig a 'x'\n\toption k 'v'\n\n")
    delta(store).write_text("fwknopd.x.k='p'\n")
    done = exchange(store, SetOption("x", "k", "v"))
    assert done.after == done.before.file
    assert not store.load().pending
    store.put_back(done)
    assert store.load().package.sections[0].get("k") == "p"


@pytest.mark.parametrize("where", ["file", "pending"])
def test_commit_is_not_undone_over_a_later_change(where: str, store: UciStore) -> None:
    store.path.write_text("config a x\n")
    done = exchange(store, SetOption("x", "o", "1"))
    if where == "file":
        store.commit([SetOption("x", "theirs", "2")], store.load().etag)
    else:
        delta(store).write_text("fwknopd.x.theirs='2'\n")
    with pytest.raises(ConcurrentEdit):
        store.put_back(done)
    assert store.load().package.sections[0].get("theirs") == "2"


def test_commit_that_changes_nothing_keeps_nothing(store: UciStore) -> None:
    store.path.write_text("config a x\n")
    kept: list[Exchange] = []
    store.commit([], store.load().etag, keep=kept.append)
    assert not kept


def test_contents_are_not_in_a_repr(store: UciStore) -> None:
    store.path.write_text("config a x\n\toption KEY 'secret'\n")
    assert "secret" not in repr(exchange(store, SetOption("x", "o", "1")))


@pytest.mark.root
def test_a_file_is_never_taken_from_its_owner(
    store: UciStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.chown(store.path, 65534, 65534)
    before = store.path.read_bytes()

    def refuse(*_: int) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "fchown", refuse)
    with pytest.raises(StoreError, match="no permission"):
        store.commit([CHANGE], store.load().etag)
    assert store.path.stat().st_uid == 65534
    assert store.path.read_bytes() == before
    assert [entry.name for entry in store.path.parent.iterdir() if "uci-" in entry.name] == []
