"""The list of clients, and what its buttons do."""

from __future__ import annotations

from flask import abort, redirect, request, url_for
from flask.typing import ResponseReturnValue

from fwknop_webui.check import check
from fwknop_webui.client_rows import ENABLED, ClientRow, client_rows, find_row
from fwknop_webui.editing import base_seal, is_current, problem_notices, stage
from fwknop_webui.i18n import _
from fwknop_webui.notices import Level
from fwknop_webui.pages import notify, render
from fwknop_webui.routes import Route
from fwknop_webui.services import current_draft, services
from fwknop_webui.staging import Draft
from fwknopd.config.uci_changes import DeleteSection
from fwknopd.control.client import ControlError


def clients() -> ResponseReturnValue:
    """The list."""
    draft = current_draft()
    checked = check(draft.package, services().store.file)
    rows = client_rows(draft, checked, services().clock.wall(), _last_knocks())
    warnings = problem_notices(draft, checked)
    return render(
        "clients.html",
        "clients",
        rows=rows,
        base=base_seal(draft),
        warnings=warnings,
        present=_present(),
    )


def switch_client(section: str) -> ResponseReturnValue:
    """Enable a disabled client, disable an enabled one."""
    draft, row = _current(section)
    stored = draft.package.section(section)
    wanted = "" if row.is_enabled else "1"
    stage(draft.with_changes(list(ENABLED.changes(section, stored, wanted))))
    text = _("{name} will be disabled.") if row.is_enabled else _("{name} will be enabled.")
    notify(Level.INFO, text.format(name=row.label), _("Press Save & Apply to put it to use."))
    return redirect(url_for("clients"), 303)


def delete_client(section: str) -> ResponseReturnValue:
    """Ask whether to delete."""
    draft = current_draft()
    row = find_row(draft, section) or abort(404)
    return render("delete_client.html", "clients", row=row, base=base_seal(draft))


def delete_client_now(section: str) -> ResponseReturnValue:
    """Delete."""
    draft, row = _current(section)
    stage(draft.with_changes([DeleteSection(section)]))
    notify(
        Level.INFO,
        _("{name} will be deleted.").format(name=row.label),
        _("Press Save & Apply to put it to use, or revert it under Unsaved Changes."),
    )
    return redirect(url_for("clients"), 303)


def _current(section: str) -> tuple[Draft, ClientRow]:
    """The client a button was pressed for; 404 or 409 when the list it stood in is outdated."""
    draft = current_draft()
    row = find_row(draft, section) or abort(404)
    if not is_current(draft, request.form.get("base", ""), section):
        abort(409)
    return draft, row


def _present() -> set[str]:
    """The clients that have an open door, or are still connected by one that has closed."""
    try:
        doors = services().live.doors()
    except ControlError:
        return set()
    return {door.client for door in (*doors.doors, *doors.past)}


def _last_knocks() -> dict[str, float]:
    try:
        knocks = services().live.knocks()
    except ControlError:
        return {}
    return {knock.client: knock.time for knock in reversed(knocks) if knock.client}


ROUTES = (
    Route("GET", "/clients", clients),
    Route("POST", "/clients/<section>/switch", switch_client),
    Route("GET", "/clients/<section>/delete", delete_client),
    Route("POST", "/clients/<section>/delete", delete_client_now),
)
