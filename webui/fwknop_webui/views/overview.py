"""What is open, who knocked, how the daemon is."""

from __future__ import annotations

from flask import jsonify, render_template, request
from flask.typing import ResponseReturnValue

from fwknop_webui.client_keys import summarise
from fwknop_webui.i18n import _
from fwknop_webui.i18n import noop as N_
from fwknop_webui.notices import Level, Notice
from fwknop_webui.pages import render
from fwknop_webui.routes import Route
from fwknop_webui.services import current_draft, services
from fwknop_webui.settings_form import overwrites
from fwknop_webui.snapshot import REGIONS, Configured, Snapshot, source_text, take, worst
from fwknopd.config.problems import ConfigError, Problem
from fwknopd.config.uci_format import UciPackage
from fwknopd.uci_store import StoreError

UNREADABLE = N_("The configuration can't be read")


def overview() -> ResponseReturnValue:
    """The page."""
    context = _context(_snapshot())
    enabled = services().service.is_enabled()
    return render(
        "overview.html", "overview", polls=True, regions=REGIONS, enabled=enabled, **context
    )


def overview_data() -> ResponseReturnValue:
    """What changed since the versions in the query: for polling."""
    snapshot = _snapshot()
    changed = {
        name: {"version": version, "html": _region(name, snapshot)}
        for name, version in snapshot.versions.items()
        if request.args.get(name) != version
    }
    return jsonify(now=snapshot.now, regions=changed)


def _snapshot() -> Snapshot:
    return take(services().live, services().clock.wall(), _configured())


def _configured() -> Configured:
    try:
        draft = current_draft()
    except ConfigError as error:
        return Configured(unreadable=_unreadable(error.problems))
    except StoreError as error:
        return Configured(unreadable=Notice(Level.ERROR, _(UNREADABLE), str(error)))
    package = draft.base.package
    unsaved = bool(draft.changes)
    return Configured(_has_client(package), unsaved, overwrites(package))


def _unreadable(problems: tuple[Problem, ...]) -> Notice:
    text = _("The file is not valid UCI, so it can't be shown or changed here. It is untouched.")
    text += " " + _("Mend the file in an editor, then reload this page.")
    return Notice(Level.ERROR, _(UNREADABLE), text, problems)


def _has_client(package: UciPackage) -> bool:
    return any(summarise(section).is_usable for section in package.of_type("access"))


def _region(name: str, snapshot: Snapshot) -> str:
    return render_template(f"live_{name}.html", **_context(snapshot))


def _context(snapshot: Snapshot) -> dict[str, object]:
    return {"snapshot": snapshot, "source_text": source_text, "worst": worst}


ROUTES = (
    Route("GET", "/", overview),
    Route("GET", "/api/overview", overview_data, polled=True),
)
