"""The daemon's events as they come, and waiting for one of them instead of sleeping."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import IO, Any

from tests.lab.errors import LabError

Event = dict[str, Any]
"""One event as the daemon writes it: a line of JSON with "id", "event", "source" ..."""


class EventStream:
    """Every event since the lab started, over restarts of the daemon.

    A position (``mark``) counts events of this stream; the ids in the events begin
    anew with each daemon.
    """

    def __init__(self, listener: Callable[[Event], None] = lambda event: None) -> None:
        self._listener = listener
        self._events: list[Event] = []
        self._changed = threading.Condition()
        self._open = False

    def follow(self, lines: IO[bytes]) -> threading.Thread:
        """Read events from ``lines`` until its end, and close it. The thread ends then."""
        self._open = True
        thread = threading.Thread(target=self._read, args=(lines,), daemon=True)
        thread.start()
        return thread

    def _read(self, lines: IO[bytes]) -> None:
        with lines:
            for line in lines:
                self._add(json.loads(line))
        with self._changed:
            self._open = False
            self._changed.notify_all()

    def _add(self, event: Event) -> None:
        with self._changed:
            self._events.append(event)
            self._changed.notify_all()
        self._listener(event)

    def mark(self) -> int:
        """The position behind the newest event, to wait from."""
        with self._changed:
            return len(self._events)

    def since(self, mark: int) -> list[Event]:
        """All events behind a position."""
        with self._changed:
            return self._events[mark:]

    def wait_for(
        self, wanted: Callable[[Event], bool], *, since: int = 0, timeout: float = 20.0
    ) -> Event:
        """The first event behind ``since`` that is ``wanted``.

        Raises LabError after ``timeout`` seconds, or at once when the daemon ends.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._open or self._find(wanted, since), timeout)
            found = self._find(wanted, since)
            if found is None:
                raise LabError(self._missed(since, timeout))
            return found

    def _find(self, wanted: Callable[[Event], bool], since: int) -> Event | None:
        return next((event for event in self._events[since:] if wanted(event)), None)

    def _missed(self, since: int, timeout: float) -> str:
        seen = "".join(f"\n    {event}" for event in self._events[since:]) or " none"
        why = f"within {timeout:g} s" if self._open else "before the daemon ended"
        return f"the expected event did not come {why}; events that came:{seen}"


def event_is(kind: str, **fields: object) -> Callable[[Event], bool]:
    """A test for ``wait_for``: an event of that kind, with these fields."""
    return lambda event: (
        event["event"] == kind and all(event.get(name) == value for name, value in fields.items())
    )
