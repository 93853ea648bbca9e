"""A UCI file and its pending changes as files: locked together, read, and replaced.

The lock is libuci's own, so ``uci commit`` and this program wait for each other. At no moment
is there a half-written file. Platform notes 1.6.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import stat
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from fwknopd.config.problems import Problem, Severity, shell_word
from fwknopd.regular_file import FileError, file_error, open_regular, read_limited

MAX_FILE_SIZE = 4 << 20
"""Bytes: ten thousand clients."""

PIECE = 64 << 10
"""Bytes of a file that may be of any length, read at a time."""

LEFT_SECONDS = 60.0
"""A file half written for so long is of a commit that was killed: under the lock there is none."""

UCI_FOLDER, OVERRIDES = Path("/etc/config"), Path("/var/run/uci")
"""Newer versions of libuci read a file of the second folder in place of one of the first."""

_LOCK_POLL = 0.02
SECRET_MODE = 0o600
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

StoreError = FileError
"""The file can't be read or written: ``message`` says why, ``remedy`` what to do."""


class ConcurrentEdit(StoreError):
    """The file or its pending changes are not those the caller has seen."""


class UnfitChange(StoreError):
    """What is to be written can't be: the section is gone, or no file can hold the value."""


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of the file, and of the pending changes. Both may hold keys."""

    file: bytes = field(repr=False)
    delta: bytes = field(repr=False)


class UciFiles:
    """The file at ``path``, and what is pending for it in ``savedir``."""

    def __init__(self, path: Path, savedir: Path, lock_timeout: float) -> None:
        self.path = path
        self.delta = savedir / path.name
        self._lock_timeout = lock_timeout

    @contextmanager
    def locked(self, flags: int) -> Iterator[Locked]:
        """Both, locked within the one time limit. Raises StoreError."""
        deadline = time.monotonic() + self._lock_timeout
        with (
            self._locked_file(flags, deadline) as file,
            self._locked_delta(flags, deadline) as delta,
        ):
            yield Locked(self, file, delta)

    @contextmanager
    def _locked_file(self, flags: int, deadline: float) -> Iterator[int]:
        """The file, locked, and certainly the one the path leads to at that moment."""
        while True:
            descriptor = open_regular(self.path, flags)
            try:
                self._lock(descriptor, flags, deadline)
                if self.is_current(descriptor):
                    yield descriptor
                    return
            finally:
                os.close(descriptor)

    @contextmanager
    def _locked_delta(self, flags: int, deadline: float) -> Iterator[int | None]:
        """The pending changes, locked; None when there are none or they can't be trusted."""
        descriptor = None
        with suppress(OSError):
            descriptor = os.open(self.delta, flags | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        if descriptor is None:
            yield None
            return
        try:
            if not _is_trusted(os.fstat(descriptor)) or not _is_trusted(self.delta.parent.lstat()):
                yield None
                return
            self._lock(descriptor, flags, deadline)
            yield descriptor
        finally:
            os.close(descriptor)

    def _lock(self, descriptor: int, flags: int, deadline: float) -> None:
        kind = fcntl.LOCK_SH if flags == os.O_RDONLY else fcntl.LOCK_EX
        while True:
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StoreError(
                        f"{self.path} has been locked by another program for "
                        f"{self._lock_timeout:g} seconds",
                        "Wait for it to finish; `ps` shows whether a uci command hangs.",
                    ) from None
                time.sleep(_LOCK_POLL)
            else:
                return

    def is_current(self, descriptor: int) -> bool:
        """Whether the path still leads to this open file."""
        try:
            return os.path.samestat(os.fstat(descriptor), self.path.stat())
        except OSError:
            return False


@dataclass(frozen=True, slots=True)
class Locked:
    """Open descriptors of both files, for as long as the lock is held."""

    files: UciFiles
    file: int
    delta: int | None

    def read(self) -> Content:
        """Everything in them. Raises StoreError."""
        delta = b""
        if self.delta is not None:
            delta = read_limited(self.delta, self.files.delta, MAX_FILE_SIZE)
        return Content(read_limited(self.file, self.files.path, MAX_FILE_SIZE), delta)

    def override_problems(self) -> tuple[Problem, ...]:
        """What is to be said of another file that others read in place of this one."""
        other = OVERRIDES / self.files.path.name
        if self.files.path.parent != UCI_FOLDER or not os.path.lexists(other):
            return ()
        return (
            self._problem(
                f"uci and LuCI read {other} in place of this file, which is in force here",
                f"Move what is right into {self.files.path}, and delete the other.",
            ),
        )

    def delta_problems(self) -> tuple[Problem, ...]:
        """What is to be said of pending changes."""
        place, name = self.files.delta, self.files.path.name
        savedir = place.parent
        if self.delta is not None:
            if not os.fstat(self.delta).st_size:
                return ()
            return (
                self._problem(
                    "changes that are not committed yet are in effect",
                    f"See `uci changes {shell_word(name)}`, then commit or revert them.",
                ),
            )
        if not os.path.lexists(place):
            return ()
        return (
            self._problem(
                f"the pending changes in {place} are ignored: another user can write there",
                f"Delete {savedir}.",
            ),
        )

    def _problem(self, message: str, remedy: str) -> Problem:
        return Problem(Severity.WARNING, str(self.files.path), None, "", message, remedy)

    def pieces(self) -> Iterator[bytes]:
        """The file in pieces, however long it is. Raises OSError."""
        return _pieces(self.file)

    def delta_pieces(self) -> Iterator[bytes]:
        """The pending changes, likewise; none when there are none."""
        return iter(()) if self.delta is None else _pieces(self.delta)

    def etag(self) -> str:
        """What tells this content from any other. Raises OSError."""
        seen = hashlib.sha256(b"%d:" % os.fstat(self.file).st_size)
        for piece in chain(self.pieces(), self.delta_pieces()):
            seen.update(piece)
        return seen.hexdigest()

    def replace(self, data: bytes) -> None:
        """Put another file in the place of this one. Raises ConcurrentEdit, StoreError."""
        path = self.files.path
        target = path.resolve()
        old = os.fstat(self.file)
        # Not the tempfile module: the daemon loads this file, and that one costs a megabyte.
        temporary = _beside(target, os.urandom(4).hex())
        _remove_left(target, {os.geteuid(), old.st_uid})
        try:
            descriptor = os.open(temporary, _NEW_FILE, SECRET_MODE)
        except OSError as error:
            raise file_error(path, error) from error
        try:
            with os.fdopen(descriptor, "wb") as file:
                _take_over(file.fileno(), old)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if not self.files.is_current(self.file):
                raise ConcurrentEdit(
                    f"{path} was replaced by another program meanwhile",
                    "Load the page again and repeat the change.",
                )
            temporary.replace(target)
        except OSError as error:
            raise file_error(path, error) from error
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(target.parent)

    def clear_delta(self) -> None:
        """Forget the pending changes."""
        if self.delta is not None:
            os.ftruncate(self.delta, 0)

    def write_delta(self, data: bytes) -> None:
        """Make these the pending changes. Without the file there is nobody who waits for them."""
        if self.delta is not None:
            os.ftruncate(self.delta, 0)
            os.pwrite(self.delta, data, 0)


def _pieces(descriptor: int) -> Iterator[bytes]:
    place = 0
    while piece := os.pread(descriptor, PIECE, place):
        place += len(piece)
        yield piece


def _beside(target: Path, ending: str) -> Path:
    """A file that is to take the place of this one."""
    return target.with_name(f".{target.name}.uci-{ending}")


def _remove_left(target: Path, owners: Collection[int]) -> None:
    """Take away what commits left that were killed: it holds keys, and nobody looks for it."""
    pattern = re.compile(re.escape(_beside(target, "").name) + "[0-9a-f]{8}")
    # What can't be removed is no reason not to commit.
    with suppress(OSError):
        for path in target.parent.iterdir():
            if pattern.fullmatch(path.name):
                found = path.lstat()
                is_old = found.st_mtime < time.time() - LEFT_SECONDS
                if is_old and stat.S_ISREG(found.st_mode) and found.st_uid in owners:
                    path.unlink()


def _is_trusted(found: os.stat_result) -> bool:
    """The default savedir is in a folder of everybody's: could nobody else have written this?"""
    is_ours = found.st_uid in (0, os.geteuid())
    is_plain = stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)
    return is_ours and is_plain and not found.st_mode & 0o022


def _take_over(descriptor: int, old: os.stat_result) -> None:
    """Owner and mode of the old file, but never readable for others: it holds keys.

    Raises PermissionError when it would be taken from its owner. Its group has no rights in
    the new one, so it doesn't matter.
    """
    try:
        os.fchown(descriptor, old.st_uid, old.st_gid)
    except PermissionError:
        if os.fstat(descriptor).st_uid != old.st_uid:
            raise
    os.fchmod(descriptor, old.st_mode & SECRET_MODE)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
