"""Keys are shown only to who gave the password a short while ago."""

from __future__ import annotations

from collections.abc import Callable

from flask import request
from flask.typing import ResponseReturnValue

from fwknop_webui.i18n import _
from fwknop_webui.lockout import minutes_and_seconds
from fwknop_webui.password_try import try_password
from fwknop_webui.services import require_session, services


def is_recent() -> bool:
    """Whether keys may be shown without asking."""
    return services().sessions.fresh(require_session())


def password_obstacle(ask: Callable[[str], str]) -> ResponseReturnValue | None:
    """None when keys may be shown now; else the page to answer with.

    The form's field ``password`` is tried. ``ask`` makes the page that asks for it, with the
    reason why what was given is not enough ("" at first).
    """
    if is_recent():
        return None
    session = require_session()
    if not request.form.get("password"):
        return ask("")
    tried = try_password(session.username, request.form["password"])
    if tried.login:
        # The session has one of its own.
        services().authenticator.end(tried.login)
        services().memory.save()
        services().sessions.refresh(session)
        return None
    if tried.trouble:
        return ask(tried.trouble), 503
    if tried.wait:
        text = _("Too many wrong passwords. Try again in {time}.")
        return ask(text.format(time=minutes_and_seconds(tried.wait))), 429
    return ask(_("Wrong password.")), 401
