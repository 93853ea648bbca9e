"""LuCI's menu entry leads here: with the session of who is logged in there."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import abort, redirect, request, url_for
from flask.typing import ResponseReturnValue

from fwknop_webui.auth import AuthError
from fwknop_webui.i18n import _
from fwknop_webui.routes import Route
from fwknop_webui.services import services
from fwknop_webui.views.login import begin_session, login_page


def hand_over() -> ResponseReturnValue:
    """Begin a session for the user of the posted one.

    No token of ours can be in LuCI's form. What it posts is as secret as one; and the form must
    be a page's of this very host, or another site could log somebody in as somebody else.
    """
    if not _is_from_here():
        abort(403, "origin")
    try:
        found = services().authenticator.take_over(request.form.get("sid", ""))
    except AuthError as error:
        return login_page(str(error)), 503
    if found is None:
        text = _("LuCI's login could not be taken over: it has ended. Log in here.")
        return login_page(text), 401
    return begin_session(found.user, found.login, redirect(url_for("overview"), 303))


def _is_from_here() -> bool:
    """Older uhttpds pass on no Origin, but all pass on where the form was."""
    told = request.headers.get("Origin") or request.headers.get("Referer") or ""
    try:
        netloc = urlsplit(told).netloc
    except ValueError:
        return False
    return bool(netloc) and netloc.lower() == request.headers.get("Host", "").lower()


ROUTES = (Route("POST", "/handover", hand_over, public=True, foreign=True),)
