"""The daemon's settings."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import NamedTuple

from flask import g, request
from flask.typing import ResponseReturnValue

from fwknop_webui import settings_form
from fwknop_webui.check import check
from fwknop_webui.editing import (
    base_seal,
    contested_notice,
    opened_draft,
    outdated_notice,
    problem_notices,
    stage_and_go,
)
from fwknop_webui.i18n import _
from fwknop_webui.import_sources import Folder
from fwknop_webui.notices import Level, Notice
from fwknop_webui.pages import render
from fwknop_webui.routes import Route
from fwknop_webui.saving import Combined, combine, conflict_texts
from fwknop_webui.services import current_draft, services
from fwknop_webui.sessions import UNVISITED_SECONDS
from fwknop_webui.settings_form import SettingsForm
from fwknop_webui.staging import Draft
from fwknop_webui.web_settings import stored_faults


class OwnAddress(NamedTuple):
    """Where this page is, and whether a web server in front decides that."""

    origin: str
    is_secure: bool
    is_behind: bool


COMMON_NETWORKS = ("wan", "wan6", "lan")


def settings() -> ResponseReturnValue:
    """The form."""
    draft = current_draft()
    checked = check(draft.package, services().store.file)
    warnings = [*problem_notices(draft, checked), *_network_notices(draft), *_web_notices(draft)]
    return _page(settings_form.stored_form(draft.package), draft, warnings)


def save_settings() -> ResponseReturnValue:
    """Change what was typed."""
    draft, file = current_draft(), services().store.file
    opened = opened_draft(draft, request.form.get("base", ""))
    if opened is None:
        form = settings_form.outdated_form(_typed(draft), draft, file)
        return _page(form, draft, [outdated_notice()]), 409
    changed, faulty = settings_form.judge(_typed(opened), opened, file)
    if faulty:
        return _page(faulty, opened, _problem_notices(faulty)), 422
    combined = combine(opened, changed, draft, file)
    if not combined.is_clean:
        return _page(_contested(combined), draft, [contested_notice(combined)]), 409
    return stage_and_go(combined.draft, "settings", merged=combined.is_merged)


def _typed(opened: Draft) -> dict[str, str]:
    """The form, with the networks that are ticked and those that are typed as one text."""
    ticked, typed = request.form.getlist("network_tick"), request.form.get("network", "")
    networks = settings_form.joined_networks(ticked, typed, opened.package)
    return {**request.form.to_dict(), "network": networks}


def _contested(combined: Combined) -> SettingsForm:
    """The form with everybody's changes, and at the contested fields what was typed."""
    form = settings_form.stored_form(combined.draft.package)
    return replace(form, errors=settings_form.by_field(conflict_texts(combined.conflicts), form))


def _page(form: SettingsForm, draft: Draft, warnings: list[Notice]) -> str:
    networks, own = _networks(), _own_address()
    if own.is_behind:
        form = replace(form, placeholders={"session_idle": f"{UNVISITED_SECONDS / 60:.0f}"})
    chosen = form.values["network"].split()
    return render(
        "settings.html",
        "settings",
        form=form,
        base=base_seal(draft),
        warnings=warnings,
        networks=networks or COMMON_NETWORKS,
        ticks=[(name, device, name in chosen) for name, device in networks.items()],
        other_networks=" ".join(name for name in chosen if name not in networks),
        devices=_devices(),
        own=own,
        has_classic_files=not Folder(services().config.classic).trouble,
    )


def _networks() -> dict[str, str]:
    """The router's, asked for once in a request."""
    if "networks" not in g:
        g.networks = services().store.networks()
    found: dict[str, str] = g.networks
    return found


def _problem_notices(form: SettingsForm) -> list[Notice]:
    if not form.problems:
        return []
    return [Notice(Level.ERROR, _("Not saved"), _("Mend these first:"), form.problems)]


def _network_notices(draft: Draft) -> list[Notice]:
    """A misspelt network leaves the daemon waiting for it for ever."""
    known = _networks()
    strange = [name for name in settings_form.networks(draft.package) if name not in known]
    if not known or not strange:
        return []
    names = " ".join(strange)
    title = _("There is no network “{name}” in /etc/config/network").format(name=names)
    text = _("Unless another program makes it, no knock is heard. There are: {names}.")
    return [Notice(Level.WARNING, title, text.format(names=", ".join(known)))]


def _web_notices(draft: Draft) -> list[Notice]:
    """What was written into the file by other means and makes no sense."""
    title = _("“{option}” of this page makes no sense and counts as unset")
    return [
        Notice(Level.WARNING, title.format(option=option), text)
        for option, text in stored_faults(draft.package).items()
    ]


def _own_address() -> OwnAddress:
    config = services().config
    return OwnAddress(request.host_url.rstrip("/"), request.is_secure, config.is_behind)


def _devices() -> list[str]:
    """Names of this machine's network devices, for the suggestions of the field."""
    try:
        return sorted(name for _index, name in socket.if_nameindex() if name != "lo")
    except OSError:
        return []


ROUTES = (
    Route("GET", "/settings", settings),
    Route("POST", "/settings", save_settings),
)
