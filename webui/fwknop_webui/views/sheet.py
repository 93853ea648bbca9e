"""The QR codes of many clients for printing, one page of paper for each client.

They come as one document, which is drawn while it is sent: a slow router draws one code in a
second, and hundreds of them at once would be more than it has memory for.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import inf

from flask import abort, request, url_for
from flask.typing import ResponseReturnValue

from fwknop_webui import qr
from fwknop_webui.auth import Right
from fwknop_webui.check import check
from fwknop_webui.client_rows import STATES, ClientRow, client_rows
from fwknop_webui.editing import base_seal, is_unchanged
from fwknop_webui.i18n import _, ngettext
from fwknop_webui.one_at_a_time import take_turn
from fwknop_webui.pages import render, stream
from fwknop_webui.phone import NotUsable, Phone, phone_of
from fwknop_webui.recent_password import password_obstacle
from fwknop_webui.routes import Route
from fwknop_webui.security import BUSY_SECONDS, let_go
from fwknop_webui.services import current_draft, require_session, services
from fwknop_webui.settings_form import port_options
from fwknop_webui.sheet_choice import (
    SheetChoice,
    Which,
    chosen_rows,
    filled_elsewhere,
    filled_text,
    imported_rows,
    suggested,
    ticked_rows,
)
from fwknop_webui.staging import Draft

log = logging.getLogger(__name__)

MOST_SECONDS = 40.0
"""Behind uhttpd, which ends a script perhaps in the middle of its answer.

It counts the minute of its ``script_timeout`` from the script's start, and what the script writes
doesn't make it count anew. Some versions stop counting when the headers are out, but none tells.
"""

LEFT_OUT = ("disabled", "expired")
"""States in which a client's code is of no use to anybody, and may be to a finder."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One client."""

    row: ClientRow
    phone: Phone = field(repr=False)
    picture: qr.QrPicture = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sheet:
    """Who gets a leaf; ``troubles`` are names with why there is no code, ``left_out`` a number."""

    rows: tuple[ClientRow, ...]
    troubles: tuple[tuple[str, str], ...]
    left_out: int


class Leaves:
    """The leaves, drawn one by one when they are asked for, until there is no more time.

    ``shown`` and ``rest`` say how many there were and how many are left; ``last`` is the number of
    the last client that has one.
    """

    def __init__(self, rows: Sequence[ClientRow], draft: Draft) -> None:
        self._rows, self._draft = rows, draft
        self._ends = _now() + MOST_SECONDS if services().config.is_behind else inf
        self.shown = self.last = 0

    @property
    def rest(self) -> int:
        """How many clients have got no leaf."""
        return len(self._rows) - self.shown

    def __iter__(self) -> Iterator[Leaf]:
        for row in self._rows:
            if self.shown and _now() > self._ends:
                return
            phone = _phone(row, self._draft)
            yield Leaf(row, phone, qr.draw(phone.payload))
            self.shown, self.last = self.shown + 1, row.number


def _now() -> float:
    return services().clock.monotonic()


def choose_sheet() -> ResponseReturnValue:
    """Ask whose codes."""
    return _choose(current_draft(), SheetChoice.from_form(request.args))


def show_sheet() -> ResponseReturnValue:
    """The codes; asks for the password first when it was given long ago."""
    draft = current_draft()
    if not is_unchanged(draft, request.form.get("base", "")):
        # Ids and numbers are places in the list: they may be somebody else's by now.
        text = _("The clients were changed meanwhile. Choose once more whose codes you want.")
        return _choose(draft, SheetChoice(), text), 409
    choice = SheetChoice.from_form(request.form)
    if choice.which is Which.UNSAID:
        return _choose(draft, choice)
    rows = _rows(draft)
    if filled := filled_elsewhere(choice, len(rows)):
        text = filled_text(filled, choice)
        return _choose(draft, replace(choice, which=filled), text), 422
    try:
        chosen = chosen_rows(rows, choice, require_session().imported)
    except ValueError as error:
        return _choose(draft, choice, str(error)), 422
    obstacle = password_obstacle(lambda trouble: _ask(draft, choice, chosen, trouble))
    return obstacle if obstacle is not None else _sent(draft, choice, _sheet(draft, chosen))


def _rows(draft: Draft) -> list[ClientRow]:
    checked = check(draft.package, services().store.file)
    return client_rows(draft, checked, services().clock.wall(), {})


def _choose(draft: Draft, choice: SheetChoice, trouble: str = "") -> str:
    rows = _rows(draft)
    imported = len(imported_rows(rows, require_session().imported))
    return render(
        "sheet_choice.html",
        "clients",
        base=base_seal(draft),
        asked=choice,
        chosen=suggested(choice, imported).value,
        ticked=len(ticked_rows(rows, choice)),
        imported=imported,
        count=len(rows),
        states=[(name, _(label)) for name, label in STATES],
        trouble=trouble,
    )


def _ask(draft: Draft, choice: SheetChoice, chosen: Sequence[ClientRow], trouble: str) -> str:
    text = ngettext("{number} client", "{number} clients", len(chosen))
    return render(
        "password_again.html",
        "clients",
        name=text.format(number=len(chosen)) if len(chosen) > 1 else chosen[0].label,
        action=url_for("show_sheet"),
        hidden={"base": base_seal(draft), **choice.fields},
        back=url_for("clients"),
        trouble=trouble,
    )


def _sheet(draft: Draft, chosen: Iterable[ClientRow]) -> Sheet:
    """Who gets a leaf. Nothing is drawn for it, which is what takes long."""
    rows, troubles, left_out = [], [], 0
    for row in chosen:
        if row.state.name in LEFT_OUT:
            left_out += 1
            continue
        try:
            qr.check_length(_phone(row, draft).payload)
            rows.append(row)
        except (NotUsable, qr.QrTooLong, ValueError) as error:
            troubles.append((row.label, str(error)))
    return Sheet(tuple(rows), tuple(troubles), left_out)


def _sent(draft: Draft, choice: SheetChoice, sheet: Sheet) -> ResponseReturnValue:
    """One document at a time: each takes one of the few threads there are for as long as it is."""
    if not take_turn(services().drawing, BUSY_SECONDS):
        text = _("Another sheet is being drawn just now. Wait until it is there, then try again.")
        return _choose(draft, choice, text), 503
    log.info("The keys of %d clients are shown to %s", len(sheet.rows), require_session().username)
    # Nothing is changed here, so the other tabs need not wait.
    let_go()
    return stream(
        "sheet.html",
        "clients",
        leaves=Leaves(sheet.rows, draft),
        count=len(sheet.rows),
        troubles=sheet.troubles,
        left_out=_left_out(sheet.left_out),
        base=base_seal(draft),
        asked=choice,
    )


def _left_out(number: int) -> str:
    if not number:
        return ""
    return ngettext(
        "{number} client is left out, as it is disabled or expired.",
        "{number} clients are left out, as they are disabled or expired.",
        number,
    ).format(number=number)


def _phone(row: ClientRow, draft: Draft) -> Phone:
    stored = draft.package.section(row.section) or abort(404)
    port, server = port_options(draft.package).port, require_session().server_name
    return phone_of(stored, row.label, server, port)


ROUTES = (
    Route("GET", "/sheet", choose_sheet),
    Route("POST", "/sheet", show_sheet, right=Right.READ),
)
