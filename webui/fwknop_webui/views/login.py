"""Logging in and out."""

from __future__ import annotations

from flask import make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from fwknop_webui.hosts import is_local_path
from fwknop_webui.i18n import _, ngettext
from fwknop_webui.lockout import minutes_and_seconds
from fwknop_webui.notices import Level, Notice
from fwknop_webui.pages import render
from fwknop_webui.password_try import address, try_password
from fwknop_webui.routes import Route
from fwknop_webui.security import COOKIE, LOGIN_COOKIE, drop_cookie, set_cookie
from fwknop_webui.services import current_session, require_session, services
from fwknop_webui.sessions import Session


def login() -> ResponseReturnValue:
    """The form."""
    if current_session():
        return redirect(_target())
    return _page()


def log_in() -> ResponseReturnValue:
    """Check the password and start a session."""
    username = request.form.get("username", "")
    tried = try_password(username, request.form.get("password", ""))
    if tried.right:
        return _succeeded(username)
    if tried.trouble:
        return _page(tried.trouble), 503
    if tried.wait:
        return _too_many(tried.wait)
    return _page(_("Wrong username or password.")), 401


def log_out() -> ResponseReturnValue:
    """End the session."""
    services().sessions.close(require_session().id)
    response = make_response(redirect(url_for("login"), 303))
    drop_cookie(response, COOKIE)
    return response


def _too_many(wait: int) -> ResponseReturnValue:
    """The answer while an address has to wait."""
    text = _("Too many wrong passwords. Try again in {time}.")
    response = make_response(_page(text.format(time=minutes_and_seconds(wait)), wait), 429)
    response.headers["Retry-After"] = str(wait)
    return response


def _page(trouble: str = "", wait: int = 0) -> str:
    return render(
        "login.html",
        trouble=trouble,
        wait=wait,
        username=request.form.get("username") or services().authenticator.suggested_user,
        next=request.values.get("next", ""),
    )


def _succeeded(username: str) -> ResponseReturnValue:
    old = current_session()
    if old:
        services().sessions.close(old.id)
    session: Session = services().sessions.create(username)
    session.notices += _previous_login()
    response = make_response(redirect(_target(), 303))
    set_cookie(response, COOKIE, session.id)
    drop_cookie(response, LOGIN_COOKIE)
    return response


def _previous_login() -> list[Notice]:
    """What an owner should notice: a login that was not his, or somebody guessing."""
    previous = services().logins.succeeded(services().clock.wall(), address())
    services().memory.save()
    if previous is None:
        return []
    failed = ngettext(
        "{n} wrong password since.", "{n} wrong passwords since.", previous.failures
    ).format(n=previous.failures)
    level = Level.WARNING if previous.failures else Level.INFO
    if not previous.address:
        return [Notice(level, failed)]
    title = _("Last login: {time} from {address}.").replace("{address}", previous.address)
    text = failed if previous.failures else ""
    return [Notice(level, title, text, time=previous.time)]


def _target() -> str:
    wanted = request.values.get("next", "")
    return wanted if is_local_path(wanted, request.script_root) else url_for("overview")


ROUTES = (
    Route("GET", "/login", login, public=True),
    Route("POST", "/login", log_in, public=True),
    Route("POST", "/logout", log_out),
)
