"""The guard in front of every page, and the headers behind it.

Order matters: a foreign Host is turned away before anything else happens, a forged
request before anything is looked up for it.
"""

from __future__ import annotations

import hmac
import secrets

from flask import Flask, Response, abort, g, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue

from fwknop_webui.auth import Right
from fwknop_webui.hosts import is_address, is_allowed, is_same_origin
from fwknop_webui.routes import FORM, Limits, Route
from fwknop_webui.services import WebConfig, current_session, require_session, services
from fwknop_webui.sessions import Session
from fwknop_webui.store import NotAllowed, SessionOver
from fwknopd.uci_store import StoreError

COOKIE = "fwknop_webui"
LOGIN_COOKIE = "fwknop_webui_login"
OVER_TLS = "_https"
"""Behind both names under https: no http answer may replace a Secure cookie of its name."""

SAFE = frozenset({"GET", "HEAD"})

BUSY_SECONDS = 2.0
"""How long a request waits for another one of the same session that changes something."""

LOOK_SECONDS = 5.0
"""How long somebody may look on after the router has ended the session."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Nothing leaves this site. Not "no-referrer": with that, browsers send "Origin: null"
    # with our own forms, and plain http gives no Sec-Fetch-Site to tell them by instead.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class Guard:
    """Hooks around every request. ``routes`` say which pages are public or polled."""

    def __init__(self, routes: dict[str, Route]) -> None:
        self._routes = routes

    def attach(self, app: Flask) -> None:
        """Register the hooks."""
        app.before_request(self.check)
        app.teardown_request(_release)
        app.after_request(_add_headers)

    def check(self) -> ResponseReturnValue | None:
        """None lets the request through."""
        _check_host(request.headers.get("Host", ""), services().config)
        if not request.query_string.isascii():
            # No browser sends that, and whoever reads request.args would fail by it.
            abort(400)
        services().remember_front(request.environ)
        route = g.route = self._routes.get(request.endpoint or "")
        _limit(route.limits if route else FORM)
        polled = route is not None and route.polled
        found = services().sessions.find(_cookie(COOKIE), touch=not polled)
        g.session, g.former = (None, found) if found and found.is_over else (found, None)
        if request.method not in SAFE:
            answer = self._check_unsafe(route)
        else:
            needed = route and not route.public and g.session is None
            answer = _login_needed(route) if route and needed else None
        if answer is None and route and not route.public:
            _check_rights(route.needed)
        return answer

    def _check_unsafe(self, route: Route | None) -> ResponseReturnValue | None:
        same = is_same_origin(
            request.headers.get("Host", ""),
            request.headers.get("Origin"),
            request.headers.get("Sec-Fetch-Site"),
        )
        if not same:
            abort(403, "origin")
        if route and route.foreign:
            return None
        session = current_session()
        if session is None and route and not route.public:
            return _login_needed(route)
        if not hmac.compare_digest(_expected_token(session), _given_token()):
            abort(403, "token")
        if session:
            hold(session)
        return None


def _check_host(header: str, config: WebConfig) -> None:
    if config.any_address and is_address(header):
        return
    if not is_allowed(header, config.allowed_hosts):
        abort(421)


def _check_rights(needed: Right) -> None:
    """Not every page asks the router for something, so each asks whether its user still may."""
    session, now = require_session(), services().clock.monotonic()
    seen = session.looked is not None and now - session.looked < LOOK_SECONDS
    if needed is Right.NONE or (needed is Right.READ and seen):
        return
    try:
        if not services().authenticator.allows(session.login, needed):
            raise _refusal(needed)
    except (SessionOver, NotAllowed):
        raise
    except StoreError:
        # A page that only shows something says itself what is wrong.
        if needed is Right.WRITE:
            raise
    else:
        session.looked = now


def _refusal(needed: Right) -> StoreError:
    if needed is Right.READ:
        return SessionOver("this account may not look at this page any more", "Log in again.")
    return NotAllowed("this account may look at this page, but not change anything", "")


def _limit(limits: Limits) -> None:
    request.max_content_length = request.max_form_memory_size = limits.body
    request.max_form_parts = limits.parts


def _given_token() -> bytes:
    return request.form.get("csrf", "").encode()


def _expected_token(session: Session | None) -> bytes:
    if session:
        return session.csrf.encode()
    cookie = _cookie(LOGIN_COOKIE)
    # Without the cookie nothing can match: the answer is as random as a fresh key.
    return (services().seal("login", cookie) if cookie else secrets.token_hex()).encode()


def csrf_token() -> str:
    """The token for the forms of this page."""
    session = current_session()
    return session.csrf if session else services().seal("login", _login_nonce())


def _login_nonce() -> str:
    """Ties the login form to this browser before there is a session."""
    if "login_nonce" not in g:
        known = _cookie(LOGIN_COOKIE)
        g.login_nonce = known if 20 <= len(known) <= 64 else secrets.token_urlsafe(24)
    nonce: str = g.login_nonce
    return nonce


def login_again() -> ResponseReturnValue:
    """rpcd has ended the session behind this one. What is staged waits for the same user."""
    session = current_session()
    if session is not None:
        session.is_over = True
    route: Route | None = g.get("route")
    return _login_needed(route) if route else redirect(url_for("login"), 303)


def _login_needed(route: Route) -> ResponseReturnValue:
    if route.polled:
        return jsonify(login=url_for("login")), 403
    wanted = request.full_path.rstrip("?") if request.method in SAFE else ""
    target = request.script_root + wanted
    return redirect(url_for("login", next=target if wanted not in ("", "/") else None), 303)


def hold(session: Session) -> None:
    """Let no other request change something in this session until the end of this one."""
    if g.get("held") is session:
        return
    # A daemon that hangs keeps one request waiting; more of the same session must not join it,
    # or a few clicks would take all threads and with them the page.
    if not session.lock.acquire(timeout=BUSY_SECONDS):
        abort(503)
    g.held = session


def let_go() -> None:
    """Let other requests change something in this session: this one changes nothing more."""
    held: Session | None = g.pop("held", None)
    if held:
        held.lock.release()


def _release(_error: BaseException | None) -> None:
    let_go()
    services().forget_front()


def cookie_name(name: str) -> str:
    """What the browser knows this cookie by, under the scheme of this request."""
    return name + OVER_TLS if request.is_secure else name


def _cookie(name: str) -> str:
    return request.cookies.get(cookie_name(name), "")


def set_cookie(response: Response, name: str, value: str) -> None:
    """A cookie no script and no other site can use."""
    path = request.script_root or "/"
    name, secure = cookie_name(name), request.is_secure
    response.set_cookie(name, value, path=path, httponly=True, samesite="Strict", secure=secure)


def drop_cookie(response: Response, name: str) -> None:
    """Make the browser forget the cookie."""
    path = request.script_root or "/"
    name, secure = cookie_name(name), request.is_secure
    response.delete_cookie(name, path=path, httponly=True, samesite="Strict", secure=secure)


def _add_headers(response: Response) -> Response:
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
    if "login_nonce" in g:
        set_cookie(response, LOGIN_COOKIE, g.login_nonce)
    return response
