"""Adding and editing one client."""

from __future__ import annotations

from flask import abort, redirect, request, url_for
from flask.typing import ResponseReturnValue

from fwknop_webui import client_form
from fwknop_webui.client_form import ClientForm, TypedClient
from fwknop_webui.editing import base_seal, is_current, outdated_notice, stage, stage_and_go
from fwknop_webui.i18n import _
from fwknop_webui.notices import Level, Notice
from fwknop_webui.pages import notify, render
from fwknop_webui.routes import Route
from fwknop_webui.services import current_draft, services
from fwknop_webui.settings_form import default_open_time
from fwknop_webui.staging import Draft
from fwknopd.config.uci_format import UciSection

ACCESS = "access"


def add_client() -> ResponseReturnValue:
    """An empty form."""
    draft = current_draft()
    form = client_form.stored_form(None, default_open_time(draft.package))
    return _page(form, draft)


def save_new_client() -> ResponseReturnValue:
    """Add what was typed."""
    return _save(current_draft(), None)


def edit_client(section: str) -> ResponseReturnValue:
    """The form of one client."""
    draft = current_draft()
    return _page(client_form.stored_form(_find(draft, section)), draft)


def save_client(section: str) -> ResponseReturnValue:
    """Change what was typed."""
    draft = current_draft()
    return _save(draft, _find(draft, section))


def _find(draft: Draft, section_id: str) -> UciSection:
    section = draft.package.section(section_id)
    if section is None or section.type != ACCESS:
        abort(404)
    return section


def _page(form: ClientForm, draft: Draft, warnings: tuple[Notice, ...] = ()) -> str:
    known = not form.is_new
    return render(
        "client.html",
        "clients",
        form=form,
        base=base_seal(draft),
        warnings=(*warnings, *_problem_notice(form)),
        action=url_for("save_client", section=form.section_id)
        if known
        else url_for("save_new_client"),
        reset=url_for("edit_client", section=form.section_id) if known else url_for("add_client"),
    )


def _problem_notice(form: ClientForm) -> tuple[Notice, ...]:
    if not form.problems:
        return ()
    return (Notice(Level.ERROR, _("Not saved"), _("Mend these first:"), form.problems),)


def _save(draft: Draft, section: UciSection | None) -> ResponseReturnValue:
    typed = TypedClient.from_form(request.form, request.form.getlist("service"), section)
    changed, faulty = client_form.judge(typed, draft, section, services().store.file)
    if faulty:
        return _page(faulty, draft), 422
    # A new client can't be mistaken for another one, so an old page does no harm.
    if section and not is_current(draft, request.form.get("base", "")):
        return _page(typed.as_form(section), draft, (outdated_notice(),)), 409
    if request.form.get("do") == "generate":
        return _generated(changed, section or changed.package.of_type(ACCESS)[-1])
    if section is None:
        fresh = not typed.keys.key
        title = _("{name} is added, with fresh keys.") if fresh else _("{name} is added.")
        hint = _("Press QR in its row and scan the code with the phone that shall knock.")
        notify(Level.INFO, title.format(name=typed.values["name"]), hint)
    return stage_and_go(changed, "clients")


def _generated(changed: Draft, section: UciSection) -> ResponseReturnValue:
    stage(changed)
    notify(
        Level.INFO,
        _("New keys are made, but not in use yet."),
        _("Show the QR code to the client, then press Save & Apply. The old keys end there."),
    )
    return redirect(url_for("edit_client", section=section.id) + "#tab-keys", 303)


ROUTES = (
    Route("GET", "/clients/add", add_client),
    Route("POST", "/clients/add", save_new_client),
    Route("GET", "/clients/<section>", edit_client),
    Route("POST", "/clients/<section>", save_client),
)
