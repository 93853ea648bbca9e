"""Closing doors and cutting connections, after asking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue

from fwknop_webui.doors import Door, Revoked, connections_of
from fwknop_webui.i18n import _, ngettext
from fwknop_webui.notices import Level
from fwknop_webui.pages import notify, render
from fwknop_webui.routes import Route
from fwknop_webui.services import services
from fwknop_webui.trouble import trouble_of
from fwknopd.control.client import ControlError


class Which(NamedTuple):
    """The doors that are meant: one by its id, or a client's."""

    kind: str
    value: str

    def means(self, door: Door) -> bool:
        """This one is meant."""
        return self.value == (door.client if self.kind == "client" else door.id)


def revoke() -> ResponseReturnValue:
    """Ask whether to close doors, and whether to cut their connections."""
    which = _which(request.args)
    try:
        answer = services().live.doors()
    except ControlError as error:
        return render(
            "revoke.html",
            _back(request.args),
            which=which,
            doors=(),
            trouble=_words(error),
            back=_back(request.args),
        )
    doors = tuple(door for door in answer.doors if which.means(door))
    past = tuple(door for door in answer.past if which.means(door))
    return render(
        "revoke.html",
        _back(request.args),
        which=which,
        doors=(*doors, *past),
        is_open=bool(doors),
        past=past,
        connections=connections_of((*doors, *past)),
        uncounted=answer.uncounted,
        trouble="",
        back=_back(request.args),
    )


def revoke_now() -> ResponseReturnValue:
    """Close the doors."""
    which, cut = _which(request.form), request.form.get("cut") == "1"
    try:
        made = services().live.revoke(cut=cut, **{which.kind: which.value})
    except ControlError as error:
        notify(Level.ERROR, _("The door could not be closed"), _words(error))
    else:
        _tell(made)
    return redirect(url_for(_back(request.form)), 303)


def _tell(made: Revoked) -> None:
    closed = ngettext("The door is closed.", "{n} doors are closed.", made.closed)
    title = closed.format(n=made.closed) if made.closed else _("This door was closed already.")
    notify(Level.SUCCESS, title, "" if made.cut is None else _cut_text(made.cut))
    if made.uncut:
        notify(Level.WARNING, _("Its connections live on"), made.uncut)
    if made.spared:
        text = ngettext(
            "{n} connection was left alone, for it may have come in by a door that is open.",
            "{n} connections were left alone, for they may have come in by a door that is open.",
            made.spared,
        )
        notify(Level.WARNING, _("Somebody may still be connected"), text.format(n=made.spared))


def _cut_text(count: int) -> str:
    return ngettext("{n} connection was cut.", "{n} connections were cut.", count).format(n=count)


def _which(fields: Mapping[str, str]) -> Which:
    client = fields.get("client", "")
    return Which("client", client) if client else Which("id", fields.get("id", ""))


def _back(fields: Mapping[str, str]) -> str:
    """The page it was asked for on."""
    return "clients" if fields.get("back") == "clients" else "overview"


def _words(error: ControlError) -> str:
    return trouble_of(error, services().live.start_command).text


ROUTES = (
    Route("GET", "/revoke", revoke),
    Route("POST", "/revoke", revoke_now),
)
