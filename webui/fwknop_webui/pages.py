"""Rendering: what every page has around its content."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Flask, Response, g, render_template, request, stream_template, url_for

from fwknop_webui.daemon_words import in_words
from fwknop_webui.displayable import finalized
from fwknop_webui.hosts import ALWAYS, host_name
from fwknop_webui.i18n import _, language, ngettext
from fwknop_webui.i18n import noop as N_
from fwknop_webui.notices import Level, Notice
from fwknop_webui.one_at_a_time import at_end
from fwknop_webui.security import csrf_token
from fwknop_webui.services import current_draft, current_session, services
from fwknop_webui.sessions import Session
from fwknop_webui.store import Waiting
from fwknopd import __version__
from fwknopd.config.problems import ConfigError
from fwknopd.uci_store import StoreError

MENU = (
    ("overview", N_("Overview")),
    ("clients", N_("Clients")),
    ("settings", N_("Settings")),
    ("advanced", N_("Advanced")),
    ("import_files", N_("Import")),
    ("logs", N_("Logs")),
    ("diagnostics", N_("Diagnostics")),
    ("backup", N_("Backup")),
)

MACROS = ("macros.html", "field_macros.html", "packet_macros.html")
"""Later ones use earlier ones. In one file, compiling them would cost a megabyte for good."""


@dataclass(frozen=True, slots=True)
class Shell:
    """Header, notices and footer."""

    brand: str
    version: str
    user: str
    menu: tuple[tuple[str, str], ...]
    active: str
    here: str
    staged: int
    outdated: bool
    unconfirmed: float | None
    polls: bool
    daemon: str
    words: str
    insecure: bool
    notices: tuple[Notice, ...]
    language: str
    now: float


def render(template: str, active: str = "", *, polls: bool = False, **context: object) -> str:
    """A page. ``active`` is the menu entry it belongs to; one that polls refreshes itself."""
    return render_template(template, shell=_shell(active, polls), **context)


PIECE = 16 * 1024
"""Characters of a long page that are sent at once."""


def stream(template: str, active: str, **context: object) -> Response:
    """A long page, sent piece by piece as it is made."""
    parts = stream_template(template, shell=_shell(active, polls=False), **context)
    if isinstance(parts, Generator):
        # It keeps the request: until here, also when nobody wants as much as its beginning.
        at_end(parts.close)
    return Response(_pieces(parts), mimetype="text/html")


def _pieces(parts: Iterator[str]) -> Iterator[str]:
    waiting: list[str] = []
    size = 0
    for part in parts:
        waiting.append(part)
        size += len(part)
        if size >= PIECE:
            yield "".join(waiting)
            waiting, size = [], 0
    yield "".join(waiting)


def _shell(active: str, polls: bool) -> Shell:
    session = current_session()
    return Shell(
        brand=services().config.host_name,
        version=__version__,
        user=session.username if session else "",
        menu=tuple((endpoint, _(label)) for endpoint, label in MENU),
        active=active,
        here=request.path if active else url_for("overview"),
        staged=len(session.staging) if session else 0,
        outdated=session is not None and _is_outdated(session),
        unconfirmed=_expiry() if session else None,
        polls=polls,
        daemon=services().live.state().value if session else "",
        words=_words(),
        insecure=_is_insecure(),
        notices=(*_undecidable(), *session.take_notices()) if session else (),
        language=language(),
        now=services().clock.wall(),
    )


def _is_outdated(session: Session) -> bool:
    """Whether the unsaved changes are of an older file, also on pages that show none of it."""
    if session.staging and "outdated" not in g:
        # A page that needs the file says itself why it can't be read.
        with suppress(StoreError, ConfigError):
            current_draft()
    outdated: bool = g.get("outdated", False)
    return outdated


def _undecidable() -> tuple[Notice, ...]:
    """Changes may wait, and nobody would take them back in time."""
    why = services().rollback.unreadable
    title = _("Nobody can tell whether applied changes wait for a confirmation")
    return (Notice(Level.ERROR, title, in_words(why)),) if why else ()


def _expiry() -> float | None:
    """The epoch second at which what is not confirmed will be taken back."""
    waiting: Waiting | None = g.get("waiting")
    return services().clock.wall() + waiting.left if waiting else None


def _words() -> str:
    """What the script says, so that it is translated like everything else."""
    return json.dumps(
        {
            "ago": _("{time} ago"),
            "for": _("for {time}"),
            "inStep": _("This browser's clock agrees."),
            "ahead": _("This browser's clock is {time} ahead of the router's."),
            "behind": _("This browser's clock is {time} behind the router's."),
            "refreshing": _("Refreshing"),
            "paused": _("Paused"),
            "copied": _("Copied"),
            "copyByHand": _("Press Ctrl+C"),
            "faults": _("{n} invalid field(s)"),
            "add": _("Add"),
            "remove": _("Remove {item}"),
        },
        ensure_ascii=False,
    )


def _is_insecure() -> bool:
    return not request.is_secure and host_name(request.headers.get("Host", "")) not in ALWAYS


def regions_with_badge(changed: Mapping[str, object]) -> dict[str, object]:
    """What a poll answers: the regions that changed, and the header's badge if it did."""
    state = services().live.state().value
    if request.args.get("daemon", state) == state:
        return dict(changed)
    html = render_template("live_daemon.html", daemon=state)
    return {**changed, "daemon": {"version": state, "html": html}}


def notify(level: Level, title: str, text: str = "") -> None:
    """Show a message on the next page."""
    session = current_session()
    if session:
        session.notices.append(Notice(level, title, text))


def _static(name: str) -> str:
    return url_for("static_file", name=services().assets.hashed_name(name))


def moment(seconds: float) -> str:
    """For browsers without JavaScript; with it, the browser writes local time."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return _("unknown time")


def _duration(seconds: float) -> str:
    whole = max(0, int(seconds))
    return f"{whole // 60}:{whole % 60:02d}"


def set_up_templates(app: Flask) -> None:
    """Names all templates may use."""
    environment = app.jinja_env
    environment.finalize = finalized
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.filters.update(moment=moment, duration=_duration, said=in_words)
    environment.globals.update(_=_, ngettext=ngettext, static=_static, csrf_token=csrf_token)
    # Macros are needed on every page, so they are globals instead of a line in each template.
    for name in MACROS:
        macros = environment.get_template(name).module
        environment.globals.update(
            {name: getattr(macros, name) for name in dir(macros) if not name.startswith("_")}
        )
