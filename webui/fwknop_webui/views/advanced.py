"""Every variable of the daemon and of one client, with what it means and what is set."""

from __future__ import annotations

from flask import abort, redirect, request, url_for
from flask.typing import ResponseReturnValue

from fwknop_webui import advanced_form, variable_text
from fwknop_webui.advanced_filter import SHOW, Filter
from fwknop_webui.advanced_form import AdvancedForm, Typed
from fwknop_webui.advanced_rows import SERVER, Subject, client_subject, rows
from fwknop_webui.client_rows import ACCESS, label_of
from fwknop_webui.editing import (
    base_seal,
    contested_notice,
    opened_draft,
    outdated_notice,
    stage_and_go,
)
from fwknop_webui.i18n import _
from fwknop_webui.notices import Level, Notice
from fwknop_webui.pages import render
from fwknop_webui.routes import LARGE_FORM, Route
from fwknop_webui.saving import Combined, combine, conflict_texts
from fwknop_webui.services import current_draft, services
from fwknop_webui.staging import Draft
from fwknop_webui.strangers import strangers
from fwknopd.config.render import format_access_conf, section_pairs
from fwknopd.config.uci_format import UciPackage


def advanced() -> ResponseReturnValue:
    """The daemon's variables; or the way to those of the client that was chosen."""
    chosen = request.args.get("client", "")
    draft = current_draft()
    if any(section.id == chosen for section in draft.package.of_type(ACCESS)):
        return redirect(url_for("client_advanced", section=chosen), 303)
    return _stored_page(draft, SERVER)


def save_advanced() -> ResponseReturnValue:
    """Change what was typed."""
    return _save(current_draft(), SERVER)


def client_advanced(section: str) -> ResponseReturnValue:
    """The variables of one client."""
    draft = current_draft()
    return _stored_page(draft, _client(draft, section))


def save_client_advanced(section: str) -> ResponseReturnValue:
    """Change what was typed."""
    draft = current_draft()
    opened = opened_draft(draft, request.form.get("base", ""))
    return _save(draft, _client(opened or draft, section))


def _client(draft: Draft, section_id: str) -> Subject:
    subject = client_subject(section_id)
    return subject if subject.sections(draft.package) else abort(404)


def _stored_page(draft: Draft, subject: Subject) -> str:
    wanted = Filter.of(request.args)
    form = advanced_form.stored_form(subject, draft.package, wanted, services().store.file)
    return _page(draft, subject, form)


def _save(draft: Draft, subject: Subject) -> ResponseReturnValue:
    wanted, typed = Filter.of(request.args), Typed.from_form(request.form)
    opened, file = opened_draft(draft, request.form.get("base", "")), services().store.file
    if opened is None or typed.names - {row.name for row in rows(subject, opened.package)}:
        form = advanced_form.outdated_form(subject, draft, typed, wanted, file)
        return _page(draft, subject, form, outdated_notice()), 409
    changed, faulty = advanced_form.judge(typed, opened, subject, wanted, file)
    if faulty:
        notices = [
            Notice(Level.ERROR, _("Not saved"), _("Mend what is marked below."), faulty.problems)
        ]
        return _page(opened, subject, faulty, *notices), 422
    combined = combine(opened, changed, draft, file)
    if not combined.is_clean:
        return _contested(combined, draft, subject, wanted), 409
    if subject is SERVER:
        return stage_and_go(combined.draft, "advanced", merged=combined.is_merged)
    place = combined.sections.get(subject.section_id, subject.section_id)
    return stage_and_go(combined.draft, "client_advanced", place, merged=combined.is_merged)


def _contested(combined: Combined, draft: Draft, subject: Subject, wanted: Filter) -> str:
    """The form with everybody's changes, and at the contested rows what was typed."""
    if subject is not SERVER:
        subject = client_subject(combined.sections.get(subject.section_id, ""))
        if not subject.sections(draft.package):
            abort(409)
    texts = conflict_texts(combined.conflicts)
    form = advanced_form.contested_form(subject, combined.draft.package, wanted, texts)
    return _page(draft, subject, form, contested_notice(combined))


def _page(draft: Draft, subject: Subject, form: AdvancedForm, *notices: Notice) -> str:
    return render(
        "advanced.html",
        "advanced",
        form=form,
        base=base_seal(draft),
        warnings=notices,
        words=variable_text,
        show=SHOW,
        clients=_labels(draft.package),
        subject=subject,
        client=_labels(draft.package).get(subject.section_id, ""),
        preview=_preview(draft.package, subject),
        strangers=strangers(draft.package) if subject is SERVER else [],
    )


def _labels(package: UciPackage) -> dict[str, str]:
    """What to call the clients, by section."""
    sections = package.of_type(ACCESS)
    return {section.id: label_of(section, n) for n, section in enumerate(sections, 1)}


def _preview(package: UciPackage, subject: Subject) -> str:
    """The client as access.conf would have it, keys masked; "" for the server."""
    if subject is SERVER:
        return ""
    return format_access_conf(section_pairs(section) for section in subject.sections(package))


ROUTES = (
    Route("GET", "/advanced", advanced),
    Route("POST", "/advanced", save_advanced, limits=LARGE_FORM),
    Route("GET", "/clients/<section>/advanced", client_advanced),
    Route("POST", "/clients/<section>/advanced", save_client_advanced, limits=LARGE_FORM),
)
