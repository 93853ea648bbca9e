"""Which version of the configuration a form was made from.

Ids of anonymous sections are positions, and another tab, another person or the ``uci``
command may change what a form shows while somebody fills it in. So every form brings back
the name of its version, and what was typed is understood as a change to that. Names are
random, so that nobody can name a version that was never shown to anybody.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from fwknop_webui.staging import Draft
from fwknopd.config.uci_changes import UciChange, apply
from fwknopd.uci_store import Loaded

MAX_VERSIONS = 200
MAX_WEIGHT = 20_000
"""Options in memory, of files and of staged changes: some 5 MiB. The newest always has room."""


@dataclass(frozen=True, slots=True)
class Version:
    """A file, and what was staged on top of it."""

    base: Loaded
    changes: tuple[UciChange, ...]

    def shows(self, draft: Draft) -> bool:
        """Whether it is the version the draft shows."""
        mine, others = self.changes, draft.changes
        same = mine is others or (len(mine) == len(others) and mine == others)
        return same and self.base.etag == draft.base.etag

    def on(self, draft: Draft) -> Draft:
        """What pages showed then."""
        package = apply(self.base.package, self.changes)
        return Draft(self.base, self.changes, package, draft.current)


@dataclass(slots=True)
class Versions:
    """The newest versions that were shown, by name."""

    _known: OrderedDict[str, Version] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def name(self, draft: Draft) -> str:
        """The name of the version the draft shows."""
        with self._lock:
            # The newest first: thousands of changes take a while to compare.
            for name, version in reversed(self._known.items()):
                if version.shows(draft):
                    self._known.move_to_end(name)
                    return name
            return self._add(draft)

    def find(self, name: str) -> Version | None:
        """The version; None when it is too old or never was."""
        with self._lock:
            return self._known.get(name)

    def _add(self, draft: Draft) -> str:
        known = {version.base.etag: version.base for version in self._known.values()}
        # One in memory for all versions of the same file.
        base = known.get(draft.base.etag, draft.base)
        name = secrets.token_urlsafe(12)
        self._known[name] = Version(base, draft.changes)
        while len(self._known) > MAX_VERSIONS or self._is_heavy():
            self._known.popitem(last=False)
        return name

    def _is_heavy(self) -> bool:
        files = {version.base.etag: version.base.package for version in self._known.values()}
        options = sum(len(item.options) for file in files.values() for item in file.sections)
        changes = sum(len(version.changes) for version in self._known.values())
        return options + changes > MAX_WEIGHT and len(self._known) > 1
