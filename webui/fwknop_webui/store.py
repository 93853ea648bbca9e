"""Where the configuration is kept, as the pages see it.

There are two kinds. Here: the UCI file itself. On a router, whose web page runs unprivileged,
rpcd does the same with the user's own session (rpcd_store.py).
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fwknop_webui.atomic_file import replace_file
from fwknop_webui.auth import Login
from fwknop_webui.clock import Clock
from fwknop_webui.i18n import _
from fwknop_webui.merge import merge
from fwknop_webui.unconfirmed import Unconfirmed, UnconfirmedFile
from fwknopd.config.problems import ConfigError
from fwknopd.config.uci_changes import UciChange
from fwknopd.config.uci_differences import differences
from fwknopd.config.uci_format import UciPackage
from fwknopd.uci_store import (
    DEFAULT_SAVEDIR,
    ConcurrentEdit,
    Content,
    Exchange,
    Loaded,
    StoreError,
    UciStore,
    etag_of,
)


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

    def replace(self, package: UciPackage, etag: str) -> None:
        """Replace what `content` showed, and keep a copy of it that only its owner can read.

        For good: the daemon could not go back to a file it can't read. Raises ConcurrentEdit,
        StillUnconfirmed, StoreError.
        """
        ...


class _Remembering(UciStore):
    """Parses a file only when it changed: with hundreds of clients most of a page goes there."""

    _last: Loaded | None = None

    def loaded(self, content: Content) -> Loaded:
        """See UciStore.loaded."""
        last = self._last
        if last is None or last.etag != etag_of(content):
            last = self._last = super().loaded(content)
        return last


class FileStore:
    """The UCI file, with libuci's locks and pending changes."""

    def __init__(
        self, path: Path, savedir: Path = DEFAULT_SAVEDIR, clock: Clock | None = None
    ) -> None:
        self._store = _Remembering(path, savedir)
        self._network = UciStore(path.with_name("network"), savedir)
        self._clock = clock or Clock()
        # Hidden, or `uci show` would trip over it.
        self._copy = path.with_name(f".{path.name}.broken")
        self._unconfirmed = UnconfirmedFile(path.with_name(f".{path.name}.unconfirmed"))
        self._deciding = threading.Lock()

    @property
    def file(self) -> str:
        """Path of the file."""
        return str(self._store.path)

    def networks(self) -> dict[str, str]:
        """See Store.networks. They stand in the file ``network`` beside this one."""
        try:
            package = self._network.load().package
        except (StoreError, ConfigError):
            return {}
        named = [section for section in package.of_type("interface") if section.name]
        return {
            section.id: section.get("device") for section in named if section.name != "loopback"
        }

    def load(self) -> Loaded:
        """See Store.load."""
        return self._store.load()

    @property
    def copy(self) -> str:
        """See Replaceable.copy."""
        return str(self._copy)

    def content(self) -> Content:
        """See Replaceable.content."""
        return self._store.content()

    def replace(self, package: UciPackage, etag: str) -> None:
        """See Replaceable.replace. Pending changes are at the end of the copy."""

        def keep(content: Content) -> None:
            self._must_be_confirmed()
            pending = b"\n# Changes that were not committed:\n" if content.delta else b""
            try:
                replace_file(self._copy, content.file + pending + content.delta)
            except OSError as error:
                reason = error.strerror or str(error)
                remedy = _("Look whether the disk is full or read-only.")
                raise StoreError(f"{self._copy}: {reason}", remedy) from error

        with self._deciding:
            self._store.replace(package, etag, keep)

    def _must_be_confirmed(self) -> None:
        if self._unconfirmed.read() is not None:
            raise StillUnconfirmed(
                "the changes before these are not confirmed yet", "Confirm them first."
            )

    def apply(self, changes: Sequence[UciChange], etag: str, user: str, seconds: float) -> str:
        """See Store.apply. What the commit replaces is kept before it is replaced."""
        deadline, made = self._clock.monotonic() + seconds, new_id()

        def keep(exchange: Exchange) -> None:
            # Under the lock of the file: of two at once, the second finds the first one's.
            self._must_be_confirmed()
            boot = self._clock.boot
            self._unconfirmed.write(Unconfirmed(made, user, seconds, deadline, boot, exchange))
            written.append(exchange)

        written: list[Exchange] = []
        with self._deciding:
            try:
                self._store.commit(changes, etag, keep=keep)
            except StoreError:
                if written:
                    self._unconfirmed.forget()
                raise
        return made

    def confirm(self) -> bool:
        """See Store.confirm."""
        with self._deciding:
            found = self._unconfirmed.read()
            self._unconfirmed.forget()
            return found is not None

    def rollback(self) -> bool:
        """See Store.rollback. A file nobody touched since is put back byte for byte."""
        with self._deciding:
            found = self._unconfirmed.read()
            if found is None:
                return False
            try:
                self._store.put_back(found.exchange)
            except ConcurrentEdit:
                self._undo_among_others(found.exchange)
            self._unconfirmed.forget()
            return True

    def _undo_among_others(self, exchange: Exchange) -> None:
        """Undo option by option; what was changed again since stays as it was changed."""
        try:
            now = self._store.load()
        except ConfigError as error:
            raise StoreError(
                _("{file} was changed meanwhile and is no valid UCI").format(file=self.file),
                _("Mend it in an editor."),
            ) from error
        written = self._store.loaded(Content(exchange.after, b"")).package
        before = self._store.loaded(exchange.before).package
        wanted = merge(written, before, now.package, prefer_mine=False).package
        self._store.commit(differences(now.package, wanted), now.etag)

    def spares(self, login: Login) -> bool:
        """See Store.spares: whoever is logged in may confirm."""
        return False

    def waiting(self) -> Waiting | None:
        """See Store.waiting."""
        found = self._unconfirmed.read()
        return Waiting(found.user, found.left(self._clock), found.id) if found else None
