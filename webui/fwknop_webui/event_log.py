"""The daemon's events as the page Logs shows them: words, filters, pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from fwknop_webui.daemon_words import in_words
from fwknop_webui.displayable import one_line
from fwknop_webui.i18n import _
from fwknop_webui.i18n import noop as N_
from fwknop_webui.reasons import Explanation, command_explanation, explain
from fwknop_webui.untyped import Json, number, text
from fwknopd.policy.verdict import Reason

PAGE = 100
"""Rows of one page."""

MAX_TYPED = 100
"""Characters of a filter that count."""

KINDS = {
    "verdict": N_("Knock"),
    "rejected": N_("Strangers' packets"),
    "grant": N_("Door opened"),
    "expire": N_("Door closed"),
    "revoke": N_("Door revoked"),
    "cut": N_("Connections cut"),
    "command": N_("Command"),
    "error": N_("Fault"),
    "start": N_("Start"),
    "stop": N_("Stop"),
    "reload": N_("Configuration"),
    "capture": N_("Capture"),
    "firewall": N_("Firewall"),
}
VERDICTS = {
    "accept": N_("accepted"),
    "log-only": N_("log only"),
    "refuse": N_("refused"),
}
SPANS = {
    "10m": (600, N_("the last 10 minutes")),
    "1h": (3600, N_("the last hour")),
    "6h": (6 * 3600, N_("the last 6 hours")),
    "1d": (86400, N_("the last 24 hours")),
    "7d": (7 * 86400, N_("the last 7 days")),
}
_CSS = {"accept": "success", "log-only": "notice", "refuse": "important"}
_COLUMNS = frozenset(
    ("id", "time", "event", "source", "client", "verdict", "reason", "request", "detail", "count")
)
FACTS = {
    "command": N_("command"),
    "account": N_("run as"),
    "closing": N_("closed by"),
    "closes_in": N_("closed after (seconds)"),
    "purpose": N_("purpose"),
    "stage": N_("stage"),
    "status": N_("exit status"),
    "signal": N_("signal"),
    "late": N_("out of time"),
    "seconds": N_("seconds"),
    "signer": N_("signed by"),
}
"""What only few kinds of events have, in words; others are called as the daemon calls them."""

STEPS = {
    "purpose": {"knock": N_("of a knock"), "open": N_("opening"), "close": N_("closing")},
    "stage": {"started": N_("begun"), "ended": N_("ended"), "spared": N_("left out")},
}
# The detail says these in words.
_TOLD = frozenset(("expires", "place", "cut", "uncut"))


@dataclass(frozen=True, slots=True)
class Filter:
    """What of the log is wanted; "" is all of it. ``page`` begins with 1."""

    client: str = ""
    verdict: str = ""
    kind: str = ""
    reason: str = ""
    span: str = ""
    words: str = ""
    page: int = 1
    follow: bool = False

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Filter:
        """From an address; what makes no sense filters nothing."""
        page = query.get("page", "")
        return cls(
            client=query.get("client", ""),
            verdict=_one_of(VERDICTS, query.get("verdict", "")),
            kind=_one_of(KINDS, query.get("kind", "")),
            reason=query.get("reason", "")[:MAX_TYPED],
            span=_one_of(SPANS, query.get("span", "")),
            words=query.get("q", "").strip()[:MAX_TYPED],
            page=int(page) if page.isascii() and page.isdigit() and len(page) < 6 else 1,
            follow=query.get("follow") == "1",
        )

    @property
    def query(self) -> dict[str, str]:
        """The same as an address has it; neither page nor following."""
        named = {
            "client": self.client,
            "verdict": self.verdict,
            "kind": self.kind,
            "reason": self.reason,
            "span": self.span,
            "q": self.words,
        }
        return {name: value for name, value in named.items() if value}

    def takes(self, event: Json, now: float) -> bool:
        """This event is wanted. ``now`` is epoch seconds."""
        return (
            self.client in ("", text(event, "client"))
            and self.verdict in ("", verdict_of(event))
            and self.kind in ("", text(event, "event"))
            and self.reason in ("", text(event, "reason"))
            and (not self.span or number(event, "time") >= now - SPANS[self.span][0])
            and _has(event, self.words.lower().split())
        )


@dataclass(frozen=True, slots=True)
class Row:
    """One event. Every text is one line. ``extras`` are facts of few kinds of events.

    ``until``: epoch seconds of a door's end, 0 for none, which stands between ``detail`` and
    ``rest``.
    """

    id: int
    time: float
    kind: str
    source: str
    client: str
    request: str
    verdict: str
    css: str
    explanation: Explanation | None
    detail: str
    count: int
    extras: tuple[tuple[str, str], ...]
    until: float = 0
    rest: str = ""


@dataclass(frozen=True, slots=True)
class LogPage:
    """The rows of one page, newest first, and what there is to choose from."""

    rows: tuple[Row, ...]
    total: int
    known: int
    page: int
    clients: tuple[tuple[str, str], ...]
    reasons: tuple[tuple[str, str], ...]

    @property
    def pages(self) -> int:
        """How many there are, at least one."""
        return max(1, -(-self.total // PAGE))


def log_page(events: Iterable[Json], wanted: Filter, now: float) -> LogPage:
    """The page ``wanted`` of ``events``, which come newest first; the last one if it is beyond.

    Thousands of events are never in memory at once.
    """
    asked, known, total = max(1, wanted.page), 0, 0
    clients, reasons = {wanted.client}, {wanted.reason}
    shown: list[Json] = []
    for event in events:
        known += 1
        clients.add(text(event, "client"))
        reasons.add(text(event, "reason"))
        if wanted.takes(event, now):
            if total % PAGE == 0 and total < asked * PAGE:
                shown.clear()
            if total < asked * PAGE:
                shown.append(event)
            total += 1
    return LogPage(
        rows=tuple(map(_row, shown)),
        total=total,
        known=known,
        page=min(asked, max(1, -(-total // PAGE))),
        clients=tuple((name, one_line(name)) for name in _choices(clients)),
        reasons=tuple((reason, one_line(explain(reason).title)) for reason in _choices(reasons)),
    )


def first_page(wanted: Filter) -> Filter:
    """The newest events of the same kind."""
    return replace(wanted, page=1)


def verdict_of(event: Json) -> str:
    """accept, log-only or refuse; "" for what is no verdict."""
    verdict = text(event, "verdict")
    return Reason.LOG_ONLY.value if text(event, "reason") == Reason.LOG_ONLY else verdict


def more_of(event: Json) -> Iterator[tuple[str, str]]:
    """The facts only few kinds of events have."""
    for name in event:
        if name not in _COLUMNS and text(event, name):
            yield one_line(name), one_line(text(event, name))


def _row(event: Json) -> Row:
    verdict, kind = verdict_of(event), text(event, "event")
    detail, until, rest = _around_end(event)
    return Row(
        id=int(number(event, "id")),
        time=number(event, "time"),
        kind=_(KINDS[kind]) if kind in KINDS else one_line(kind),
        source=one_line(text(event, "source")),
        client=one_line(text(event, "client")),
        request=one_line(text(event, "request")),
        verdict=_(VERDICTS[verdict]) if verdict in VERDICTS else one_line(verdict),
        css=_CSS.get(verdict, ""),
        explanation=_explained(event) if verdict else None,
        detail=one_line(detail),
        count=max(1, int(number(event, "count"))),
        extras=tuple(_fact(*item) for item in more_of(event) if item[0] not in _TOLD),
        until=until,
        rest=one_line(_bracketed(rest)),
    )


def _fact(name: str, value: str) -> tuple[str, str]:
    """A fact in the reader's language."""
    label, said = FACTS.get(name, ""), STEPS.get(name, {}).get(value, "")
    return _(label) if label else name, _(said) if said else value


def _around_end(event: Json) -> tuple[str, float, str]:
    """The detail, parted at a door's end, which the C daemon's words have as a bare number."""
    detail, expires = text(event, "detail"), number(event, "expires")
    before, mark, after = detail.partition(f", expires at {int(expires)}")
    return (before, expires, after) if mark and expires else (detail, 0, "")


def _bracketed(rest: str) -> str:
    """Why a door ended, which the daemon puts in brackets, in the reader's words."""
    why = rest.removeprefix(" (").removesuffix(")")
    return f" ({in_words(why)})" if rest == f" ({why})" else rest


def _explained(event: Json) -> Explanation:
    reason = text(event, "reason")
    if reason == Reason.ACCEPTED and text(event, "command"):
        return command_explanation(failed=False)
    found = explain(reason)
    return replace(found, title=one_line(found.title))


def _choices(found: set[str]) -> list[str]:
    return sorted(found - {""}, key=str.lower)


def _one_of(known: Mapping[str, object], value: str) -> str:
    return value if value in known else ""


def _has(event: Json, words: list[str]) -> bool:
    if not words:
        return True
    searched = " ".join(text(event, name) for name in event).lower()
    return all(word in searched for word in words)
