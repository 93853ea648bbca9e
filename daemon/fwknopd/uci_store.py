"""Reading and committing a UCI file the way libuci does: locks, pending changes, atomic rename."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fwknopd.config.uci_changes import UciChange
from fwknopd.config.uci_format import UciPackage

DEFAULT_SAVEDIR = Path("/tmp/.uci")  # noqa: S108 - libuci's own fixed place


class StoreError(Exception):
    """The file cannot be read or written. The text says what and what to do about it."""


class ConcurrentEdit(StoreError):
    """The file or its pending changes are not those the etag was made from: load again."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """One consistent reading. ``package`` has the pending changes applied; ``saved`` has not."""

    package: UciPackage
    saved: UciPackage
    etag: str
    pending: tuple[UciChange, ...]


class UciStore:
    """One UCI file, such as /etc/config/fwknopd."""

    def __init__(self, path: Path, savedir: Path = DEFAULT_SAVEDIR) -> None:
        self.path = path
        self.savedir = savedir

    def load(self) -> Loaded:
        """Read file and pending changes under a shared lock.

        Raises StoreError (missing, no permission, not a regular file) or UciSyntaxError.
        """
        raise NotImplementedError

    def commit(self, changes: Sequence[UciChange], etag: str) -> None:
        """Apply ``changes`` to the file and write it. Raises ConcurrentEdit, StoreError."""
        raise NotImplementedError
