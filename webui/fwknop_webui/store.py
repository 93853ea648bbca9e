"""Where the configuration is kept, as the pages see it.

There are two kinds: the UCI file itself (file_store.py), and on a router, whose web page runs
unprivileged, rpcd with the user's own session (rpcd_store.py).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fwknop_webui.auth import Login
from fwknopd.config.problems import ConfigError
from fwknopd.config.uci_changes import UciChange
from fwknopd.config.uci_format import UciPackage
from fwknopd.uci_store import (
    Content,
    LargeFile,
    Loaded,
    MissingFile,
    StoreError,
)

REPLACEABLE = (ConfigError, MissingFile, LargeFile)
"""What is wrong with a file that only another one in its place can mend."""


class StillUnconfirmed(StoreError):
    """The changes before these are not confirmed yet. There is one rollback at a time."""


class Undecided(StoreError):
    """What waits can neither be kept nor taken back by anybody here; its time runs on."""


class UnsavedInLuci(StoreError):
    """LuCI's session, which is used here, has changes of its own. rpcd applies all of them."""

    def __init__(self, packages: str) -> None:
        self.packages = packages
        super().__init__(f"LuCI has unsaved changes in {packages}", "Apply or revert them there.")


class Unreadable(StoreError):
    """There is a file, but rpcd can't read it, and so can't change it either."""


class SessionOver(StoreError):
    """Who is behind this session must log in again: rpcd has ended the one it asks with."""


class NotAllowed(StoreError):
    """Who is behind this session may look, but not do this."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Changes in the file that are taken back in ``left`` seconds unless confirmed.

    ``id`` is what applying them returned.
    """

    user: str
    left: float
    id: str


def new_id() -> str:
    """For something that is applied."""
    return secrets.token_hex(8)


class Store(Protocol):
    """One UCI package.

    Applying is in two steps, as rpcd's ``uci apply`` with ``rollback``, ``uci confirm`` and
    ``uci rollback`` are: what is not confirmed in time is taken back, whatever becomes of
    the browser or of this program.
    """

    @property
    def file(self) -> str:
        """The name people know it by, for messages."""
        ...

    def networks(self) -> dict[str, str]:
        """The devices of the router's networks by name; none where that can't be told."""
        ...

    def load(self) -> Loaded:
        """Raises StoreError (can't be read) or ConfigError (isn't UCI)."""
        ...

    def apply(self, changes: Sequence[UciChange], etag: str, user: str, seconds: float) -> str:
        """Write all of ``changes`` or nothing, to be confirmed within ``seconds``.

        ``user`` is who did it, for messages. Returns an id that tells it from any other.
        Raises ConcurrentEdit, StillUnconfirmed, StoreError.
        """
        ...

    def confirm(self) -> bool:
        """Keep what was applied; False when there is nothing to keep, as after a rollback."""
        ...

    def rollback(self) -> bool:
        """Take back what was applied; what somebody else changed since is left as it is.

        False when there is nothing to take back. Raises StoreError, and then it still waits.
        """
        ...

    def spares(self, login: Login) -> bool:
        """Whether only this login can confirm what waits; the store ends it afterwards."""
        ...

    def waiting(self) -> Waiting | None:
        """What was applied and is not confirmed. With 0 seconds left it is to be taken back."""
        ...


class Replaceable(Protocol):
    """A store that can put a whole file in the place of one that is no valid UCI."""

    @property
    def copy(self) -> str:
        """Path of the copy of what was replaced last."""
        ...

    def content(self) -> Content:
        """What is there now, as it is. Raises StoreError."""
        ...

    def etag(self) -> str:
        """What tells that from all else, be it too large or missing. Raises StoreError."""
        ...

    def replace(self, package: UciPackage, etag: str) -> bool:
        """Replace what `etag` stands for, and keep a copy of it that only its owner can read.

        False when there was nothing to keep.

        For good: the daemon could not go back to a file it can't read. Raises ConcurrentEdit,
        StillUnconfirmed, StoreError.
        """
        ...
