"""What the buttons in a client's row do."""

from __future__ import annotations

from flask import abort, redirect, request, url_for
from flask.typing import ResponseReturnValue

from fwknop_webui import old_keys
from fwknop_webui.check import Checked
from fwknop_webui.client_order import DOWN, UP, moved
from fwknop_webui.client_rows import ENABLED, ClientRow, client_rows, find_row, page_of
from fwknop_webui.editing import ListChanged, base_seal, is_current, stage
from fwknop_webui.i18n import _
from fwknop_webui.notices import Level
from fwknop_webui.pages import notify, render
from fwknop_webui.rotation import followed
from fwknop_webui.routes import Route
from fwknop_webui.services import current_draft
from fwknop_webui.staging import Draft
from fwknopd.config.uci_changes import apply
from fwknopd.config.uci_format import UciPackage, UciSection


def current_client(section: str) -> tuple[Draft, ClientRow, UciSection]:
    """The client a button was pressed for. 404 or ListChanged when its list is outdated."""
    draft = current_draft()
    row = find_row(draft, section) or abort(404)
    stored = draft.package.section(section) or abort(404)
    if not is_current(draft, request.form.get("base", ""), section):
        raise ListChanged
    return draft, row, stored


def disable_client(section: str) -> ResponseReturnValue:
    """Ask whether to disable a client with its old keys."""
    draft = current_draft()
    row = find_row(draft, section) or abort(404)
    return render("disable_client.html", "clients", row=row, base=base_seal(draft))


def switch_client(section: str) -> ResponseReturnValue:
    """Enable a disabled client, disable an enabled one; either ends its old keys."""
    draft, row, stored = current_client(section)
    wanted = "" if row.is_enabled else "1"
    changed = apply(draft.package, list(ENABLED.changes(section, stored, wanted)))
    changed = followed(draft, changed, stored)
    text = _("{name} will be disabled.") if row.is_enabled else _("{name} will be enabled.")
    title, hint = text.format(name=row.label), ""
    if not row.is_enabled:
        hint = _(
            "It gets in with the keys it has. If a phone with them was lost, rotate them first. "
            "Press Save & Apply to put it to use."
        )
    if row.old_keys:
        title += " " + _("Its old keys end.")
    return _staged(draft, changed, section, title, hint)


def move_client(section: str) -> ResponseReturnValue:
    """One row up or down."""
    draft, _row, _stored = current_client(section)
    way = UP if request.form.get("do") == UP else DOWN
    rows = [item.section for item in _rows(draft)]
    changed = draft.with_package(moved(draft.package, rows, section, way))
    stage(changed)
    page = _page_of(changed, section)
    return redirect(url_for("clients", page=page, moved=f"{way}-{section}", _anchor="moved"), 303)


def _rows(draft: Draft) -> list[ClientRow]:
    return client_rows(draft, Checked(None, ()), 0.0, {})


def _page_of(draft: Draft, section: str) -> int | None:
    """The page of the list to go back to; None for the first, which needs no number."""
    page = page_of(_rows(draft), section)
    return page if page > 1 else None


def delete_client(section: str) -> ResponseReturnValue:
    """Ask whether to delete."""
    draft = current_draft()
    row = find_row(draft, section) or abort(404)
    return render("delete_client.html", "clients", row=row, base=base_seal(draft))


def delete_client_now(section: str) -> ResponseReturnValue:
    """Delete, with all keys it ever had."""
    draft, row, _stored = current_client(section)
    gone = {section, *(keys.section for keys in row.old_keys)}
    changed = old_keys.without(draft.package, gone)
    hint = _("Press Save & Apply to put it to use, or revert it under Unsaved Changes.")
    title = _("{name} will be deleted.").format(name=row.label)
    return _staged(draft, changed, section, title, hint)


def end_old_keys(section: str) -> ResponseReturnValue:
    """Let the old keys go before their time."""
    draft, row, stored = current_client(section)
    if not row.old_keys:
        raise ListChanged
    changed = old_keys.ended(draft.package, old_keys.name_of(stored))
    title = _("The old keys of {name} will end.").format(name=row.label)
    return _staged(draft, changed, section, title)


def _staged(
    draft: Draft, changed: UciPackage, section: str, title: str, hint: str = ""
) -> ResponseReturnValue:
    """Back to where the client stands, or stood."""
    stage(draft.with_package(changed))
    notify(Level.INFO, title, hint or _("Press Save & Apply to put it to use."))
    return redirect(url_for("clients", page=_page_of(draft, section)), 303)


ROUTES = (
    Route("GET", "/clients/<section>/disable", disable_client),
    Route("POST", "/clients/<section>/switch", switch_client),
    Route("POST", "/clients/<section>/move", move_client),
    Route("GET", "/clients/<section>/delete", delete_client),
    Route("POST", "/clients/<section>/delete", delete_client_now),
    Route("POST", "/clients/<section>/old-keys/end", end_old_keys),
)
