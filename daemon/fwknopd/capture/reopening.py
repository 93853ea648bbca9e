"""A capture that outlives its device: closed when the device goes, reopened when it is back.

PPPoE and DHCP reconnects delete the device; a daemon that stays deaf afterwards is
the top complaint in the field.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from math import inf

from fwknopd.capture import Capture, CaptureError, CaptureStats
from fwknopd.policy.packet import Packet

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
"""Seconds between tries to reopen, doubled each time. What comes back is noticed by the
kernel's notices of devices, at once; the pauses are for what gives no notice."""


class CaptureState(StrEnum):
    """What status says of a capture."""

    CAPTURING = "capturing"
    WAITING = "waiting"


@dataclass(slots=True)
class ReopeningCapture:
    """A named capture that is open, or waits for its device and says why.

    ``device`` is the name the last opening gave, "" before the first.
    """

    name: str
    kind: str
    opener: Callable[[], Capture]
    monotonic: Callable[[], float]
    state: CaptureState = CaptureState.WAITING
    detail: str = "not opened yet"
    reported: str = ""
    fault: CaptureError | None = None
    since: float = 0.0
    retry_at: float | None = None
    device: str = ""
    pause: float = FIRST_PAUSE
    _open: Capture | None = None
    _received: int = 0
    _dropped: int = 0

    def open(self) -> bool:
        """Try to open now; True when it captures. On failure the next try is scheduled."""
        try:
            self._open = self.opener()
        except CaptureError as error:
            self._wait(error)
            return False
        self.retry_at = self.fault = None
        self.pause = FIRST_PAUSE
        self.device = self._open.name
        self._enter(CaptureState.CAPTURING, "")
        return True

    def hurry(self) -> bool:
        """Something has changed: try now, if it waits, and begin with short pauses again."""
        self.pause = FIRST_PAUSE
        return self.retry_at is not None and self.open()

    def fileno(self) -> int | None:
        """Descriptor to wait on, None while closed."""
        return None if self._open is None else self._open.fileno()

    def due(self) -> float:
        """Monotonic second at which it has something to do though nothing came; or inf."""
        return inf if self._open is None else self._open.due()

    def next_due(self) -> float:
        """The same, or that of the next try to reopen."""
        return self.due() if self.retry_at is None else self.retry_at

    def read(self, limit: int) -> list[Packet]:
        """Waiting packets. Raises CaptureError once when the device is gone; then it waits."""
        if self._open is None:
            return []
        try:
            return self._open.read(limit)
        except CaptureError as error:
            self._shut()
            self._wait(error)
            raise

    def limits(self) -> str:
        """Why nothing can arrive now, or ""; looks at the device."""
        return self.detail if self._open is None else self._open.detail()

    def stats(self) -> CaptureStats:
        """Packets received and dropped over all openings."""
        now = CaptureStats(0, 0) if self._open is None else self._open.stats()
        return CaptureStats(self._received + now.received, self._dropped + now.dropped)

    @property
    def is_open(self) -> bool:
        """Does it capture?"""
        return self._open is not None

    def close(self) -> None:
        """Close for good."""
        self._shut()
        self.retry_at = None

    def _shut(self) -> None:
        if self._open is not None:
            last, closing = self.stats(), self._open
            self._received, self._dropped, self._open = last.received, last.dropped, None
            closing.close()

    def _wait(self, fault: CaptureError) -> None:
        self.fault = fault
        self.retry_at = self.monotonic() + self.pause
        self.pause = min(2 * self.pause, LONGEST_PAUSE)
        self._enter(CaptureState.WAITING, str(fault))

    def _enter(self, state: CaptureState, detail: str) -> None:
        if state is not self.state or not self.since:
            self.since = self.monotonic()
        self.state, self.detail = state, detail
