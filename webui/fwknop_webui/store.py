"""Where the configuration is kept, as the pages see it.

Two kinds are planned. Here: the UCI file itself. On a router whose web page runs
unprivileged, rpcd will do the same over ubus with the user's own session.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from fwknopd.config.problems import ConfigError
from fwknopd.config.uci_changes import UciChange
from fwknopd.uci_store import DEFAULT_SAVEDIR, Loaded, StoreError, UciStore


class Store(Protocol):
    """One UCI package."""

    @property
    def file(self) -> str:
        """The name people know it by, for messages."""
        ...

    def networks(self) -> tuple[str, ...]:
        """The names of the router's networks; none where that can't be told."""
        ...

    def load(self) -> Loaded:
        """Raises StoreError (can't be read) or ConfigError (isn't UCI)."""
        ...

    def commit(self, changes: Sequence[UciChange], etag: str) -> None:
        """Write all of ``changes`` or nothing. Raises ConcurrentEdit, StoreError."""
        ...


class FileStore:
    """The UCI file, with libuci's locks and pending changes."""

    def __init__(self, path: Path, savedir: Path = DEFAULT_SAVEDIR) -> None:
        self._store = UciStore(path, savedir)
        self._network = UciStore(path.with_name("network"), savedir)

    @property
    def file(self) -> str:
        """Path of the file."""
        return str(self._store.path)

    def networks(self) -> tuple[str, ...]:
        """See Store.networks. They stand in the file ``network`` beside this one."""
        try:
            package = self._network.load().package
        except (StoreError, ConfigError):
            return ()
        named = [section.name for section in package.of_type("interface") if section.name]
        return tuple(name for name in named if name != "loopback")

    def load(self) -> Loaded:
        """See Store.load."""
        return self._store.load()

    def commit(self, changes: Sequence[UciChange], etag: str) -> None:
        """See Store.commit."""
        self._store.commit(changes, etag)
