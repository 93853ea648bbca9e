"""New keys for a client, while the old ones go on working for a while."""

from __future__ import annotations

from collections.abc import Mapping

from flask import abort, request
from flask.typing import ResponseReturnValue

from fwknop_webui import old_keys
from fwknop_webui.client_rows import ClientRow, find_row
from fwknop_webui.editing import ListChanged, base_seal, is_unchanged, stage
from fwknop_webui.i18n import _
from fwknop_webui.pages import render
from fwknop_webui.rotation import DEFAULT_HOURS, Overlap, is_off, named, overlap_of, rotate
from fwknop_webui.routes import Route
from fwknop_webui.services import current_draft, services
from fwknop_webui.staging import Draft
from fwknop_webui.views.client_actions import current_client
from fwknop_webui.views.qr import shown_qr
from fwknopd.config.uci_format import UciSection


def rotate_keys(section: str) -> ResponseReturnValue:
    """Ask how long the old keys shall work."""
    draft = current_draft()
    row = find_row(draft, section) or abort(404)
    stored = draft.package.section(section) or abort(404)
    return _ask(draft, row, stored, {})


def rotate_keys_now(section: str) -> ResponseReturnValue:
    """Make new keys, and show them."""
    draft, row, stored = current_client(section)
    if not is_unchanged(draft, request.form.get("base", "")):
        # Sent once more, as by reloading the page of the QR code: that code would be void.
        raise ListChanged
    if not row.can_rotate:
        abort(422)
    try:
        overlap = _overlap(draft, stored)
    except ValueError as error:
        return _ask(draft, row, stored, {"hours": str(error)}), 422
    try:
        changed, client = _with_name(draft, stored, overlap)
    except ValueError as error:
        return _ask(draft, row, stored, {"name": str(error)}), 422
    changed = rotate(changed, client, overlap, services().clock.wall())
    stage(changed)
    return shown_qr(changed, section)


def _overlap(draft: Draft, stored: UciSection) -> Overlap:
    if is_off(draft, stored):
        return Overlap(0)
    return overlap_of(request.form.get("hours", "").strip(), _first_use())


def _needs_name(draft: Draft, stored: UciSection) -> bool:
    if is_off(draft, stored):
        return False
    name = old_keys.name_of(stored)
    return not name or old_keys.is_shared(draft.package, name)


def _with_name(draft: Draft, stored: UciSection, overlap: Overlap) -> tuple[Draft, UciSection]:
    if not overlap.hours or not _needs_name(draft, stored):
        return draft, stored
    name = request.form.get("name", "").strip()
    if not name or not name.isprintable() or len(name) > old_keys.MAX_NAME:
        raise ValueError(_("Expecting: a name, such as “Anna's phone”."))
    draft = named(draft, stored, name)
    if fault := old_keys.name_fault(draft.package, name):
        raise ValueError(fault)
    return draft, draft.package.section(stored.id) or abort(404)


def _first_use() -> bool:
    return request.form.get("first_use") == "1"


def _ask(draft: Draft, row: ClientRow, stored: UciSection, errors: Mapping[str, str]) -> str:
    posted = request.method == "POST"
    return render(
        "rotate.html",
        "clients",
        row=row,
        base=base_seal(draft),
        hours=request.form.get("hours", DEFAULT_HOURS),
        first_use=_first_use() if posted else True,
        is_off=is_off(draft, stored),
        needs_name=_needs_name(draft, stored),
        name=request.form.get("name", ""),
        errors=errors,
    )


ROUTES = (
    Route("GET", "/clients/<section>/rotate", rotate_keys),
    Route("POST", "/clients/<section>/rotate", rotate_keys_now),
)
