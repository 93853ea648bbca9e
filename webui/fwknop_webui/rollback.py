"""Taking changes back when nobody confirms them in time, and saying so on the next page.

The time limit is kept by the store and outlives this program. Three things look at it: a timer,
every request (the timer may be late, or its clock may have stood still), and the start of
the program, for an earlier run that did not live to see the end of its time.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from fwknop_webui.i18n import noop as N_
from fwknop_webui.live import LiveDaemon
from fwknop_webui.store import Store, Waiting
from fwknopd.control.client import ControlError
from fwknopd.uci_store import StoreError

RETRY_SECONDS = 10.0
"""After a rollback that failed, for want of space for one."""

REMEMBERED = 32
"""Of how many changes it is known that they were taken back: at least one per session."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TakenBack:
    """A rollback nobody asked for. ``moment`` is monotonic seconds, ``user`` whose changes.

    ``id``: what applying them returned. ``failure``: why the file could not be put back.
    ``trouble``: the daemon wasn't told, and why.
    """

    number: int
    moment: float
    user: str
    id: str
    failure: str = ""
    trouble: str = ""


@dataclass(slots=True)
class Rollback:
    """Watches over ``store``; ``now`` is the monotonic clock."""

    store: Store
    live: LiveDaemon
    now: Callable[[], float]
    last: TakenBack | None = None
    was_told: bool = False
    """Whether anybody has seen ``last`` yet."""

    _taken_back: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    _timer: threading.Timer | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _next_try: float = 0.0
    unreadable: str = ""
    """Why nobody can tell whether something waits; "" when that is known."""

    @property
    def is_watching(self) -> bool:
        """Whether something waits. Takes no lock: a signal may ask."""
        return self._timer is not None

    def watch(self) -> None:
        """Look now, and again when the time of what waits is over."""
        with self._lock:
            self.check()
            self._stop()
            waiting = self._waiting()
            if waiting is not None or self.unreadable:
                # Never at once again: a rollback that fails must not run in circles.
                left = waiting.left if waiting else RETRY_SECONDS
                self._timer = threading.Timer(left or RETRY_SECONDS, self.watch)
                self._timer.daemon = True
                self._timer.start()

    def check(self) -> Waiting | None:
        """Take back what is overdue; what waits and is not."""
        waiting = self._waiting()
        # Whoever comes while it is being taken back must not wait for a daemon that hangs.
        if waiting is None or waiting.left > 0 or not self._lock.acquire(blocking=False):
            return waiting
        try:
            waiting = self._waiting()
            if waiting is not None and waiting.left <= 0 and self.now() >= self._next_try:
                self._take_back(waiting)
        finally:
            self._lock.release()
        return self._waiting()

    def confirm(self) -> bool:
        """Keep what waits; False when it was taken back already. Raises StoreError."""
        with self._lock:
            self.check()
            kept = self.store.confirm()
            self._stop()
            return kept

    def undo(self) -> str | None:
        """Take back what waits, because somebody wants it; None when there is nothing.

        Otherwise what ``tell_daemon`` says. Raises StoreError.
        """
        with self._lock:
            waiting = self._waiting()
            if not self.store.rollback():
                return None
            self._remember(waiting)
            self._stop()
            return self.tell_daemon()

    def took_back(self, applied: str) -> bool:
        """Whether what was applied with this id was taken back, asked for or not."""
        return applied in self._taken_back

    def _remember(self, waiting: Waiting | None) -> None:
        if waiting is not None:
            self._taken_back.append(waiting.id)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _waiting(self) -> Waiting | None:
        try:
            found = self.store.waiting()
        except StoreError as error:
            # Every request asks: a log is no place to say it each time.
            if str(error) != self.unreadable:
                log.warning("can't tell whether changes wait for a confirmation: %s", error)
            self.unreadable = str(error)
            return None
        self.unreadable = ""
        return found

    def _take_back(self, waiting: Waiting) -> None:
        failure = trouble = ""
        try:
            if not self.store.rollback():
                return
        except StoreError as error:
            failure = str(error)
            self._next_try = self.now() + RETRY_SECONDS
            if self.last and self.last.failure == failure:
                return
            log.error("changes nobody confirmed can't be taken back: %s", error)
        else:
            self._remember(waiting)
            trouble = self.tell_daemon()
            log.warning("nobody confirmed the changes of %s: they are taken back", waiting.user)
        number = self.last.number + 1 if self.last else 1
        self.was_told = False
        self.last = TakenBack(number, self.now(), waiting.user, waiting.id, failure, trouble)

    def tell_daemon(self) -> str:
        """Have the daemon read the file again. Why it doesn't; "" when all is well.

        One that doesn't run needs no telling: it reads the file when it starts.
        """
        try:
            result = self.live.reload()
        except ControlError as error:
            return "" if error.is_down else f"{error.message}. {error.remedy}"
        return "" if result.accepted else N_("The daemon refused the old configuration, too.")
