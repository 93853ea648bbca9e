"""What is open, who knocked, how the daemon is."""

from __future__ import annotations

from dataclasses import replace

from flask import jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from fwknop_webui.client_keys import summarise
from fwknop_webui.daemon_words import in_words
from fwknop_webui.editing import apply_and_go, stage
from fwknop_webui.i18n import _
from fwknop_webui.i18n import noop as N_
from fwknop_webui.notices import Level, Notice
from fwknop_webui.pages import notify, regions_with_badge, render
from fwknop_webui.routes import Route
from fwknop_webui.services import current_draft, require_session, services
from fwknop_webui.settings_form import overwrites, switched_on
from fwknop_webui.snapshot import REGIONS, Configured, Snapshot, source_text, take, worst
from fwknop_webui.store import REPLACEABLE
from fwknopd.config.problems import ConfigError, Problem
from fwknopd.config.uci_format import UciPackage
from fwknopd.uci_store import MissingFile, StoreError

UNREADABLE = N_("The configuration can't be read")


def overview() -> ResponseReturnValue:
    """The page."""
    snapshot = _snapshot()
    _say_once(snapshot)
    context = _context(snapshot)
    enabled = services().service.is_enabled()
    return render(
        "overview.html", "overview", polls=True, regions=REGIONS, enabled=enabled, **context
    )


def _say_once(snapshot: Snapshot) -> None:
    """What the status says of the configuration need not be in the notice above it, too."""
    session = require_session()
    known = {problem_id(item) for item in snapshot.status.problems} if snapshot.status else set()
    session.notices = [
        replace(notice, level=Level.SUCCESS, text="", problems=())
        if notice.is_applied and all(problem_id(p) in known for p in notice.problems)
        else notice
        for notice in session.notices
    ]


def problem_id(problem: Problem) -> tuple[object, ...]:
    """What makes it the same, whatever its section is called."""
    return problem.file, problem.line, problem.option, problem.message


def overview_data() -> ResponseReturnValue:
    """What changed since the versions in the query: for polling."""
    snapshot = _snapshot()
    changed = {
        name: {"version": version, "html": _region(name, snapshot)}
        for name, version in snapshot.versions.items()
        if request.args.get(name) != version
    }
    return jsonify(now=snapshot.now, regions=regions_with_badge(changed))


def _snapshot() -> Snapshot:
    return take(services().live, services().clock.wall(), _configured())


def _configured() -> Configured:
    try:
        draft = current_draft()
    except ConfigError as error:
        return Configured(unreadable=_unreadable(error.problems))
    except StoreError as error:
        return Configured(unreadable=Notice(Level.ERROR, _(UNREADABLE), _why(error)))
    package = draft.base.package
    in_use = overwrites(package)
    return Configured(
        has_client=_has_client(package),
        has_unsaved=bool(draft.changes),
        overwrite=in_use,
        switched=overwrites(draft.package) != in_use,
        package=draft.current.package,
    )


def _unreadable(problems: tuple[Problem, ...]) -> Notice:
    text = _("The file is not valid UCI, so it can't be shown or changed here. It is untouched.")
    text += " " + _("Mend the file in an editor, then reload this page.")
    return Notice(Level.ERROR, _(UNREADABLE), f"{text} {_replaceable_text()}", problems)


def _why(error: StoreError) -> str:
    if isinstance(error, MissingFile):
        remedy = _("Make it from a backup, or as it was first installed: both are under Backup.")
        return f"{in_words(error.message)}. {remedy}"
    told = in_words(str(error))
    return f"{told} {_replaceable_text()}" if isinstance(error, REPLACEABLE) else told


def _replaceable_text() -> str:
    return _("Or replace it as a whole: Restore and Factory reset are under Backup.")


def _has_client(package: UciPackage) -> bool:
    return any(summarise(section).is_usable for section in package.of_type("access"))


def _region(name: str, snapshot: Snapshot) -> str:
    return render_template(f"live_{name}.html", **_context(snapshot))


def _context(snapshot: Snapshot) -> dict[str, object]:
    return {"snapshot": snapshot, "source_text": source_text, "worst": worst}


def enable_overwrite() -> ResponseReturnValue:
    """Tick "Enable config overwrite" and apply it, with whatever else is unsaved."""
    if request.form.get("uci_enabled") != "1":
        text = _("Tick “Enable config overwrite” first, then press the button beside it.")
        notify(Level.INFO, _("Nothing was changed"), text)
        return redirect(url_for("overview"), 303)
    stage(switched_on(current_draft()))
    return apply_and_go(url_for("overview"))


ROUTES = (
    Route("GET", "/", overview),
    Route("POST", "/overwrite", enable_overwrite),
    Route("GET", "/api/overview", overview_data, polled=True),
)
