"""What happened: filtered, page by page, followed, or as a file."""

from __future__ import annotations

import hashlib
import json
from itertools import chain, islice

from flask import Response, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from fwknop_webui.event_log import KINDS, SPANS, VERDICTS, Filter, LogPage, first_page, log_page
from fwknop_webui.i18n import _
from fwknop_webui.log_export import csv_of, in_pieces, json_of
from fwknop_webui.pages import regions_with_badge, render
from fwknop_webui.routes import Route
from fwknop_webui.services import services
from fwknop_webui.trouble import trouble_of
from fwknopd.control.client import ControlError


def logs() -> ResponseReturnValue:
    """The page."""
    return _page(Filter.of(request.args))


def logs_data() -> ResponseReturnValue:
    """The newest rows if something happened since the version in the query: for polling."""
    wanted = first_page(Filter.of(request.args))
    version = _version()
    changed: dict[str, object] = {}
    if request.args.get("log") != version:
        html = render_template("live_log.html", **_context(wanted))
        changed = {"log": {"version": version, "html": html}}
    return jsonify(now=services().clock.wall(), regions=regions_with_badge(changed))


def logs_csv() -> ResponseReturnValue:
    """What the filter lets through, for a spreadsheet."""
    return _file("csv")


def logs_json() -> ResponseReturnValue:
    """What the filter lets through, for programs."""
    return _file("json")


def _file(kind: str) -> ResponseReturnValue:
    wanted, now = Filter.of(request.args), services().clock.wall()
    events = (event for event in services().live.events() if wanted.takes(event, now))
    try:
        first = list(islice(events, 1))
    except ControlError:
        # The page says what is wrong, and what to do. Should the daemon end later on, the file
        # says so: behind uhttpd no browser could tell that it ends too early.
        return _page(wanted), 503
    found = chain(first, events)
    answer = Response(in_pieces(csv_of(found) if kind == "csv" else json_of(found, now)))
    answer.content_type = {"csv": "text/csv", "json": "application/json"}[kind] + "; charset=utf-8"
    answer.headers["Content-Disposition"] = f'attachment; filename="fwknop-log.{kind}"'
    return answer


def _page(wanted: Filter) -> str:
    # Asked first: what happens meanwhile is then shown by the next poll.
    version = _version()
    return render(
        "logs.html",
        "logs",
        polls=wanted.follow,
        version=version,
        now=services().clock.wall(),
        choices=_choices(),
        **_context(first_page(wanted) if wanted.follow else wanted),
    )


def _context(wanted: Filter) -> dict[str, object]:
    now, trouble = services().clock.wall(), None
    try:
        page: LogPage = log_page(services().live.events(), wanted, now)
    except ControlError as error:
        trouble = trouble_of(error, services().live.start_command)
        page = log_page((), wanted, now)
    return {"log": page, "wanted": wanted, "trouble": trouble}


def _choices() -> dict[str, list[tuple[str, str]]]:
    """What the selectors of fixed things offer: values, and the words for them."""
    return {
        "verdicts": [(name, _(label)) for name, label in VERDICTS.items()],
        "kinds": [(name, _(label)) for name, label in KINDS.items()],
        "spans": [(name, _(label)) for name, (_seconds, label) in SPANS.items()],
    }


def _version() -> str:
    """A short code that changes with every event."""
    try:
        newest = json.dumps(services().live.newest_event(), sort_keys=True)
    except ControlError as error:
        newest = error.code
    return hashlib.sha256(newest.encode()).hexdigest()[:12]


ROUTES = (
    Route("GET", "/logs", logs),
    Route("GET", "/api/logs", logs_data, polled=True),
    Route("GET", "/logs.csv", logs_csv),
    Route("GET", "/logs.json", logs_json),
)
