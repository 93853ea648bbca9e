"""Taking over fwknopd.conf and access.conf: look at what is in them, choose, and stage it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue

from fwknop_webui.check import check
from fwknop_webui.conflict_rows import Row
from fwknop_webui.editing import base_seal, is_unchanged, outdated_notice, stage, unsettled
from fwknop_webui.held import drop, held, hold
from fwknop_webui.i18n import _, ngettext
from fwknop_webui.import_choice import Choice, Chosen, State
from fwknop_webui.import_sources import Folder, sent_parts
from fwknop_webui.importing import MAX_STANZAS, Plan, plan
from fwknop_webui.notices import Level, Notice
from fwknop_webui.pages import notify, render
from fwknop_webui.routes import LARGE_FORM, UPLOAD, Route
from fwknop_webui.services import current_draft, require_session, services
from fwknop_webui.staging import Draft
from fwknop_webui.taking_over import take_over
from fwknopd.config.classic_parts import ClassicParts
from fwknopd.config.problems import ConfigError, Problem


def import_files() -> ResponseReturnValue:
    """Where to import from."""
    return start()


def read_folder() -> ResponseReturnValue:
    """Look into the router's own files."""
    try:
        return _show(folder().parts())
    except ConfigError as error:
        title = _("The files can't be read")
        notice = Notice(Level.ERROR, title, folder().trouble, error.problems)
        return start(notice), 422


def check_files() -> ResponseReturnValue:
    """Look into what the browser sent."""
    parts = sent_parts(request.form, request.files)
    if parts is None:
        text = _(
            "Choose a file, or paste its text. A client begins with a line such as SOURCE ANY."
        )
        return start(Notice(Level.ERROR, _("Nothing was sent"), text)), 422
    return _show(parts)


def preview_import() -> ResponseReturnValue:
    """What would become of each part. Nothing is written yet."""
    kept = held(ClassicParts)
    if kept is None:
        return redirect(url_for("import_files"), 303)
    draft = current_draft()
    if (answer := unsettled(draft, "preview_import")) is not None:
        return answer
    return _preview(draft, plan(kept[0], draft.package), kept[1])


def confirm_import() -> ResponseReturnValue:
    """Stage what was chosen."""
    kept = held(ClassicParts)
    if kept is None or kept[1] != request.form.get("token"):
        return gone("preview_import")
    draft = current_draft()
    if (answer := unsettled(draft, "preview_import")) is not None:
        return answer
    chosen = Chosen.from_form(request.form)
    wanted = plan(kept[0], draft.package, chosen)
    if not wanted.taken and is_unchanged(draft, request.form.get("base", "")):
        text = _("Tick what you want to have, or cancel.")
        return _preview(
            draft, wanted, kept[1], Notice(Level.ERROR, _("Nothing is ticked"), text)
        ), 422
    return _take(draft, wanted, kept, chosen)


def cancel_import() -> ResponseReturnValue:
    """Forget what was read."""
    drop()
    return redirect(url_for("import_files"), 303)


def folder() -> Folder:
    """The router's folder of classic files."""
    return Folder(services().config.classic)


def start(*notices: Notice) -> str:
    """The page with everything there is to import from."""
    return render("import.html", "import_files", folder=folder(), warnings=notices)


def _show(parts: ClassicParts) -> ResponseReturnValue:
    hold(parts)
    return redirect(url_for("preview_import"), 303)


def gone(preview: str) -> ResponseReturnValue:
    """What was looked at is not what is kept by now: show that, on the page ``preview``."""
    notify(
        Level.ERROR,
        _("Not imported: this page is out of date"),
        _("Another file was looked at meanwhile, or you logged in again. Look at it once more."),
    )
    return redirect(url_for(preview), 303)


def _preview(
    draft: Draft, wanted: Plan, token: str, *notices: Notice, conflicts: Sequence[Row] = ()
) -> str:
    return render(
        "import_preview.html",
        "import_files",
        plan=wanted,
        token=token,
        base=base_seal(draft),
        conflicts=conflicts,
        warnings=[*notices, *_plan_notices(wanted)],
    )


def _plan_notices(wanted: Plan) -> list[Notice]:
    notices = []
    if wanted.problems:
        title = _("About the files as a whole")
        notices.append(Notice(Level.WARNING, title, "", wanted.problems))
    if not wanted.stanzas:
        text = _("No stanza found. A client begins with a line such as SOURCE ANY.")
        notices.append(Notice(Level.WARNING, text))
    if wanted.left_out:
        title = _("Only the first {n} clients are shown").format(n=MAX_STANZAS)
        text = _("Use “fwknopctl import” on the router for files as large as these.")
        notices.append(Notice(Level.WARNING, title, text))
    return notices


def _take(
    draft: Draft, wanted: Plan, kept: tuple[ClassicParts, str], chosen: Chosen
) -> ResponseReturnValue:
    """Put what was ticked on top of what there is by now; ``wanted`` is it as seen from there."""
    parts, token = kept
    seen = wanted

    def imported(opened: Draft) -> Draft:
        nonlocal seen
        seen = plan(parts, opened.package, chosen)
        return opened.with_changes(seen.changes(opened.package))

    taken = take_over(draft, imported, request.form)
    if taken is None:
        return _preview(draft, wanted, token, outdated_notice()), 409
    if taken.notice:
        anew = plan(parts, draft.package, _without_twins(chosen, seen, wanted))
        notice = _in_words_of_ticks(taken.notice)
        return _preview(draft, anew, token, notice, conflicts=taken.rows), 409
    if errors := _new_errors(draft, taken.draft):
        title = _("Not imported: the daemon would not take the result")
        notice = Notice(Level.ERROR, title, _("Leave these out, or change them first:"), errors)
        return _preview(draft, wanted, token, notice), 422
    stage(taken.draft)
    drop()
    require_session().imported = seen.clients
    text = ngettext("{n} part is imported.", "{n} parts are imported.", seen.taken)
    hint = _("Nothing is in use yet. Look it over, then press Save & Apply under Unsaved Changes.")
    notify(Level.INFO, text.format(n=seen.taken), hint)
    return redirect(url_for("clients"), 303)


def _without_twins(chosen: Chosen, before: Plan, now: Plan) -> Chosen:
    """Who was new and is there by now is left out, unless somebody says otherwise.

    A second client with the same keys would never be asked.
    """
    known = {row.number for row in before.stanzas if row.state is State.CONFLICT}
    met = {row.number for row in now.stanzas if row.state is State.CONFLICT} - known
    return replace(chosen, stanzas={**chosen.stanzas, **dict.fromkeys(met, Choice.LEAVE)})


def _in_words_of_ticks(notice: Notice) -> Notice:
    """A preview of parts has no button for whose values count: one takes a part, or doesn't."""
    if notice.problems:
        return notice
    text = _("Choose below once more what to take; what you leave out stays as it is now.")
    return replace(notice, text=text)


def _new_errors(draft: Draft, changed: Draft) -> tuple[Problem, ...]:
    file = services().store.file
    known = set(check(draft.package, file).errors)
    return tuple(p for p in check(changed.package, file).errors if p not in known)


ROUTES = (
    Route("GET", "/import", import_files),
    Route("POST", "/import/read", read_folder),
    Route("POST", "/import/check", check_files, limits=UPLOAD),
    Route("GET", "/import/preview", preview_import),
    Route("POST", "/import/confirm", confirm_import, limits=LARGE_FORM),
    Route("POST", "/import/cancel", cancel_import),
)
