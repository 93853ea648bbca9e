"""What is known of used packets: the cache, its journal, and what follows when one is lost.

A packet may be used again for as long as its own time stamp is acceptable, MAX_SPA_PACKET_AGE
to either side. So whatever an earlier run accepted before it ended at E is stamped E + age at
the latest, and when its journal is lost, packets stamped up to then have to count as used. A
phone whose clock is right is refused until that time too. That price is paid only when there
is a reason to think that an earlier run accepted anything at all:

=====================================================  ===============================
the journal at start                                   packets count as used if made
=====================================================  ===============================
whole                                                  never, but for what it holds
empty, damaged, or larger than we ever make it         before this start + age
left with gaps by an earlier run, which its trace      before this start + age
says, or not to be written, as by that run perhaps
missing, and a daemon ran here before: the trace it
leaves in the run directory, or its open doors         before this start + age
missing from a file system that a reboot empties       before the boot + age, and
                                                       before this start
missing otherwise: the first start on this system      before this start
replay detection was off, and a reload turns it on     before that reload + age
=====================================================  ===============================

So a first start takes knocks at once, and so does a restart of a machine that has been up
for longer than the age. With packet aging off there is no such bound, and 120 s stand for it.

The times are kept by the clock that never steps. What they are in time of day is known when
the clock can be believed, and anew when it has been set: a router begins with the time of its
last shutdown. The result is written into the journal, so the next start knows of it too.

A power failure takes the doors as well, so a packet is synced when its door is open already. One
that it takes from the journal is as one that never came, but refused after the boot for being
made before it. What outlives a power failure, commands, and what people are told wait until it
is synced.

A journal that can't be written is emptied and made anew from the cache as soon as it can be.
Knocks are taken meanwhile: people need them most when a router is in trouble.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from fwknopd.engine_edges import Clock
from fwknopd.events import EventKind, EventLog
from fwknopd.policy.rules import utc
from fwknopd.policy.settings import PolicySettings
from fwknopd.replay import ReplayCache, ReplayEntry
from fwknopd.replay_blindness import Blindness, is_young
from fwknopd.replay_journal import JournalError, LoadedJournal, ReplayJournal
from fwknopd.run_file import leave_trace, note_gaps, tells_of_gaps

UNBOUNDED_AGE = 120
"""Seconds taken for the age while packets don't age: the default of MAX_SPA_PACKET_AGE."""


class ReplayMemory:
    """The replay cache and its file: what was used stays used when the process ends."""

    def __init__(
        self,
        journal: ReplayJournal,
        clock: Clock,
        events: EventLog,
        *,
        trace: Path,
        former: Path | None = None,
    ) -> None:
        """``trace`` is the file by which later runs know of this one.

        ``former`` is where an earlier version and the C daemon keep the journal; it is read
        when a first start finds none at its place.
        """
        self.cache = ReplayCache()
        self._journal = journal
        self._clock = clock
        self._events = events
        self._trace = trace
        self._former = former
        self._settings = PolicySettings()
        self._blindness = Blindness()
        self._why = ""
        self._told: int | None = None
        self._was_missing = False
        self._loaded = False
        self._is_young = False
        self._complete = False
        self._failing = False
        self._unsynced = False
        self._gaps = False

    @property
    def _age(self) -> int:
        return UNBOUNDED_AGE if self._settings.max_age is None else self._settings.max_age

    @property
    def _writes(self) -> bool:
        return self._loaded and not self._settings.test

    # Settings

    def load(self, settings: PolicySettings | None) -> None:
        """Take over the journal, at start. ``settings`` is None while there are none yet.

        Raises JournalError: a daemon that can't read its memory must not start.
        """
        if settings is not None:
            self._settings = settings
            self.cache.max_age = settings.max_age
        if self._settings.enable_digest_persistence:
            self._gaps = not self._settings.test and tells_of_gaps(self._trace)
            ran_before = not self._settings.test and leave_trace(self._trace)
            self._take_over(self._found(ran_before=ran_before), ran_before=ran_before)
        elif not self._settings.test:
            # What isn't in there now, nobody must miss when replay detection is back on.
            self._journal.empty()

    def use(self, settings: PolicySettings) -> None:
        """Work by these settings from now on; by their age the boot may count again."""
        self._settings = settings
        self._is_young = self._writes
        if not settings.enable_digest_persistence:
            self._loaded = False
        elif not self._loaded:
            self._turned_on()

    def _turned_on(self) -> None:
        try:
            loaded = self._found(ran_before=True)
        except JournalError as error:
            self._report(error)
            loaded = LoadedJournal(missing=True)
        self._lose(self._latest(), "does not hold what came while replay detection was off")
        self._take_over(loaded, ran_before=True)

    # Loading

    def _found(self, *, ran_before: bool) -> LoadedJournal:
        loaded = self._journal.load()
        self._complete = not (loaded.missing or loaded.fault or self._gaps)
        if loaded.missing and not ran_before and self._former is not None:
            return ReplayJournal(self._former).load()
        return loaded

    def _take_over(self, loaded: LoadedJournal, *, ran_before: bool) -> None:
        self.cache.load(loaded.entries, int(self._clock.now()))
        self._was_missing = loaded.missing
        self.cache.blind_before = loaded.blind_before or None
        self._judge_loss(loaded, ran_before=ran_before)
        self._loaded = True
        self._is_young = not self._settings.test
        self.refresh()
        self._tell_blind()
        if not self._complete:
            self.rewrite()

    def _judge_loss(self, loaded: LoadedJournal, *, ran_before: bool) -> None:
        """The table at the top of this module."""
        now = self._clock.monotonic()
        if loaded.fault:
            self._lose(self._latest(), loaded.fault)
        elif loaded.missing and ran_before:
            self._lose(self._latest(), "is gone, though fwknopd ran here before")
        elif loaded.missing and self._journal.is_volatile() and not self._settings.test:
            self._lose(max(now, self._age + 1), "is gone since this machine was started")
        elif loaded.missing:
            self._lose(now)
        elif self._gaps:
            self._lose(self._latest(), "could not be written by an earlier run, and has gaps")
        elif self._journal.is_frozen() and not self._settings.test:
            self._lose(self._latest(), "can't be written, so an earlier run may have left gaps")
        elif loaded.blind_before:
            self._blindness.restore(loaded.blind_before, self._wall(), now, self._age)
            self._why = "was lost by an earlier run"
        elif loaded.blind_before == 0:
            self._lose(self._latest(), "was lost before the clock was set")

    def outlived(self) -> None:
        """Doors of an earlier run are still open, so a journal that is missing was lost."""
        if self._was_missing and self._loaded:
            self._lose(self._latest(), "is gone, though an earlier fwknopd left doors open")
            self.refresh()

    def _latest(self) -> float:
        """The steady second before which all was stamped that was accepted until now."""
        return self._clock.monotonic() + self._age + 1

    def _lose(self, until: float, why: str = "") -> None:
        self._blindness.extend(until)
        self._why = why or self._why

    # Time

    def refresh(self) -> None:
        """Reckon anew which packets count as used; to be called before any is judged."""
        if self._is_young:
            self._note_boot()
        before = self._before()
        if not before or before == self.cache.blind_before:
            return
        self.cache.blind_before = before
        if self._complete and self._writes:
            self._complete = self._try(lambda: self._journal.mark_blind(before), quiet=True)
            self._rewrite_if_needed()
        if self._loaded:
            self._tell_blind()

    def _note_boot(self) -> None:
        up, wall, age = self._clock.monotonic(), self._wall(), self._settings.max_age
        self._is_young = is_young(up, age)
        self.cache.booted_at = None if wall is None or not self._is_young else int(wall - up)

    def _before(self) -> int | None:
        return self._blindness.before(self._wall(), self._clock.monotonic())

    def _wall(self) -> float | None:
        waits = self._settings.wait_for_clock
        return None if waits and self._clock.problem() else self._clock.now()

    def _tell_blind(self) -> None:
        before = self.cache.blind_before
        if before in (None, self._told) or not self._why or before <= self._clock.now():
            return
        self._told = before
        detail = (
            f"The list of used packets {self._journal.path} {self._why}. Packets made "
            f"before {utc(before)} are refused, for they may have been used already"
        )
        self._events.record(EventKind.ERROR, detail=detail)

    # Writing

    def remember(self, entries: Sequence[ReplayEntry]) -> None:
        """Write used packets down, with one write; a full disk doesn't stop knocks."""
        if not entries or not self._writes:
            return
        if not self._complete:
            self.rewrite()
            return
        self._unsynced = self._complete = self._try(
            lambda: self._journal.append(entries), quiet=True
        )
        self._rewrite_if_needed()

    def sync(self) -> None:
        """Wait until what was written is on the disk."""
        if not self._unsynced:
            return
        self._unsynced = False
        if self._journal.grown(len(self.cache)) and self._try(self._replace):
            return
        self._complete = self._try(self._journal.sync, quiet=True)
        self._rewrite_if_needed()

    def _rewrite_if_needed(self) -> None:
        if not self._complete:
            self.rewrite()

    def rewrite(self) -> None:
        """Make the file anew from what is known; after a fault this is tried with every knock."""
        if not self._writes:
            return
        self._complete = self._try(self._replace, quiet=True)
        if not self._complete:
            # The old file is in the way on a full disk, and would be believed after a restart.
            emptied = self._journal.empty(make=True)
            self._complete = self._try(self._replace)
            self._note_gaps(gaps=not (emptied or self._complete))
        elif self._gaps:
            self._note_gaps(gaps=False)

    def _note_gaps(self, *, gaps: bool) -> None:
        if gaps != self._gaps:
            self._gaps = gaps
            note_gaps(self._trace, gaps=gaps)

    def _replace(self) -> None:
        self._journal.replace(self.cache.entries(), self._before())
        self._failing = False

    def _try(self, action: Callable[[], None], *, quiet: bool = False) -> bool:
        try:
            action()
        except JournalError as error:
            if not quiet:
                self._report(error)
            return False
        return True

    def _report(self, error: JournalError) -> None:
        """Once, until the file could be made anew: a line more fits where a new file does not."""
        if not self._failing:
            self._events.record(EventKind.ERROR, detail=str(error))
        self._failing = True

    def close(self) -> None:
        """A last chance for what could not be written."""
        self._rewrite_if_needed()
        self._journal.close()
