"""The list of clients."""

from __future__ import annotations

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue

from fwknop_webui.check import Checked, check
from fwknop_webui.client_rows import ACCESS, ROWS_PER_PAGE, STATES, client_rows, shown_rows
from fwknop_webui.editing import ListChanged, base_seal, problem_notices, stage, stage_and_go
from fwknop_webui.exposed import Exposed
from fwknop_webui.i18n import _, ngettext
from fwknop_webui.live import ClientLife
from fwknop_webui.notices import Level
from fwknop_webui.old_keys import without
from fwknop_webui.pages import notify, render
from fwknop_webui.routes import Route
from fwknop_webui.services import current_draft, require_session, services
from fwknop_webui.sheet_choice import imported_rows
from fwknop_webui.staging import Draft
from fwknop_webui.views.ticks import kept_ticks
from fwknopd.config.uci_changes import Reorder, UciChange, apply
from fwknopd.control.client import ControlError

FEW = 8
"""So many clients need no search."""


def clients() -> ResponseReturnValue:
    """The list, or the part of it that was searched for."""
    return _list()


def changed_list(_error: ListChanged) -> ResponseReturnValue:
    """The list as it is now, for who pressed a button of another one."""
    title = _("Nothing was done: the clients were changed since this page was opened")
    notify(Level.ERROR, title, _("Look for the client in the list as it is now, then press again."))
    return _list(), 409


def _list() -> str:
    draft = current_draft()
    checked = check(draft.package, services().store.file)
    rows = client_rows(draft, checked, services().clock.wall(), _lives())
    search, state = request.args.get("q", "").strip(), request.args.get("state", "")
    found = shown_rows(rows, search, state)
    page, pages = _page(len(found))
    shown, ticked = found[(page - 1) * ROWS_PER_PAGE : page * ROWS_PER_PAGE], kept_ticks(draft)
    return render(
        "clients.html",
        "clients",
        rows=shown,
        ticked=ticked,
        elsewhere=[each for each in ticked if each not in {row.section for row in shown}],
        found=len(found),
        page=page,
        pages=pages,
        count=len(rows),
        first=rows[0].section if rows else "",
        last=rows[-1].section if rows else "",
        searchable=len(rows) > FEW or bool(search or state),
        search=search,
        state=state,
        states=[(name, _(label)) for name, label in STATES],
        moved=request.args.get("moved", ""),
        base=base_seal(draft),
        warnings=problem_notices(draft, checked),
        present=_present(),
        exposed=_exposed(),
        imported=len(imported_rows(rows, require_session().imported)),
    )


def _page(rows: int) -> tuple[int, int]:
    """Which page of the list was asked for, and how many there are."""
    pages = max(1, -(-rows // ROWS_PER_PAGE))
    asked = request.args.get("page", "")
    wanted = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 6 else 1
    return min(max(1, wanted), pages), pages


def change_clients() -> ResponseReturnValue:
    """Save & Apply, or Reset: forget what is not applied of the clients."""
    draft = current_draft()
    if request.form.get("do") != "reset":
        return stage_and_go(_without_old_keys_over(draft), "clients")
    kept = _without_clients(draft)
    forgotten = len(draft.changes) - len(kept.changes)
    stage(kept)
    text = ngettext(
        "{n} unsaved change was reverted.", "{n} unsaved changes were reverted.", forgotten
    )
    notify(Level.INFO, text.format(n=forgotten) if forgotten else _("There was nothing to reset."))
    return redirect(url_for("clients"), 303)


def _without_old_keys_over(draft: Draft) -> Draft:
    """The draft without keys that count no more: the daemon may not be able to write the file."""
    rows = client_rows(draft, Checked(None, ()), services().clock.wall(), _lives())
    over = {keys.section for row in rows for keys in row.old_keys if keys.over}
    return draft.with_package(without(draft.package, over)) if over else draft


def _without_clients(draft: Draft) -> Draft:
    """The draft with clients as they are in the file, and all else as it is staged."""
    packages = (draft.base.package, draft.package)
    mine = {section.id for package in packages for section in package.of_type(ACCESS)}

    def is_kept(change: UciChange) -> bool:
        # Only clients are moved here; settings keep their places anyway.
        return change.section not in mine and not isinstance(change, Reorder)

    kept = [change for change in draft.changes if is_kept(change)]
    return draft.with_package(apply(draft.base.package, kept))


def _present() -> set[str]:
    """The clients that have an open door, or are still connected by one that has closed."""
    try:
        doors = services().live.doors()
    except ControlError:
        return set()
    return {door.client for door in (*doors.doors, *doors.past)}


def _exposed() -> Exposed:
    """Ports at which anybody gets in, as far as the daemon can tell."""
    try:
        return services().live.exposed()
    except ControlError:
        return Exposed()


def _lives() -> dict[str, ClientLife]:
    try:
        return services().live.lives()
    except ControlError:
        return {}


ROUTES = (
    Route("GET", "/clients", clients),
    Route("POST", "/clients", change_clients),
)
