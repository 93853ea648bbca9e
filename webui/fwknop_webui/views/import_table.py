"""Many clients out of a table (CSV): look at what becomes of each row, choose, and stage it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue

from fwknop_webui.editing import base_seal, is_unchanged, stage, unsettled
from fwknop_webui.held import drop, held, hold
from fwknop_webui.i18n import _, ngettext
from fwknop_webui.import_choice import numbered
from fwknop_webui.notices import Level, Notice
from fwknop_webui.pages import notify, render
from fwknop_webui.routes import LARGE_FORM, UPLOAD, Route
from fwknop_webui.services import current_draft, require_session, services
from fwknop_webui.staging import Draft
from fwknop_webui.views.imports import gone, start
from fwknopd.config.problems import ConfigError

if TYPE_CHECKING:
    from fwknop_webui.table_plan import Table, TablePlan

# table_plan is loaded when there is a table: most pages never see one, and memory is short.


def check_table() -> ResponseReturnValue:
    """Look into what the browser sent."""
    from fwknop_webui.table_plan import sent_table

    try:
        table = sent_table(request.files.get("table"), request.form.get("table_text", ""))
    except ConfigError as error:
        title = _("This is no table of clients")
        return start(Notice(Level.ERROR, title, "", error.problems)), 422
    if table is None:
        text = _("Choose a file, or paste its text. Its first row names the columns.")
        return start(Notice(Level.ERROR, _("Nothing was sent"), text)), 422
    hold(table)
    return redirect(url_for("preview_table"), 303)


def preview_table() -> ResponseReturnValue:
    """What would become of each row. Nothing is written yet."""
    kept = _kept()
    if kept is None:
        return redirect(url_for("import_files"), 303)
    draft = current_draft()
    if (answer := unsettled(draft, "preview_table")) is not None:
        return answer
    return _preview(draft, _plan(kept[0], draft), kept)


def confirm_table() -> ResponseReturnValue:
    """Stage what was ticked."""
    kept = _kept()
    if kept is None or kept[1] != request.form.get("token"):
        return gone("preview_table")
    draft = current_draft()
    if (answer := unsettled(draft, "preview_table")) is not None:
        return answer
    chosen = frozenset(line for line, _ticked in numbered("take-", request.form))
    wanted = _plan(kept[0], draft, chosen)
    if not is_unchanged(draft, request.form.get("base", "")):
        # Who was new may be there by now. A table says what is wanted, whatever there is.
        title = _("The configuration was changed while you looked")
        text = _("Below is what the table comes to now. Look it over, then confirm once more.")
        return _preview(draft, wanted, kept, Notice(Level.WARNING, title, text)), 409
    if not wanted.taken and not wanted.problems:
        text = _("Tick what you want to have, or cancel.")
        notice = Notice(Level.ERROR, _("Nothing is ticked"), text)
        return _preview(draft, wanted, kept, notice), 422
    return _take(draft, wanted, kept)


def _kept() -> tuple[Table, str] | None:
    from fwknop_webui.table_plan import Table

    return held(Table)


def _plan(table: Table, draft: Draft, chosen: frozenset[int] | None = None) -> TablePlan:
    from fwknop_webui.table_plan import plan

    file, now = services().store.file, services().clock.wall()
    return plan(table, draft.package, file, now, chosen)


def _preview(draft: Draft, wanted: TablePlan, kept: tuple[Table, str], *notices: Notice) -> str:
    return render(
        "import_table.html",
        "import_files",
        plan=wanted,
        source=kept[0].source,
        token=kept[1],
        base=base_seal(draft),
        warnings=[*notices, *_notices(wanted)],
    )


def _notices(wanted: TablePlan) -> list[Notice]:
    if wanted.problems:
        title = _("The daemon would not take the configuration with any row of the table")
        text = _("Put this right first, then look at the table again:")
        return [Notice(Level.ERROR, title, text, wanted.problems)]
    if not wanted.rows:
        text = _("The table has no rows but the first one, which names the columns.")
        return [Notice(Level.WARNING, text)]
    return []


def _take(draft: Draft, wanted: TablePlan, kept: tuple[Table, str]) -> ResponseReturnValue:
    from fwknop_webui.table_plan import taken_over

    file, now = services().store.file, services().clock.wall()
    lines = [row.line for row in wanted.taken]
    try:
        package = taken_over(kept[0], draft.package, file, now, lines)
    except ConfigError as error:
        title = _("Not imported: the daemon would not take the result")
        notice = Notice(Level.ERROR, title, "", error.problems)
        return _preview(draft, wanted, kept, notice), 422
    stage(draft.with_package(package))
    drop()
    require_session().imported = frozenset(row.name for row in wanted.taken)
    _tell(wanted)
    return redirect(url_for("clients"), 303)


def _tell(wanted: TablePlan) -> None:
    taken = wanted.taken
    title = ngettext("{n} client is imported.", "{n} clients are imported.", len(taken))
    text = _("Nothing is in use yet. Look it over, then press Save & Apply.")
    halves = sum(1 for row in taken if row.state == "add" and row.keys == 1)
    if halves:
        half = ngettext(
            "For {n} the table had one key, and the other is fresh: the QR code has both.",
            "For {n} the table had one key, and the other is fresh: the QR codes have both.",
            halves,
        )
        text = f"{text} {half.format(n=halves)}"
    notify(Level.INFO, title.format(n=len(taken)), text)


ROUTES = (
    Route("POST", "/import/table", check_table, limits=UPLOAD),
    Route("GET", "/import/table", preview_table),
    Route("POST", "/import/table/confirm", confirm_table, limits=LARGE_FORM),
)
