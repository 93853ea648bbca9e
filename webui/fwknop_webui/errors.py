"""Every error as a page that says what is wrong, where, and what to do. No tracebacks."""

from __future__ import annotations

import logging

from flask import Flask, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from fwknop_webui.daemon_words import in_words
from fwknop_webui.editing import ListChanged
from fwknop_webui.i18n import _
from fwknop_webui.i18n import noop as N_
from fwknop_webui.pages import render
from fwknop_webui.security import login_again
from fwknop_webui.services import current_session
from fwknop_webui.store import REPLACEABLE, NotAllowed, SessionOver, Unreadable
from fwknop_webui.views.clients import changed_list
from fwknopd.config.problems import ConfigError
from fwknopd.config.uci_changes import ChangeError
from fwknopd.uci_store import MissingFile, StoreError

log = logging.getLogger(__name__)

_TEXTS: dict[int, tuple[str, str]] = {
    400: (N_("Bad request"), N_("The browser sent something this page doesn't understand.")),
    403: (
        N_("Not accepted"),
        N_(
            "The request didn't come from a page of this session: it may have expired, or you "
            "logged in again in another tab. Nothing was changed. Go back, reload, and try again."
        ),
    ),
    404: (
        N_("Not found"),
        N_("There is no such page, or what it showed has been deleted meanwhile."),
    ),
    405: (N_("Not found"), N_("This address can't be opened like that. Use the menu above.")),
    409: (
        N_("The configuration has changed"),
        N_(
            "This page was opened before it changed, so nothing was done. Open the page again "
            "from the menu."
        ),
    ),
    413: (N_("Too much data"), N_("The form was too large. Nothing was changed.")),
    421: (
        N_("Unknown host name"),
        N_(
            "This page is not served under the name in your browser's address bar. Use the "
            "router's address, or allow the name with --allowed-host NAME; on a router with: "
            "uci add_list fwknopd.@global[0].allowed_host=NAME; uci commit fwknopd; "
            "/etc/init.d/fwknop-webui restart"
        ),
    ),
    500: (
        N_("Internal error"),
        N_("Something went wrong here; the system log has the details. Nothing was changed."),
    ),
    503: (
        N_("Still at work"),
        N_(
            "Something you asked for before is not finished, so this click did nothing. "
            "Wait a moment, then look at the overview: it says how the first one ended."
        ),
    ),
}


def set_up_errors(app: Flask) -> None:
    """Register the handlers."""
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(ConfigError, _configuration)
    app.register_error_handler(StoreError, _store)
    app.register_error_handler(SessionOver, lambda _error: login_again())
    app.register_error_handler(NotAllowed, _not_allowed)
    app.register_error_handler(ChangeError, _change)
    app.register_error_handler(ListChanged, changed_list)
    app.register_error_handler(Exception, _unexpected)


def _page(code: int) -> ResponseReturnValue:
    title, text = _TEXTS.get(code, _TEXTS[400 if code < 500 else 500])
    page = render("error.html", heading=_(title), text=_(text), reachable=code != 421)
    return page, code


def _http(error: HTTPException) -> ResponseReturnValue:
    code = error.code or 500
    if code < 400:
        return error.get_response()
    return _page(code)


def _configuration(error: ConfigError) -> ResponseReturnValue:
    page = render(
        "error.html",
        heading=_("The configuration can't be read"),
        text=_("The file is not valid UCI, so it can't be shown or changed here. It is untouched."),
        problems=error.problems,
        remedy=_("Mend it in an editor, then reload this page. The daemon keeps what it has."),
        way_out=_way_out(error),
    )
    # Nothing failed here: what was asked for doesn't go together with the file as it is.
    return page, 409


def _store(error: StoreError) -> ResponseReturnValue:
    way_out = _way_out(error)
    page = render(
        "error.html",
        heading=_("The configuration can't be read"),
        text=in_words(str(error)) if not way_out else in_words(error.message) + ".",
        remedy=_("Nothing was changed."),
        way_out=way_out,
    )
    return page, 409 if isinstance(error, (*REPLACEABLE, Unreadable)) else 500


def _way_out(error: Exception) -> str:
    """What is said before the two ways to get another file in its place; "" if there are none."""
    if current_session() is None or not isinstance(error, REPLACEABLE):
        return ""
    if isinstance(error, MissingFile):
        return _("Make it from a backup, or as it was first installed:")
    return _("Or replace the whole file; what is in it now is kept beside it:")


def _not_allowed(_error: NotAllowed) -> ResponseReturnValue:
    page = render(
        "error.html",
        heading=_("Not allowed"),
        text=_("Your account may look at this page, but not change anything."),
        remedy=_(
            "Nothing was changed. Add list write 'luci-app-fwknopd' to the account in "
            "/etc/config/rpcd, or log in with another one."
        ),
    )
    return page, 403


def _change(_error: ChangeError) -> ResponseReturnValue:
    page = render(
        "error.html",
        heading=_("The configuration has changed"),
        text=_("What you were editing isn't there any more. Nothing was changed."),
        remedy=_("Open the page again from the menu."),
    )
    return page, 409


def _unexpected(error: Exception) -> ResponseReturnValue:
    # Only the path: forms hold passwords and keys.
    log.error("%s %s failed", request.method, request.path, exc_info=error)
    return _page(500)
