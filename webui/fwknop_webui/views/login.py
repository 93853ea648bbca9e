"""Logging in and out."""

from __future__ import annotations

from flask import Response, g, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response as WerkzeugResponse

from fwknop_webui import defaults
from fwknop_webui.auth import Login, Right
from fwknop_webui.hosts import is_local_path
from fwknop_webui.i18n import _, ngettext
from fwknop_webui.lockout import minutes_and_seconds
from fwknop_webui.notices import Level, Notice
from fwknop_webui.pages import render
from fwknop_webui.password_try import address, try_password
from fwknop_webui.routes import Route
from fwknop_webui.security import COOKIE, LOGIN_COOKIE, drop_cookie, hold, set_cookie
from fwknop_webui.services import current_session, require_session, services
from fwknop_webui.sessions import Session

LUCI = "/cgi-bin/luci/admin/services/fwknopd"
"""Where LuCI's menu entry is, which logs in who is logged in there."""


def login() -> ResponseReturnValue:
    """The form."""
    if current_session():
        return redirect(_target())
    return login_page()


def log_in() -> ResponseReturnValue:
    """Check the password and start a session."""
    username = request.form.get("username", "")
    tried = try_password(username, request.form.get("password", ""))
    if tried.login:
        return begin_session(username, tried.login, redirect(_target(), 303))
    if tried.trouble:
        return login_page(tried.trouble), 503
    if tried.wait:
        return _too_many(tried.wait)
    return login_page(_("Wrong username or password.")), 401


def log_out() -> ResponseReturnValue:
    """End the session."""
    _close(require_session())
    response = make_response(redirect(url_for("login"), 303))
    drop_cookie(response, COOKIE)
    return response


def _too_many(wait: int) -> ResponseReturnValue:
    """The answer while an address has to wait."""
    text = _("Too many wrong passwords. Try again in {time}.")
    response = make_response(login_page(text.format(time=minutes_and_seconds(wait)), wait), 429)
    response.headers["Retry-After"] = str(wait)
    return response


def login_page(trouble: str = "", wait: int = 0) -> str:
    """The form, with what went wrong; ``wait`` is in seconds."""
    return render(
        "login.html",
        trouble=trouble,
        wait=wait,
        username=request.form.get("username") or services().authenticator.suggested_user,
        next=request.values.get("next", ""),
        luci=LUCI if services().config.rpcd and defaults.LUCI.exists() else "",
    )


def _close(session: Session) -> None:
    services().sessions.close(session.id)
    _end(session.login)


def _end(login: Login) -> None:
    """What is applied with it can be confirmed with it alone."""
    if not services().store.spares(login):
        services().authenticator.end(login)


def _session(username: str, login: Login) -> Session:
    """The same browser's session of the same user goes on, with all that is unsaved in it.

    LuCI's menu entry hands its login over each time somebody opens it.
    """
    former: Session | None = current_session() or g.get("former")
    if former is None:
        return services().sessions.create(username, login)
    if former.username != username:
        _close(former)
        return services().sessions.create(username, login)
    hold(former)
    before = former.login
    services().sessions.renew(former, login)
    _end(before)
    return former


def begin_session(username: str, login: Login, answer: WerkzeugResponse) -> Response:
    """Log somebody in; ``answer`` gets the cookie."""
    session = _session(username, login)
    session.notices += _previous_login()
    response = make_response(answer)
    set_cookie(response, COOKIE, session.id)
    drop_cookie(response, LOGIN_COOKIE)
    return response


def _previous_login() -> list[Notice]:
    """What an owner should notice: a login that was not his, or somebody guessing."""
    previous = services().logins.succeeded(services().clock.wall(), address())
    services().memory.save()
    if previous is None:
        return []
    if not previous.address:
        failed = ngettext(
            "{n} wrong password before this login.",
            "{n} wrong passwords before this login.",
            previous.failures,
        )
        return [Notice(Level.WARNING, failed.format(n=previous.failures))]
    failed = ngettext(
        "{n} wrong password since.", "{n} wrong passwords since.", previous.failures
    ).format(n=previous.failures)
    level = Level.WARNING if previous.failures else Level.INFO
    title = _("Last login: {time} from {address}.").replace("{address}", previous.address)
    text = failed if previous.failures else ""
    return [Notice(level, title, text, time=previous.time)]


def _target() -> str:
    wanted = request.values.get("next", "")
    return wanted if is_local_path(wanted, request.script_root) else url_for("overview")


ROUTES = (
    Route("GET", "/login", login, public=True),
    Route("POST", "/login", log_in, public=True),
    Route("POST", "/logout", log_out, right=Right.NONE),
)
