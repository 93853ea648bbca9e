"""The used packets on disk: one short line each, so that a reboot opens no replay window.

The file begins like the C daemon's digest.cache, and its lines are that format with
four more columns, which the C daemon ignores. So either program can take over the
other's file:

    digest proto src_ip src_port dst_ip dst_port time [key timestamp client checksum]

Lines are only ever appended, each with one write, and synced. A power cut can tear
the last one; the checksum tells, and such a line is dropped. What to do when the
disk is full or the file can't be read is the caller's policy, not this module's.
"""

from __future__ import annotations

import binascii
import errno
import os
import re
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from fwknopd.replay import ReplayEntry

MAX_BYTES = 4 << 20
"""Bytes read at most, from the end; some 20,000 lines."""

MIN_LINES = 256
"""A shorter file isn't worth rewriting."""

_HEADER = b"# <digest> <proto> <src_ip> <src_port> <dst_ip> <dst_port> <time>\n"
_DIGEST = re.compile(r"[A-Za-z0-9+/]{22,86}")
_NUMBER = re.compile(r"[0-9]{1,12}")
_TORN = b" # torn\n"
"""Ends a line that a power cut tore. One cut after its seventh column would otherwise
pass for a line of the C daemon's, which has no checksum, with part of a time in it."""
_C_COLUMNS = 7
_OUR_COLUMNS = 11
_NONE = "-"

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
    - ``cut``: the file was larger than `MAX_BYTES`, so its oldest lines weren't read
    """

    entries: tuple[ReplayEntry, ...] = ()
    damaged: int = 0
    missing: bool = False
    cut: bool = False


class ReplayJournal:
    """One journal file. Not thread-safe; made for one process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None
        self._lines = 0

    def load(self) -> LoadedJournal:
        """Read the file. Raises JournalError when it exists but can't be read."""
        try:
            data = _read_end(self.path)
        except FileNotFoundError:
            return LoadedJournal(missing=True)
        except OSError as error:
            raise self._error("read", error) from error
        *lines, torn = data.split(b"\n")
        self._lines = len(lines)
        cut = len(data) >= MAX_BYTES
        if cut:
            # The first line is only the rest of one.
            del lines[:1]
        wanted = [line for line in lines if line and not line.startswith((b"#", b";"))]
        good = tuple(entry for entry in map(parse_line, wanted) if entry is not None)
        return LoadedJournal(good, len(wanted) - len(good) + bool(torn), cut=cut)

    def append(self, entries: Sequence[ReplayEntry]) -> None:
        """Add packets and wait until they are on the disk. Raises JournalError: none is added."""
        data = b"".join(map(format_line, entries))
        try:
            fd = self._open()
            _write_all_or_nothing(fd, data)
            os.fsync(fd)
        except OSError as error:
            raise self._error("write", error) from error
        self._lines += len(entries)

    def grown(self, live: int) -> bool:
        """The file holds more than twice as many lines as there are ``live`` entries."""
        return self._lines > 2 * max(live, MIN_LINES)

    def compact(self, entries: Iterable[ReplayEntry]) -> None:
        """Replace the file by one with just these entries. Raises JournalError: it is unchanged."""
        kept = list(entries)
        try:
            self._replace(_HEADER + b"".join(map(format_line, kept)))
        except OSError as error:
            raise self._error("rewrite", error) from error
        self.close()
        self._lines = len(kept) + 1

    def close(self) -> None:
        """Close the file; the next `append` opens it again."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _open(self) -> int:
        """The file, open for appending. It is opened again when somebody removed or moved it."""
        if self._fd is not None and not _still_there(self.path, self._fd):
            self.close()
        if self._fd is None:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._fd = _open_for_appending(self.path)
        return self._fd

    def _replace(self, data: bytes) -> None:
        temporary = self.path.with_name(self.path.name + ".new")
        with suppress(FileNotFoundError):
            temporary.unlink()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(temporary, flags, 0o600)
        try:
            _write_all_or_nothing(fd, data)
            os.fsync(fd)
            temporary.replace(self.path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        finally:
            os.close(fd)
        _sync_folder(self.path.parent)

    def _error(self, action: str, error: OSError) -> JournalError:
        why = error.strerror or str(error)
        remedy = _REMEDIES.get(error.errno or 0, "check DIGEST_FILE")
        return JournalError(
            f"{self.path}: can't {action} the list of used packets: {why}; {remedy}"
        )


def format_line(entry: ReplayEntry) -> bytes:
    """The journal line of one packet, newline included."""
    key = _base64(entry.key) if entry.key is not None else _NONE
    columns = (
        entry.digest,
        entry.protocol,
        entry.source,
        entry.source_port or 0,
        entry.destination,
        entry.destination_port or 0,
        entry.seen,
        key,
        _NONE if entry.timestamp is None else entry.timestamp,
        _base64(entry.client.encode("utf-8", "surrogateescape")) or _NONE,
    )
    text = " ".join(map(str, columns)).encode("ascii")
    return text + b" " + _checksum(text) + b"\n"


def parse_line(line: bytes) -> ReplayEntry | None:
    """The packet of a line of ours or of the C daemon's; None when it makes no sense."""
    try:
        columns = line.decode("ascii").split(" ")
        if len(columns) == _C_COLUMNS:
            return _entry(columns, None, None, "")
        text, _, checksum = line.rpartition(b" ")
        if len(columns) != _OUR_COLUMNS or checksum != _checksum(text):
            return None
        key, timestamp, client = columns[7:10]
        return _entry(
            columns,
            None if key == _NONE else _unbase64(key),
            None if timestamp == _NONE else _number(timestamp),
            "" if client == _NONE else _unbase64(client).decode("utf-8", "surrogateescape"),
        )
    except ValueError:
        return None


def _entry(
    columns: Sequence[str], key: bytes | None, timestamp: int | None, client: str
) -> ReplayEntry:
    digest, protocol, source, source_port, destination, destination_port, seen = columns[:7]
    if not _DIGEST.fullmatch(digest):
        raise ValueError(digest)
    return ReplayEntry(
        digest=digest,
        key=key,
        seen=_number(seen),
        timestamp=timestamp,
        protocol=_number(protocol),
        source=ip_address(source),
        source_port=_number(source_port) or None,
        destination=ip_address(destination),
        destination_port=_number(destination_port) or None,
        client=client,
    )


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return int(text)


def _base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode("ascii").rstrip("=")


def _unbase64(text: str) -> bytes:
    return binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)


def _checksum(text: bytes) -> bytes:
    return b"%08x" % binascii.crc32(text)


def _read_end(path: Path) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(fd, "rb") as file:
        _check_regular(fd)
        size = os.fstat(fd).st_size
        file.seek(max(0, size - MAX_BYTES))
        return file.read(MAX_BYTES)


def _check_regular(fd: int) -> None:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise OSError(errno.EINVAL, "not a regular file")


def _open_for_appending(path: Path) -> int:
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    fd = os.open(path, flags, 0o600)
    try:
        _check_regular(fd)
        _start_line(fd)
    except OSError:
        os.close(fd)
        raise
    return fd


def _start_line(fd: int) -> None:
    """Make a new file begin, and an old one go on, at the start of a line."""
    status = os.fstat(fd)
    if stat.S_IMODE(status.st_mode) != 0o600:
        os.fchmod(fd, 0o600)
    if status.st_size == 0:
        _write_all_or_nothing(fd, _HEADER)
    elif os.pread(fd, 1, status.st_size - 1) != b"\n":
        _write_all_or_nothing(fd, _TORN)


def _write_all_or_nothing(fd: int, data: bytes) -> None:
    before = os.fstat(fd).st_size
    try:
        if os.write(fd, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError:
        with suppress(OSError):
            os.ftruncate(fd, before)
        raise


def _still_there(path: Path, fd: int) -> bool:
    with suppress(OSError):
        return os.path.samestat(path.lstat(), os.fstat(fd))
    return False


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
