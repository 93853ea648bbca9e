"""Showing a client's keys: as a QR code, and as text for other programs."""

from __future__ import annotations

import logging

from flask import abort, request, url_for
from flask.typing import ResponseReturnValue

from fwknop_webui import qr
from fwknop_webui.auth import Right
from fwknop_webui.client_rows import ClientRow, find_row
from fwknop_webui.displayable import one_line
from fwknop_webui.editing import ListChanged, base_seal, is_current
from fwknop_webui.i18n import _
from fwknop_webui.outside import Outside, outside
from fwknop_webui.pages import render
from fwknop_webui.phone import NotUsable, Phone, phone_of
from fwknop_webui.recent_password import password_obstacle
from fwknop_webui.rotation import has_new_keys
from fwknop_webui.routes import Route
from fwknop_webui.services import current_draft, require_session, services
from fwknop_webui.settings_form import listening_devices, port_options
from fwknop_webui.staging import Draft
from fwknopd.config.uci_format import UciSection

log = logging.getLogger(__name__)


def show_qr(section: str) -> ResponseReturnValue:
    """The dialog; asks for the password first when it was given long ago."""
    draft = current_draft()
    find_row(draft, section) or abort(404)
    if not is_current(draft, request.form.get("base", "")):
        raise ListChanged
    return shown_qr(draft, section)


def shown_qr(draft: Draft, section: str) -> ResponseReturnValue:
    """The dialog for a client of the draft, or what stands before it."""
    row = find_row(draft, section) or abort(404)
    stored = draft.package.section(section) or abort(404)
    obstacle = password_obstacle(lambda trouble: _ask(row, draft, trouble))
    return obstacle if obstacle is not None else _dialog(row, stored, draft)


def _ask(row: ClientRow, draft: Draft, trouble: str) -> str:
    return render(
        "password_again.html",
        "clients",
        name=row.label,
        action=url_for("show_qr", section=row.section),
        hidden={"base": base_seal(draft)},
        back=url_for("clients"),
        trouble=trouble,
    )


def _dialog(row: ClientRow, stored: UciSection, draft: Draft) -> ResponseReturnValue:
    session, seen = require_session(), _outside(draft)
    # What was suggested is not kept: by the next time it may be another.
    given = request.form.get("server", session.server_name).strip()
    typed = given if "server" in request.form else given or seen.server
    try:
        phone, fault = _phone(row, stored, draft, typed)
        picture = qr.draw(phone.payload)
    except (NotUsable, qr.QrTooLong) as error:
        return render("no_qr.html", "clients", row=row, trouble=str(error)), 422
    if not fault:
        session.server_name = given
    log.info("The keys of client %s are shown to %s", one_line(row.label), session.username)
    return render(
        "qr.html",
        "clients",
        row=row,
        are_new=has_new_keys(draft, stored),
        base=base_seal(draft),
        phone=phone,
        picture=picture,
        typed=typed,
        server_error=fault,
        outside=seen,
        suggested=typed == seen.server,
    )


def _outside(draft: Draft) -> Outside:
    """What the router knows of how it is reached."""
    config, port = services().config, port_options(draft.package).port
    devices = listening_devices(draft.package, services().store.networks())
    return outside(config.public_names, ((d, config.address_of(d)) for d in devices), port)


def _phone(row: ClientRow, stored: UciSection, draft: Draft, server: str) -> tuple[Phone, str]:
    port = port_options(draft.package).port
    try:
        return phone_of(stored, row.label, server, port), ""
    except ValueError:
        fault = _("Expecting: a host name or an IPv4 address, such as router.example.net.")
        return phone_of(stored, row.label, "", port), fault


ROUTES = (Route("POST", "/clients/<section>/qr", show_qr, right=Right.READ),)
