"""Reading and committing a UCI file the way libuci does: locks, pending changes, atomic rename.

Order of events in a commit: lock the file, lock the pending changes, see that both are still
what the caller saw, write a new file beside the old one, sync it, see that nobody has renamed
another file into place meanwhile, rename. At no moment is there a half-written file. Platform
notes 1.6. The lock is libuci's own, so ``uci commit`` and this program wait for each other.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from fwknopd.config.problems import Problem, Severity
from fwknopd.config.uci_changes import ChangeError, UciChange, apply
from fwknopd.config.uci_delta import parse_delta
from fwknopd.config.uci_edit import apply_delta
from fwknopd.config.uci_format import (
    UciPackage,
    UciSyntaxError,
    decode_text,
    encode_text,
    format_uci,
    parse_uci,
)
from fwknopd.regular_file import (
    FileError,
    file_error,
    open_regular,
    others_can_change,
    privacy_problems,
    read_limited,
)

DEFAULT_SAVEDIR = Path("/tmp/.uci")  # noqa: S108 - libuci's own fixed place
MAX_FILE_SIZE = 4 << 20
"""Bytes: ten thousand clients."""

LOCK_TIMEOUT = 10.0
"""Seconds to wait for other programs' locks, that of the pending changes included."""

_LOCK_POLL = 0.02
_SECRET_MODE = 0o600
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


StoreError = FileError
"""The file can't be read or written: ``message`` says why, ``remedy`` what to do."""


class ConcurrentEdit(StoreError):
    """The file or its pending changes are not those the etag was made from."""


class PendingChanges(StoreError):
    """Somebody else has changes that are not committed; writing could mix them up."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """One consistent reading.

    ``package`` has the pending changes applied, as every reader of libuci sees it; ``saved``
    is the file alone. ``pending`` leaves out recorded changes that fit nothing any more.
    ``problems`` are warnings about the files themselves. ``exposed``: others than root and
    this process's user may write the file.
    """

    package: UciPackage
    saved: UciPackage
    etag: str
    pending: tuple[UciChange, ...]
    problems: tuple[Problem, ...] = ()
    exposed: bool = False


class UciStore:
    """One UCI file, such as /etc/config/fwknopd, and its pending changes in ``savedir``."""

    def __init__(
        self, path: Path, savedir: Path = DEFAULT_SAVEDIR, lock_timeout: float = LOCK_TIMEOUT
    ) -> None:
        self.path = path
        self.savedir = savedir
        self.lock_timeout = lock_timeout

    @property
    def name(self) -> str:
        """The package name."""
        return self.path.name

    def load(self) -> Loaded:
        """Read file and pending changes under a shared lock.

        Raises StoreError (missing, no permission, not a regular file, locked for too long) or
        UciSyntaxError.
        """
        with self._locked(os.O_RDONLY) as (file, delta):
            problems = (*privacy_problems(self.path, os.fstat(file)), *self._delta_problems(delta))
            exposed = others_can_change(os.fstat(file))
            return replace(self._loaded(file, delta, problems), exposed=exposed)

    def create(self) -> None:
        """Make an empty file that only its owner can read; an existing one is left alone."""
        try:
            os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, _SECRET_MODE))
        except OSError as error:
            raise file_error(self.path, error) from error

    def commit(self, changes: Sequence[UciChange], etag: str, include_pending: bool = True) -> None:
        """Apply ``changes`` to what was loaded and write the file.

        Pending changes of others, which ``Loaded.pending`` has shown, are committed as well,
        as ``uci commit`` does; without ``include_pending`` they are a reason to refuse
        (PendingChanges). Without any change the file is not touched. Raises ConcurrentEdit
        when file or pending changes are not those of ``etag``, and StoreError.
        """
        with self._locked(os.O_RDWR) as (file, delta):
            loaded = self._loaded(file, delta)
            self._check_etag(loaded, etag, include_pending)
            try:
                package = apply(loaded.package, changes)
            except ChangeError as error:
                raise StoreError(
                    str(error), "Load the page again and repeat the change."
                ) from error
            if changes or loaded.pending:
                self._replace(file, self._text(package))
            if loaded.pending and delta is not None:
                os.ftruncate(delta, 0)

    def _check_etag(self, loaded: Loaded, etag: str, include_pending: bool) -> None:
        if loaded.etag != etag:
            raise ConcurrentEdit(
                f"{self.path} was changed by another program meanwhile",
                "Load the page again and repeat the change.",
            )
        if loaded.pending and not include_pending:
            raise PendingChanges(
                f"{len(loaded.pending)} changes to {self.name} by another program are not "
                "committed yet",
                f"Look at them with `uci changes {self.name}`, then `uci commit {self.name}` or "
                f"`uci revert {self.name}`.",
            )

    def _loaded(self, file: int, delta: int | None, problems: tuple[Problem, ...] = ()) -> Loaded:
        data = read_limited(file, self.path, MAX_FILE_SIZE)
        place = self.savedir / self.name
        delta_data = b"" if delta is None else read_limited(delta, place, MAX_FILE_SIZE)
        saved = parse_uci(data, str(self.path))
        recorded = parse_delta(decode_text(delta_data), self.name)
        package, pending = apply_delta(saved, recorded)
        seen = hashlib.sha256(b"%d:" % len(data) + data + delta_data).hexdigest()
        return Loaded(package, saved, seen, pending, problems)

    def _text(self, package: UciPackage) -> bytes:
        """The new content, which is certain to be read back as it is meant.

        libuci writes section types without quotes. One with a quote, ``#`` or ``;`` in it, which
        it happily reads, makes the file unreadable at the next commit.
        """
        text = format_uci(package)
        with suppress(UciSyntaxError):
            if format_uci(parse_uci(text, str(self.path))) == text:
                return encode_text(text)
        raise StoreError(
            f"{self.path} has a section type that can't be written to a file",
            "Give the section a type of plain letters.",
        )

    @contextmanager
    def _locked(self, flags: int) -> Iterator[tuple[int, int | None]]:
        """File and pending changes, both locked within the one time limit."""
        deadline = time.monotonic() + self.lock_timeout
        with (
            self._locked_file(flags, deadline) as file,
            self._locked_delta(flags, deadline) as delta,
        ):
            yield file, delta

    @contextmanager
    def _locked_file(self, flags: int, deadline: float) -> Iterator[int]:
        """The file, locked, and certainly the one the path leads to at that moment."""
        while True:
            descriptor = open_regular(self.path, flags)
            try:
                self._lock(descriptor, flags, deadline)
                if self._is_current(descriptor):
                    yield descriptor
                    return
            finally:
                os.close(descriptor)

    @contextmanager
    def _locked_delta(self, flags: int, deadline: float) -> Iterator[int | None]:
        """The pending changes, locked; None when there are none or they can't be trusted."""
        descriptor = None
        with suppress(OSError):
            descriptor = os.open(
                self.savedir / self.name, flags | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
            )
        if descriptor is None:
            yield None
            return
        try:
            if not _is_trusted(os.fstat(descriptor)) or not _is_trusted(self.savedir.lstat()):
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
                        f"{self.lock_timeout:g} seconds",
                        "Wait for it to finish; `ps` shows whether a uci command hangs.",
                    ) from None
                time.sleep(_LOCK_POLL)
            else:
                return

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self.path.stat())
        except OSError:
            return False

    def _replace(self, locked: int, data: bytes) -> None:
        target = self.path.resolve()
        old = os.fstat(locked)
        # Not the tempfile module: the daemon loads this file, and that one costs a megabyte.
        temporary = target.with_name(f".{self.name}.uci-{os.urandom(4).hex()}")
        try:
            descriptor = os.open(temporary, _NEW_FILE, _SECRET_MODE)
        except OSError as error:
            raise file_error(self.path, error) from error
        try:
            with os.fdopen(descriptor, "wb") as file:
                _take_over(file.fileno(), old)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if not self._is_current(locked):
                raise ConcurrentEdit(
                    f"{self.path} was replaced by another program meanwhile",
                    "Load the page again and repeat the change.",
                )
            temporary.replace(target)
        except OSError as error:
            raise file_error(self.path, error) from error
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(target.parent)

    def _delta_problems(self, delta: int | None) -> tuple[Problem, ...]:
        place = self.savedir / self.name
        if delta is not None:
            if not os.fstat(delta).st_size:
                return ()
            return (
                self._problem(
                    "changes that are not committed yet are in effect",
                    f"See `uci changes {self.name}`, then commit or revert them.",
                ),
            )
        if not os.path.lexists(place):
            return ()
        return (
            self._problem(
                f"the pending changes in {place} are ignored: another user can write there",
                f"Delete {self.savedir}.",
            ),
        )

    def _problem(self, message: str, remedy: str) -> Problem:
        return Problem(Severity.WARNING, str(self.path), None, "", message, remedy)


def _is_trusted(found: os.stat_result) -> bool:
    """The default savedir is in a folder of everybody's: could nobody else have written this?"""
    is_ours = found.st_uid in (0, os.geteuid())
    is_plain = stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)
    return is_ours and is_plain and not found.st_mode & 0o022


def _take_over(descriptor: int, old: os.stat_result) -> None:
    """Owner and mode of the old file, but never readable for others: it holds keys."""
    with suppress(PermissionError):
        os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, old.st_mode & _SECRET_MODE)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
