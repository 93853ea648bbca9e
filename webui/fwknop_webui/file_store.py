"""The configuration as the UCI file itself, for a page that may write it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from fwknop_webui.atomic_file import replace_in_pieces
from fwknop_webui.auth import Login
from fwknop_webui.clock import Clock
from fwknop_webui.i18n import _
from fwknop_webui.merge import merge
from fwknop_webui.store import StillUnconfirmed, Waiting, new_id
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
    Locked,
    StoreError,
    UciStore,
    etag_of,
)


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

    def etag(self) -> str:
        """See Replaceable.etag."""
        return self._store.etag()

    def replace(self, package: UciPackage, etag: str) -> bool:
        """See Replaceable.replace. Pending changes are at the end of the copy."""
        kept: list[bool] = []

        def keep(locked: Locked) -> None:
            self._must_be_confirmed()
            kept.append(self._keep(locked))

        with self._deciding:
            self._must_be_confirmed()
            self._store.replace(package, etag, keep)
        return any(kept)

    def _keep(self, locked: Locked) -> bool:
        first = next(locked.delta_pieces(), b"")
        if not first and not any(locked.pieces()):
            return False
        pending = (b"\n# Changes that were not committed:\n",) if first else ()
        try:
            replace_in_pieces(self._copy, chain(locked.pieces(), pending, locked.delta_pieces()))
        except OSError as error:
            reason = error.strerror or str(error)
            remedy = _("Look whether the disk is full or read-only.")
            raise StoreError(f"{self._copy}: {reason}", remedy) from error
        return True

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
