"""The used packets on disk, so that neither a crash nor a reboot makes them fresh again.

A line is appended for each packet, with one write for all that came together, before any
door opens for them, and synced after. A file is only ever made whole: beside the old one, synced,
then renamed. So one that is there is complete, unless it shows damage; and when it can't
be kept complete it is emptied, because a list with gaps would be believed.

What to do when a disk is full or a list was lost is for `replay_memory` to say.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fwknopd.file_systems import is_volatile
from fwknopd.replay import ReplayEntry
from fwknopd.replay_format import (
    TORN,
    format_blind,
    format_file,
    format_line,
    is_blind,
    is_remark,
    parse_blind,
    parse_line,
)

MAX_BYTES = 16 << 20
"""Bytes read at most, from the end: twice as many of the longest lines as a cache may hold,
and a file of ours is made anew before it has more."""

MIN_LINES = 256
"""A shorter file isn't worth rewriting."""

_REMEDIES = {
    errno.ENOSPC: "free some space there, or set DIGEST_FILE to another place",
    errno.EROFS: "that file system is read-only: set DIGEST_FILE to a place that isn't",
    errno.EACCES: "run fwknopd as root, or set DIGEST_FILE to a place it may write",
    errno.EPERM: "run fwknopd as root, or set DIGEST_FILE to a place it may write",
    errno.ELOOP: "it is a symbolic link: set DIGEST_FILE to the file itself",
}


class JournalError(Exception):
    """The journal can't be read or written. The text says which file, why, and what to do."""


@dataclass(frozen=True, slots=True)
class LoadedJournal:
    """What the file held.

    - ``damaged``: lines that made no sense and were skipped
    - ``missing``: there was no file, so what was used before is unknown
    - ``empty``: there was one with nothing in it, as when it could not be kept complete
    - ``cut``: the file was larger than `MAX_BYTES`, so its oldest lines weren't read
    - ``blind_before``: an earlier loss: packets made before that epoch second count as used;
      0 when the clock was not set at that time, None when there was no loss
    """

    entries: tuple[ReplayEntry, ...] = ()
    damaged: int = 0
    missing: bool = False
    empty: bool = False
    cut: bool = False
    blind_before: int | None = None

    @property
    def fault(self) -> str:
        """Why the file doesn't tell of every used packet; "" when it is there and does."""
        if self.cut:
            return f"is larger than {MAX_BYTES} bytes"
        if self.empty:
            return "is empty"
        if self.damaged:
            return f"has damaged lines ({self.damaged})"
        return ""


class ReplayJournal:
    """One journal file. Not thread-safe; made for one process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None
        self._lines = 0
        self._size = 0

    def load(self) -> LoadedJournal:
        """Read the file. Raises JournalError when it exists but can't be read."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            with os.fdopen(os.open(self.path, flags), "rb") as file:
                _check_regular(file.fileno())
                return self._read(file)
        except FileNotFoundError:
            return LoadedJournal(missing=True)
        except OSError as error:
            raise self._error("read", error) from error

    def append(self, entries: Sequence[ReplayEntry]) -> None:
        """Add packets. From now on they outlive this process, and from `sync` on the machine.

        Raises JournalError: then none is added. It never makes a file: where there is none,
        or only a part of what was there, one line more would pass for the whole list.
        """
        self._append(b"".join(map(format_line, entries)), len(entries))

    def mark_blind(self, before: int) -> None:
        """Note that packets made before this epoch second count as used. As `append`, synced."""
        self._append(format_blind(before), 1)
        self.sync()

    def sync(self) -> None:
        """Wait until all that was added is on the disk. Raises JournalError."""
        if self._fd is None:
            return
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise self._error("write", error) from error

    def grown(self, live: int) -> bool:
        """The file holds more than twice as many lines as there are ``live`` entries."""
        return self._lines > 2 * max(live, MIN_LINES)

    def replace(self, entries: Iterable[ReplayEntry], blind_before: int | None = None) -> None:
        """Make a file with just these entries. Raises JournalError: then nothing has changed."""
        data = format_file(entries, blind_before)
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _replace(self.path, data)
        except OSError as error:
            raise self._error("write", error) from error
        self.close()
        self._lines, self._size = data.count(b"\n"), len(data)

    def empty(self, *, make: bool = False) -> bool:
        """Empty the file if that can be done, so that nobody believes it is complete.

        With ``make`` it is made when there is none. False if it is as it was.
        """
        self.close()
        self._size = 0
        flags = os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        with suppress(OSError):
            os.close(os.open(self.path, flags | (os.O_CREAT if make else 0), 0o600))
            return True
        return False

    def is_volatile(self) -> bool:
        """Does a reboot take the file away?"""
        return is_volatile(self.path.parent)

    def is_frozen(self) -> bool:
        """Is there a file that can't be changed, as on a flash that has become read-only?"""
        return self.path.exists() and not os.access(self.path, os.W_OK)

    def close(self) -> None:
        """Close the file; the next `append` opens it again."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _read(self, file: BinaryIO) -> LoadedJournal:
        size = self._size = os.fstat(file.fileno()).st_size
        cut = size > MAX_BYTES
        if cut:
            file.seek(size - MAX_BYTES)
            # What comes first is only the rest of a line.
            file.readline()
        entries, damaged, blind, self._lines = [], 0, None, 0
        for line in _whole_lines(file):
            self._lines += 1
            if line is None:
                damaged += 1
            elif is_blind(line):
                mark = parse_blind(line)
                blind, damaged = (blind, damaged + 1) if mark is None else (mark, damaged)
            elif not is_remark(line):
                entry = parse_line(line)
                damaged += entry is None
                entries += [] if entry is None else [entry]
        return LoadedJournal(tuple(entries), damaged, empty=size == 0, cut=cut, blind_before=blind)

    def _append(self, data: bytes, lines: int) -> None:
        try:
            fd, size = self._open()
            _write_all_or_nothing(fd, data, size)
        except OSError as error:
            raise self._error("write", error) from error
        self._size += len(data)
        self._lines += lines

    def _open(self) -> tuple[int, int]:
        """The file, open for appending and the one this process knows, and its size."""
        if self._fd is None:
            self._fd = _open_for_appending(self.path)
        size = _size_if_there(self.path, self._fd)
        if size < self._size:
            self.close()
            raise OSError(errno.ENOENT, "it was removed or cut meanwhile")
        return self._fd, size

    def _error(self, action: str, error: OSError) -> JournalError:
        why = error.strerror or str(error)
        remedy = _REMEDIES.get(error.errno or 0, "check DIGEST_FILE")
        return JournalError(
            f"{self.path}: can't {action} the list of used packets: {why}; {remedy}"
        )


def _whole_lines(file: BinaryIO) -> Iterator[bytes | None]:
    """The lines without their ends; None for a last one that has no end."""
    for line in file:
        yield line[:-1] if line.endswith(b"\n") else None


def _check_regular(fd: int) -> None:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise OSError(errno.EINVAL, "not a regular file")


def _open_for_appending(path: Path) -> int:
    flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    fd = os.open(path, flags)
    try:
        _check_regular(fd)
        _start_line(fd)
    except OSError:
        os.close(fd)
        raise
    return fd


def _start_line(fd: int) -> None:
    """Make a file go on at the start of a line, and be private."""
    status = os.fstat(fd)
    if stat.S_IMODE(status.st_mode) != 0o600:
        os.fchmod(fd, 0o600)
    if status.st_size and os.pread(fd, 1, status.st_size - 1) != b"\n":
        _write_all_or_nothing(fd, TORN, status.st_size)


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(path.name + ".new")
    with suppress(FileNotFoundError):
        temporary.unlink()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(temporary, flags, 0o600)
    try:
        _write_all_or_nothing(fd, data, 0)
        os.fsync(fd)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)
    _sync_folder(path.parent)


def _write_all_or_nothing(fd: int, data: bytes, before: int) -> None:
    """``before`` is how many bytes the file has."""
    try:
        if os.write(fd, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError:
        with suppress(OSError):
            os.ftruncate(fd, before)
        raise


def _size_if_there(path: Path, fd: int) -> int:
    """Bytes of the open file; less than none when it is not at its place any more."""
    try:
        found, opened = os.lstat(path), os.fstat(fd)
    except OSError:
        return -1
    return opened.st_size if os.path.samestat(found, opened) else -1


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
