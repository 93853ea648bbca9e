"""What happened, as records: one event per verdict, grant, closing or fault.

The log is a bounded ring in memory: `fwknopctl events`, the web UI and the sinks
all read the same records, so "why was I refused?" has one answer everywhere.
Packets that no client authenticated are only counted here; a flood of junk must
not be able to push real knocks out of the ring.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

RING_SIZE = 1000
"""Events kept. At about 400 bytes each this stays well under half a MiB."""

MAX_TEXT = 300
"""Characters of any one text of an event; every one of them may come from the network."""

JsonValue = str | int | float | bool | None
Sink = Callable[["Event"], None]


class EventKind(StrEnum):
    """What an event tells."""

    VERDICT = "verdict"
    COMMAND = "command"
    GRANT = "grant"
    EXPIRE = "expire"
    REVOKE = "revoke"
    CUT = "cut"
    REJECTED = "rejected"
    ERROR = "error"
    START = "start"
    STOP = "stop"
    RELOAD = "reload"
    CAPTURE = "capture"
    FIREWALL = "firewall"


class FirewallWork(StrEnum):
    """What a firewall may fail to do."""

    OPEN = "open"
    CLOSE = "close"
    RESTORE = "restore"


class Outlet(StrEnum):
    """Where else events go, which can't always take them."""

    EVENTS_FILE = "events-file"
    LOG_SERVER = "log-server"


@dataclass(slots=True)
class Losses:
    """Events that did not get to where an outlet leads, since the start.

    ``newest`` is when the last of them happened, in epoch seconds, and ``why`` what the system
    said of it, if it said anything.
    """

    place: str
    count: int = 0
    newest: float = 0.0
    why: str = ""

    def add(self, time: float, why: str) -> None:
        """Count one."""
        self.count += 1
        self.newest, self.why = time, why


def printable(text: str, limit: int = MAX_TEXT) -> str:
    r"""``text`` with everything but printable ASCII as \xNN or \uNNNN, cut to ``limit``.

    One event must stay one line in any log or terminal, whatever a packet held.
    """
    text = text[:limit]
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    safe = "".join(c if " " <= c <= "~" and c != "\\" else _escaped(c) for c in text)
    return safe if len(safe) <= limit else safe[: limit - 3] + "..."


def printable_name(text: str, limit: int = MAX_TEXT) -> str:
    """A client's name as its owner wrote it, in any script, but still one line.

    Control characters, line separators and what turns the writing around are escaped.
    """
    text = text[:limit]
    if text.isprintable() and "\\" not in text:
        return text
    safe = "".join(c if c.isprintable() and c != "\\" else _escaped(c) for c in text)
    return safe if len(safe) <= limit else safe[: limit - 3] + "..."


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


class Event(NamedTuple):
    """One record. ``time`` is epoch seconds; fields that don't apply are None or empty."""

    id: int
    time: float
    event: EventKind
    source: str | None = None
    client: str | None = None
    verdict: str | None = None
    reason: str | None = None
    request: str | None = None
    detail: str = ""
    extra: tuple[tuple[str, JsonValue], ...] = ()

    def as_json(self) -> dict[str, JsonValue]:
        """The event as the control socket and ``--events`` give it."""
        return {
            "id": self.id,
            "time": self.time,
            "event": str(self.event),
            "source": self.source,
            "client": self.client,
            "verdict": self.verdict,
            "reason": self.reason,
            "request": self.request,
            "detail": self.detail,
            **dict(self.extra),
        }


@dataclass(slots=True)
class EventLog:
    """The ring, the counters by reason, and the sinks every event goes to."""

    now: Callable[[], float]
    size: int = RING_SIZE
    counters: Counter[str] = field(default_factory=Counter)
    happened: Counter[EventKind] = field(default_factory=Counter)
    """Events since the start, by kind."""

    firewall_errors: Counter[FirewallWork] = field(default_factory=Counter)
    """Each failed try since the start."""

    sinks: list[Sink] = field(default_factory=list)
    losing: dict[Outlet, Callable[[], Losses]] = field(default_factory=dict)
    """Asks those of the sinks that may lose events how many they did."""

    last_id: int = 0
    _ring: deque[Event] = field(init=False)

    def __post_init__(self) -> None:
        self._ring = deque(maxlen=self.size)

    def record(
        self,
        event: EventKind,
        *,
        source: object | None = None,
        client: str | None = None,
        verdict: str | None = None,
        reason: str | None = None,
        request: str | None = None,
        detail: str = "",
        **extra: JsonValue,
    ) -> Event:
        """Add an event, made safe to print, and hand it to every sink."""
        self.last_id += 1
        self.happened[event] += 1
        made = Event(
            id=self.last_id,
            time=self.now(),
            event=event,
            source=None if source is None else str(source),
            client=None if client is None else printable_name(client),
            verdict=verdict,
            reason=reason,
            request=None if request is None else printable(request),
            detail=printable(detail),
            extra=tuple(extra.items()),
        )
        self._ring.append(made)
        for sink in self.sinks:
            sink(made)
        return made

    def count(self, reason: str, times: int = 1) -> None:
        """Count a verdict's reason."""
        self.counters[reason] += times

    def recent(self, limit: int, after: int = 0, before: int | None = None) -> list[Event]:
        """The newest ``limit`` events with an id above ``after``, oldest first.

        With ``before`` the newest of those with an id below it.
        """
        end = self.last_id + 1 if before is None else before
        wanted = [event for event in self._ring if after < event.id < end]
        return wanted[-limit:] if limit > 0 else []


@dataclass(slots=True)
class RejectedTally:
    """Unauthenticated packets since the last summary: one event a minute, not one each."""

    interval: float = 60.0
    _counts: Counter[str] = field(default_factory=Counter)
    _due: float | None = None

    def add(self, reason: str, monotonic: float, times: int = 1) -> None:
        """Count packets; the first of an interval starts its clock."""
        self._counts[reason] += times
        self.start(monotonic)

    def start(self, monotonic: float) -> None:
        """Have a summary become due one interval from now, if none is due yet."""
        if self._due is None:
            self._due = monotonic + self.interval

    @property
    def due(self) -> float | None:
        """Monotonic second at which a summary is due; None while nothing was counted."""
        return self._due

    def take(self) -> Iterable[tuple[str, int]]:
        """The counts by reason, most frequent first; starts anew."""
        counts = self._counts.most_common()
        self._counts.clear()
        self._due = None
        return counts
