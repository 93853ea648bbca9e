"""The QR codes of many clients for printing, one page of paper for each client."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from flask import abort, request, url_for
from flask.typing import ResponseReturnValue

from fwknop_webui import qr
from fwknop_webui.auth import Right
from fwknop_webui.check import check
from fwknop_webui.client_rows import ClientRow, client_rows
from fwknop_webui.editing import base_seal, is_current
from fwknop_webui.i18n import _, ngettext
from fwknop_webui.pages import render
from fwknop_webui.phone import NotUsable, Phone, phone_of
from fwknop_webui.recent_password import password_obstacle
from fwknop_webui.routes import Route
from fwknop_webui.services import current_draft, require_session, services
from fwknop_webui.settings_form import port_options
from fwknop_webui.staging import Draft

log = logging.getLogger(__name__)

PER_SHEET = 10
"""Codes at a time: a slow router draws one in a second, and uhttpd waits for a minute."""

LEFT_OUT = ("disabled", "expired")
"""States in which a client's code is of no use to anybody, and may be to a finder."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One client. ``trouble`` says why there is no code."""

    row: ClientRow
    phone: Phone | None = field(default=None, repr=False)
    picture: qr.QrPicture | None = field(default=None, repr=False)
    trouble: str = ""


def show_sheet() -> ResponseReturnValue:
    """The codes; asks for the password first when it was given long ago."""
    draft = current_draft()
    if not is_current(draft, request.form.get("base", "")):
        abort(409)
    obstacle = password_obstacle(lambda trouble: _ask(draft, trouble))
    return obstacle if obstacle is not None else _sheet(draft)


def _ask(draft: Draft, trouble: str) -> str:
    return render(
        "password_again.html",
        "clients",
        name=_("all clients"),
        action=url_for("show_sheet"),
        hidden={"base": base_seal(draft), "page": _number()},
        back=url_for("clients"),
        trouble=trouble,
    )


def _sheet(draft: Draft) -> str:
    checked = check(draft.package, services().store.file)
    every = client_rows(draft, checked, services().clock.wall(), {})
    rows = [row for row in every if row.state.name not in LEFT_OUT]
    count = max(1, -(-len(rows) // PER_SHEET))
    number = min(max(1, _number()), count)
    leaves = [_leaf(row, draft) for row in rows[(number - 1) * PER_SHEET : number * PER_SHEET]]
    shown = sum(1 for leaf in leaves if leaf.picture)
    log.info("The keys of %d clients are shown to %s", shown, require_session().username)
    return render(
        "sheet.html",
        "clients",
        leaves=leaves,
        left_out=_left_out(len(every) - len(rows)),
        base=base_seal(draft),
        number=number,
        count=count,
    )


def _left_out(number: int) -> str:
    if not number:
        return ""
    return ngettext(
        "{number} client is left out, as it is disabled or expired.",
        "{number} clients are left out, as they are disabled or expired.",
        number,
    ).format(number=number)


def _leaf(row: ClientRow, draft: Draft) -> Leaf:
    stored = draft.package.section(row.section) or abort(404)
    port, server = port_options(draft.package).port, require_session().server_name
    try:
        phone = phone_of(stored, row.label, server, port)
        return Leaf(row, phone, qr.draw(phone.payload))
    except (NotUsable, qr.QrTooLong, ValueError) as error:
        return Leaf(row, trouble=str(error))


def _number() -> int:
    text = request.form.get("page", "1")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 1


ROUTES = (Route("POST", "/sheet", show_sheet, right=Right.READ),)
