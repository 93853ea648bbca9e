"""Reading and committing a UCI file the way libuci does: locks, pending changes, atomic rename.

Order of events in a commit: lock the file, lock the pending changes, see that both are still
what the caller saw, write a new file beside the old one, sync it, see that nobody has renamed
another file into place meanwhile, rename. Platform notes 1.6.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from fwknopd.config.problems import Problem, shell_word
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
    LargeFile,
    MissingFile,
    file_error,
    others_can_change,
    privacy_problems,
)
from fwknopd.uci_files import (
    MAX_FILE_SIZE,
    SECRET_MODE,
    ConcurrentEdit,
    Content,
    Locked,
    StoreError,
    UciFiles,
    UnfitChange,
)

__all__ = [
    "DEFAULT_SAVEDIR",
    "MAX_FILE_SIZE",
    "NO_FILE",
    "ConcurrentEdit",
    "Content",
    "Exchange",
    "LargeFile",
    "Loaded",
    "Locked",
    "MissingFile",
    "PendingChanges",
    "StoreError",
    "UciStore",
    "UnfitChange",
]

DEFAULT_SAVEDIR = Path("/tmp/.uci")  # noqa: S108 - libuci's own fixed place

NO_FILE = "none"
"""What stands for the etag of a file that isn't there."""

LOCK_TIMEOUT = 10.0
"""Seconds to wait for other programs' locks, that of the pending changes included."""


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


@dataclass(frozen=True, slots=True)
class Exchange:
    """One commit: what was there ``before``, and the file ``after`` it."""

    before: Content
    after: bytes = field(repr=False)


def etag_of(content: Content) -> str:
    """What tells this content from any other."""
    seen = hashlib.sha256(b"%d:" % len(content.file) + content.file + content.delta)
    return seen.hexdigest()


class UciStore:
    """One UCI file, such as /etc/config/fwknopd, and its pending changes in ``savedir``."""

    def __init__(
        self, path: Path, savedir: Path = DEFAULT_SAVEDIR, lock_timeout: float = LOCK_TIMEOUT
    ) -> None:
        self.path = path
        self.savedir = savedir
        self._files = UciFiles(path, savedir, lock_timeout)

    @property
    def name(self) -> str:
        """The package name."""
        return self.path.name

    def load(self) -> Loaded:
        """Read file and pending changes under a shared lock.

        Raises StoreError (missing, no permission, not a regular file, locked for too long) or
        UciSyntaxError.
        """
        with self._files.locked(os.O_RDONLY) as locked:
            found = os.fstat(locked.file)
            problems = [*privacy_problems(self.path, found), *locked.override_problems()]
            problems += locked.delta_problems()
            loaded = self.loaded(locked.read())
            return replace(loaded, problems=tuple(problems), exposed=others_can_change(found))

    def loaded(self, content: Content) -> Loaded:
        """What these bytes say. Raises UciSyntaxError."""
        saved = parse_uci(content.file, str(self.path))
        recorded = parse_delta(decode_text(content.delta), self.name)
        package, pending = apply_delta(saved, recorded)
        return Loaded(package, saved, etag_of(content), pending)

    def content(self) -> Content:
        """File and pending changes as they are, UCI or not. Raises StoreError."""
        with self._files.locked(os.O_RDONLY) as locked:
            return locked.read()

    def etag(self) -> str:
        """`etag_of` what is there now, however long it is; `NO_FILE` where there is none.

        Raises StoreError.
        """
        try:
            with self._files.locked(os.O_RDONLY) as locked:
                return locked.etag()
        except MissingFile:
            return NO_FILE
        except OSError as error:
            raise file_error(self.path, error) from error

    def replace(self, package: UciPackage, etag: str, keep: Callable[[Locked], None]) -> None:
        """Put ``package`` in the place of the file and its pending changes, readable or not.

        ``etag`` is `etag` as the caller saw it; a file that is missing is made. ``keep`` is told
        under the lock what goes. Raises ConcurrentEdit and StoreError; then the file is untouched.
        """
        after = self._text(package)
        if etag == NO_FILE:
            self.create()
        with self._files.locked(os.O_RDWR) as locked:
            is_made = etag == NO_FILE and not any(locked.pieces())
            self._check_etag(NO_FILE if is_made else locked.etag(), etag)
            keep(locked)
            locked.replace(after)
            locked.clear_delta()

    def create(self) -> None:
        """Make an empty file that only its owner can read; an existing one is left alone."""
        try:
            os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, SECRET_MODE))
        except OSError as error:
            raise file_error(self.path, error) from error

    def commit(
        self,
        changes: Sequence[UciChange],
        etag: str,
        include_pending: bool = True,
        keep: Callable[[Exchange], None] | None = None,
    ) -> None:
        """Apply ``changes`` to what was loaded and write the file.

        Pending changes of others, which ``Loaded.pending`` has shown, are committed as well,
        as ``uci commit`` does; without ``include_pending`` they are a reason to refuse
        (PendingChanges). Without any change the file is not touched. ``keep`` is told under
        the lock, just before the file is replaced, by what. Raises ConcurrentEdit
        when file or pending changes are not those of ``etag``, and StoreError.
        """
        with self._files.locked(os.O_RDWR) as locked:
            content = locked.read()
            loaded = self.loaded(content)
            package = self._changed(loaded, changes, etag, include_pending)
            if changes or loaded.pending:
                self._write(locked, Exchange(content, self._text(package)), keep)
            if loaded.pending:
                locked.clear_delta()

    def check(self, changes: Sequence[UciChange], etag: str, include_pending: bool = True) -> None:
        """Raises what `commit` would, and writes nothing."""
        with self._files.locked(os.O_RDWR) as locked:
            loaded = self.loaded(locked.read())
            self._text(self._changed(loaded, changes, etag, include_pending))

    def _changed(
        self, loaded: Loaded, changes: Sequence[UciChange], etag: str, include_pending: bool
    ) -> UciPackage:
        self._check_etag(loaded.etag, etag)
        self._check_pending(loaded, include_pending)
        try:
            return apply(loaded.package, changes)
        except ChangeError as error:
            raise UnfitChange(str(error), "Load the page again and repeat the change.") from error

    def _write(
        self, locked: Locked, exchange: Exchange, keep: Callable[[Exchange], None] | None
    ) -> None:
        if keep is not None:
            keep(exchange)
        locked.replace(exchange.after)

    def put_back(self, exchange: Exchange) -> None:
        """Undo a commit: file and pending changes byte for byte as they were before it.

        A commit that was cut short before it replaced the file leaves nothing to undo. Raises
        ConcurrentEdit when somebody has changed something since, and StoreError.
        """
        with self._files.locked(os.O_RDWR) as locked:
            now, before = locked.read(), exchange.before
            # The same bytes may be what the commit wrote: pending changes can amount to nothing.
            if now.file == before.file and (
                now.file != exchange.after or now.delta == before.delta
            ):
                return
            # The pending changes are still there when the commit was cut short after the file.
            if now.file != exchange.after or now.delta not in (b"", before.delta):
                raise ConcurrentEdit(
                    f"{self.path} was changed by another program meanwhile",
                    "Load the page again.",
                )
            locked.replace(before.file)
            locked.write_delta(before.delta)

    def _check_etag(self, found: str, etag: str) -> None:
        if found != etag:
            raise ConcurrentEdit(
                f"{self.path} was changed by another program meanwhile",
                "Load the page again and repeat the change.",
            )

    def _check_pending(self, loaded: Loaded, include_pending: bool) -> None:
        if loaded.pending and not include_pending:
            name = shell_word(self.name)
            raise PendingChanges(
                f"{len(loaded.pending)} changes to {self.name} by another program are not "
                "committed yet",
                f"Look at them with `uci changes {name}`, then `uci commit {name}` or "
                f"`uci revert {name}`.",
            )

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
