"""Old keys of clients: ended by the first knock with the new ones, and removed when over.

What has ended is refused at once, and remembered, so that no reload and no reboot revives it.
The UCI file is put right a little later: who has just applied a configuration on the web page
may still take it back, and then the file must be as that page left it. In its jail the daemon
can't write the file, and elsewhere it may be that of a page that is not root's; then the web
page removes them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Sequence
from dataclasses import replace
from hashlib import sha256
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from fwknopd.clock import SystemClock
from fwknopd.config.problems import ConfigError
from fwknopd.engine import Engine
from fwknopd.events import EventKind
from fwknopd.policy.stanza import Stanza

if TYPE_CHECKING:
    from fwknopd.config.uci_model import UciPackage

SETTLING_SECONDS = 120.0
"""The page takes a configuration back within 90 seconds, or never."""

RETRY_SECONDS = 60.0
LONGEST_WAIT = 3600.0
"""The wall clock, by which keys end, may be set at any time."""

LOCK_SECONDS = 1.0

_SHUT = 0
"""The end of what has ended: nobody writes that moment into a file."""


class Memory(Protocol):
    """Keeps marks of ended keys over the end of this process. Nothing raises."""

    def load(self) -> tuple[tuple[str, ...], str]:
        """The marks, and what is wrong."""

    def keep(self, marks: Sequence[str]) -> str:
        """Have these kept; why that failed, or ""."""


class OldKeys:
    """Watches the old keys of the configuration in force. ``file`` is UCI's, None without.

    Without ``memory``, set before `start`, it forgets with the process what has ended.
    """

    memory: Memory | None = None

    def __init__(self, engine: Engine, clock: SystemClock, file: str | None) -> None:
        self._engine = engine
        self._clock = clock
        self._file = file
        self._ended: list[str] = []
        self._awaited: frozenset[str] = frozenset()
        self._used: set[str] = set()
        self._remove_at = inf
        self._fault = ""

    def start(self) -> None:
        """Remember what ended under an earlier process."""
        if self.memory is not None:
            marks, fault = self.memory.load()
            self._ended = list(marks)
            self._tell(fault)
        self.use()

    def use(self) -> None:
        """Other clients are in force."""
        old = self._old()
        self._shut()
        self._awaited = frozenset(
            stanza.old_keys_of
            for stanza in old
            if stanza.end_at_first_use and not self._is_over(stanza)
        )
        self._plan(old)

    def knocked(self, stanza: Stanza) -> None:
        """This client got what it asked for; what follows from that waits for `run_timers`."""
        if stanza.name in self._awaited and not stanza.old_keys_of:
            self._used.add(stanza.name)

    def next_due(self) -> float:
        """Monotonic second at which `run_timers` has something to do, inf when never."""
        return -inf if self._used else self._remove_at

    def run_timers(self, now: float) -> None:
        """End what the new keys have replaced, remove what is over; ``now``: monotonic seconds."""
        if self._used:
            self._end(now)
        if now >= self._remove_at:
            self._remove()

    def _old(self) -> list[Stanza]:
        return [stanza for stanza in self._engine.settings.stanzas if stanza.old_keys_of]

    def _end(self, now: float) -> None:
        used, self._used = self._used, set()
        for stanza in self._old():
            ends = stanza.end_at_first_use and stanza.old_keys_of in used
            if ends and not self._is_over(stanza):
                self._ended.append(mark_of(stanza))
        if self.memory is not None:
            self._tell(self.memory.keep(self._ended))
        for name in sorted(used):
            detail = f"{name} knocked with its new keys: the old ones are refused from now on"
            self._engine.events.record(EventKind.RELOAD, detail=detail)
        self._awaited -= used
        self._shut()
        if self._file is not None:
            self._remove_at = min(self._remove_at, now + SETTLING_SECONDS)

    def _shut(self) -> None:
        """Refuse what has ended, saying so: it is known still, and nothing else changes."""
        if not self._ended:
            return
        settings = self._engine.settings
        if not any(s.old_keys_of for s in settings.stanzas):
            return
        stanzas = [
            replace(s, access_expire=_SHUT) if s.old_keys_of and self._is_over(s) else s
            for s in settings.stanzas
        ]
        self._engine.configure(replace(settings, stanzas=tuple(stanzas)))

    def _is_over(self, stanza: Stanza) -> bool:
        """Whether these old keys ended before their time."""
        return stanza.access_expire == _SHUT or mark_of(stanza) in self._ended

    def _plan(self, old: Collection[Stanza]) -> None:
        """When to look again for what is over."""
        ends = [stanza.access_expire for stanza in old if stanza.access_expire is not None]
        self._remove_at = inf
        if self._file is not None and ends:
            wait = min(ends) - self._clock.now() + SETTLING_SECONDS
            wait = min(max(wait, SETTLING_SECONDS), LONGEST_WAIT)
            self._remove_at = self._clock.monotonic() + wait

    def _remove(self) -> None:
        # Not for who runs from the classic files.
        from fwknopd.config.uci_changes import DeleteSection
        from fwknopd.uci_store import DEFAULT_SAVEDIR, StoreError, UciStore

        self._remove_at = inf
        if self._file is None or self._engine.settings.test or not _is_ours(self._file):
            return
        store = UciStore(Path(self._file), DEFAULT_SAVEDIR, LOCK_SECONDS)
        now = 0 if self._clock.problem() else int(self._clock.now())
        try:
            loaded = store.load()
            over = sections_over(loaded.package, self._file, self._ended, now)
            if over:
                store.commit([DeleteSection(item) for item in over], loaded.etag, False)
        except (StoreError, ConfigError) as error:
            self._failed(str(error))
            return
        self._fault = ""
        if over:
            detail = f"Old keys are over and removed from {self._file}: {', '.join(over)}"
            self._engine.events.record(EventKind.RELOAD, detail=detail)
        self._plan([s for s in self._old() if s.access_expire and s.access_expire > now])

    def _tell(self, fault: str) -> None:
        if fault:
            self._engine.events.record(EventKind.ERROR, detail=fault)

    def _failed(self, fault: str) -> None:
        self._remove_at = self._clock.monotonic() + RETRY_SECONDS
        if fault != self._fault:
            detail = f"Old keys are over, but can't be removed from {self._file} yet: {fault}"
            self._engine.events.record(EventKind.ERROR, detail=detail)
        self._fault = fault


def _is_ours(file: str) -> bool:
    """May we replace ``file`` by another, and nobody else has less of that one?

    A page that is not root's may own it, or read it as one of its group; it removes them then.
    """
    try:
        found = Path(file).stat()
    except OSError:
        return False
    is_private = not found.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    return found.st_uid == os.geteuid() and is_private and os.access(file, os.W_OK)


def mark_of(stanza: Stanza) -> str:
    """Tells this overlap from others in a file, and nothing else of its keys.

    The same keys may be old ones again: those of another client that shares them, or after a
    backup brought them back. Then they have another end; and a client may get another name.
    """
    return sha256(f"old keys\0{stanza.identity}\0{stanza.access_expire}".encode()).hexdigest()[:32]


def sections_over(
    package: UciPackage, file: str, ended: Collection[str], now: int
) -> tuple[str, ...]:
    """Ids of the sections whose old keys are over at ``now`` (epoch seconds).

    ``ended`` are the marks of those that ended before their time. Raises ConfigError.
    """
    # For who runs from UCI, and has old keys.
    from fwknopd.config.uci_config import configuration_from_uci

    sections = package.of_type("access")
    return tuple(
        sections[stanza.number - 1].id
        for stanza in configuration_from_uci(package, file).stanzas
        if stanza.old_keys_of and (mark_of(stanza) in ended or _expired(stanza, now))
    )


def _expired(stanza: Stanza, now: int) -> bool:
    return stanza.access_expire is not None and now > stanza.access_expire
