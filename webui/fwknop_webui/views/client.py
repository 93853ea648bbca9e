"""Adding and editing one client."""

from __future__ import annotations

from dataclasses import replace

from flask import abort, redirect, request, url_for
from flask.typing import ResponseReturnValue

from fwknop_webui import client_form, old_keys, ports
from fwknop_webui.client_form import ClientForm, TypedClient
from fwknop_webui.client_rows import find_row
from fwknop_webui.editing import (
    base_seal,
    contested_notice,
    opened_draft,
    outdated_notice,
    stage,
    stage_and_go,
)
from fwknop_webui.exposed import ExposedPort
from fwknop_webui.i18n import _
from fwknop_webui.notices import Level, Notice
from fwknop_webui.pages import notify, render
from fwknop_webui.routes import Route
from fwknop_webui.saving import Combined, combine, conflict_texts
from fwknop_webui.services import current_draft, services
from fwknop_webui.settings_form import default_times
from fwknop_webui.staging import Draft
from fwknopd.config.uci_format import UciSection
from fwknopd.control.client import ControlError

ACCESS = "access"


def add_client() -> ResponseReturnValue:
    """An empty form."""
    draft = current_draft()
    form = client_form.stored_form(None, default_times(draft.package))
    template = request.args.get("from", "")
    if template:
        row = find_row(draft, template) or abort(404)
        form = client_form.cloned_form(_find(draft, template), row.label)
    return _page(form, draft)


def save_new_client() -> ResponseReturnValue:
    """Add what was typed."""
    draft = current_draft()
    return _save(draft, draft, None)


def edit_client(section: str) -> ResponseReturnValue:
    """The form of one client."""
    draft = current_draft()
    return _page(client_form.stored_form(_find(draft, section)), draft)


def save_client(section: str) -> ResponseReturnValue:
    """Change what was typed."""
    draft = current_draft()
    opened = opened_draft(draft, request.form.get("base", ""))
    if opened is None:
        stored = _find(draft, section)
        form = client_form.outdated_form(_typed(stored), draft, stored, services().store.file)
        return _page(form, draft, (outdated_notice(),)), 409
    return _save(opened, draft, _find(opened, section))


def _find(draft: Draft, section_id: str) -> UciSection:
    section = draft.package.section(section_id)
    if section is None or section.type != ACCESS:
        abort(404)
    return section


def _page(form: ClientForm, draft: Draft, warnings: tuple[Notice, ...] = ()) -> str:
    known, exposed = not form.is_new, _exposed(form)
    return render(
        "client.html",
        "clients",
        form=form,
        base=base_seal(draft),
        cloned="" if known else request.values.get("from", ""),
        warnings=(*warnings, *_problem_notice(form)),
        exposed={port.port for port in exposed},
        open_anyway=[port for port in exposed if port.port in ports.split(form.typed_ports)],
        action=url_for("save_client", section=form.section_id)
        if known
        else url_for("save_new_client"),
        reset=url_for("edit_client", section=form.section_id) if known else url_for("add_client"),
    )


def _exposed(form: ClientForm) -> tuple[ExposedPort, ...]:
    """How anybody gets in already to what this client's door would lead to."""
    asked = ports.askable([*ports.split(form.typed_ports), *(port for _, port in ports.COMMON)])
    try:
        found = services().live.exposed(",".join(asked)).ports
    except ControlError:
        return ()
    # Led to an inside host by force, it is shown another machine than strangers.
    name = form.values["name"] if form.values["FORCE_NAT"] else ""
    return tuple(port for port in found if port.is_open and (not name or name in port.clients))


def _problem_notice(form: ClientForm) -> tuple[Notice, ...]:
    if not form.problems:
        return ()
    return (Notice(Level.ERROR, _("Not saved"), _("Mend these first:"), form.problems),)


def _typed(section: UciSection | None) -> TypedClient:
    return TypedClient.from_form(request.form, request.form.getlist("service"), section)


def _save(opened: Draft, draft: Draft, section: UciSection | None) -> ResponseReturnValue:
    """``opened`` is what the form was made from, ``draft`` what is there now."""
    typed, file = _typed(section), services().store.file
    if section is None:
        typed = replace(typed, template=_template(draft))
    changed, faulty = client_form.judge(typed, opened, section, file)
    if faulty:
        return _page(faulty, opened), 422
    combined = combine(opened, changed, draft, file)
    if not combined.is_clean:
        return _contested(combined, typed, draft, section), 409
    changed = combined.draft
    if fault := typed.name_fault(changed, section):
        # Somebody else took it while the form was open.
        return _page(typed.as_form(section, {"name": fault}), opened), 409
    if section:
        section = changed.package.section(combined.sections.get(section.id, section.id))
    if request.form.get("do") == "generate":
        return _generated(changed, section or changed.package.of_type(ACCESS)[-1])
    if typed.keys.guessable:
        notify(
            Level.WARNING,
            _("The key you typed is short"),
            _(
                "Who records one knock can try such keys until one fits. Type 16 characters or "
                "more, or let keys be generated."
            ),
        )
    if section and _ended_keys(draft, changed, section):
        name = old_keys.name_of(section)
        notify(Level.INFO, _("The old keys of {name} will end.").format(name=name))
    news = None if section else _added(typed)
    return stage_and_go(changed, "clients", merged=combined.is_merged, news=news)


def _ended_keys(draft: Draft, changed: Draft, section: UciSection) -> bool:
    """Whether old keys of the client go with what was saved."""
    packages = (draft.package, changed.package)
    before, after = (old_keys.owners(p).get(old_keys.name_of(section), ()) for p in packages)
    return len(after) < len(before)


def _added(typed: TypedClient) -> tuple[str, str]:
    title = _("{name} is added.") if typed.keys.key else _("{name} is added, with fresh keys.")
    hint = _("Press QR in its row and scan the code with the phone that shall knock.")
    return title.format(name=typed.values["name"]), hint


def _contested(
    combined: Combined, typed: TypedClient, draft: Draft, section: UciSection | None
) -> str:
    """The form with everybody's changes, and at the contested fields what was typed."""
    place = combined.sections.get(section.id, "") if section else ""
    stored = draft.package.section(place)
    if stored is None:
        title = _("Not saved: this client was deleted meanwhile by somebody else")
        text = _("Press Save to add it anew, with fresh keys, or leave the page.")
        return _page(typed.as_form(None), draft, (Notice(Level.ERROR, title, text),))
    shown = combined.draft.package.section(place)
    form = client_form.stored_form(shown or stored)
    errors = {**conflict_texts(combined.conflicts), **typed.keys.unsent}
    return _page(replace(form, errors=errors), draft, (contested_notice(combined),))


def _template(draft: Draft) -> UciSection | None:
    """The client a new one is a clone of, as it was when the page was made."""
    opened = opened_draft(draft, request.form.get("base", ""))
    return opened.package.section(request.form.get("from", "")) if opened else None


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
