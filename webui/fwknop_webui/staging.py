"""Changes that are saved but not applied, as LuCI keeps them: per session, in memory.

A ``Staging`` is immutable: whoever reads it while another request stages sees either the
old or the new one, never half of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fwknopd.config.uci_changes import UciChange, apply
from fwknopd.config.uci_differences import differences
from fwknopd.config.uci_format import UciPackage
from fwknopd.uci_store import Loaded


@dataclass(frozen=True, slots=True)
class Staging:
    """``base`` is the file as it was when staging began; None while nothing is staged."""

    base: Loaded | None = None
    changes: tuple[UciChange, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changes)

    def __len__(self) -> int:
        return len(self.changes)

    def on(self, loaded: Loaded) -> Draft:
        """What pages show: the file with the staged changes on top."""
        base = self.base if self.base and self.changes else loaded
        return Draft(base, self.changes, _applied(base.package, self.changes), loaded)


_last: tuple[UciPackage, tuple[UciChange, ...], UciPackage] | None = None
"""What was put together last: most pages ask for the same again, and check it."""


def _applied(package: UciPackage, changes: tuple[UciChange, ...]) -> UciPackage:
    global _last
    if not changes:
        return package
    known = _last
    if known is None or known[0] is not package or known[1] is not changes:
        known = _last = (package, changes, apply(package, changes))
    return known[2]


@dataclass(frozen=True, slots=True)
class Draft:
    """The configuration as it will be once the changes are applied."""

    base: Loaded
    changes: tuple[UciChange, ...]
    package: UciPackage
    current: Loaded

    @property
    def is_stale(self) -> bool:
        """True when the file was changed by somebody else since staging began."""
        return self.base.etag != self.current.etag

    def with_changes(self, more: Sequence[UciChange]) -> Draft:
        """The draft with further changes, reduced to what differs from the file."""
        return self.with_package(apply(self.package, more))

    def with_package(self, wanted: UciPackage) -> Draft:
        """The draft that makes the file say what ``wanted`` says."""
        changes = differences(self.base.package, wanted)
        return Draft(self.base, changes, wanted, self.current)

    @property
    def staging(self) -> Staging:
        """The draft as it is kept in the session."""
        return Staging(self.base, self.changes) if self.changes else Staging()
