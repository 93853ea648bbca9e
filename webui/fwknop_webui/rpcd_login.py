"""Logging in with the router's own users, as LuCI does; and taking over LuCI's session."""

from __future__ import annotations

import re
import secrets
from contextlib import suppress

from fwknop_webui.auth import MAX_LENGTH, AuthError, Login, Right, TakenOver
from fwknop_webui.i18n import _
from fwknop_webui.rpcd import DENIED, NOBODY, AccessDenied, Rpcd, RpcdError, RpcdStatus
from fwknop_webui.sessions import IDLE_SECONDS
from fwknop_webui.store import SessionOver
from fwknop_webui.untyped import child, flag, text
from fwknop_webui.web_settings import GLOBAL, IDLE, idle_seconds

PACKAGE = "fwknopd"

_SESSION = re.compile("[0-9a-f]{32}")
_USER = re.compile(r"[^\x00-\x1f\x7f]{1,64}")


class RpcdLogin:
    """rpcd's ``session login``, over a connection: the password is in no command line."""

    suggested_user = "root"

    def __init__(self, rpcd: Rpcd) -> None:
        self._rpcd = rpcd

    def authenticate(self, username: str, password: str) -> Login | None:
        """See Authenticator. Refuses accounts without a password, and without access."""
        if not _USER.fullmatch(username) or "\0" in password or len(password) > MAX_LENGTH:
            return None
        try:
            login = self._log_in(username, password)
            if login is not None:
                self._check(login, username)
                login = self._lasting(login, username, password)
        except RpcdError as error:
            raise AuthError(str(error)) from error
        return login

    def _lasting(self, login: Login, username: str, password: str) -> Login | None:
        """A login for as long as the configuration says, which only who is logged in can read."""
        seconds = self._idle_seconds(login)
        if seconds == IDLE_SECONDS:
            return login
        self.end(login)
        return self._log_in(username, password, seconds)

    def _idle_seconds(self, login: Login) -> float:
        try:
            answer = self._rpcd.call(login.rpcd, "uci", "get", {"config": PACKAGE})
        except RpcdError:
            # A file that can't be read is told on the pages.
            return IDLE_SECONDS
        sections = child(answer, "values").values()
        set_to = [
            text(s, IDLE) for s in sections if isinstance(s, dict) and s.get(".type") == GLOBAL
        ]
        wanted = idle_seconds(next(filter(None, reversed(set_to)), ""))
        return IDLE_SECONDS if wanted is None else wanted

    def _log_in(self, username: str, password: str, seconds: float = IDLE_SECONDS) -> Login | None:
        message = {"username": username, "password": password, "timeout": int(seconds)}
        try:
            answer = self._rpcd.call(NOBODY, "session", "login", message)
        except RpcdStatus as error:
            if error.code == DENIED:
                return None
            raise
        session = text(answer, "ubus_rpc_session")
        return Login(session) if _SESSION.fullmatch(session) else None

    def _check(self, login: Login, username: str) -> None:
        """Raises AuthError, with nothing left behind, if this login is not good enough."""
        try:
            self._check_password(username)
            if not self.may(login, "uci", PACKAGE, "read"):
                refusal = _(
                    "The account {name} has no access to the firewall knock daemon. Add "
                    "`list read 'luci-app-fwknopd'` to it in /etc/config/rpcd."
                )
                raise AuthError(refusal.format(name=username))
        except BaseException:
            self.end(login)
            raise

    def _check_password(self, username: str) -> None:
        # With an empty password, which every router has at first, rpcd takes any.
        any_other = self._log_in(username, secrets.token_urlsafe(24))
        if any_other is not None:
            self.end(any_other)
            refusal = _(
                "The account {name} has no password, so everybody in this network could "
                "log in. Set one first: in LuCI under System, Administration, or with `passwd`."
            )
            raise AuthError(refusal.format(name=username))

    def may(self, login: Login, scope: str, subject: str, function: str) -> bool:
        """Whether the session has this right. Raises RpcdError; SessionOver when it is over."""
        message = {"scope": scope, "object": subject, "function": function}
        try:
            return flag(self._rpcd.call(login.rpcd, "session", "access", message), "access")
        except AccessDenied as error:
            # Everybody may ask this, even who is not logged in.
            raise SessionOver("the router has ended this session", "Log in again.") from error

    def allows(self, login: Login, right: Right) -> bool:
        """See Authenticator: what rpcd says of the configuration holds for the whole page."""
        return right is Right.NONE or self.may(login, "uci", PACKAGE, right.value)

    def take_over(self, session: str) -> TakenOver | None:
        """See Authenticator: the session is LuCI's, and whoever knows it is its user."""
        if not _SESSION.fullmatch(session) or session == NOBODY:
            return None
        login = Login(session, owned=False)
        try:
            if not self.may(login, "access-group", "luci-app-fwknopd", "read"):
                return None
            answer = self._rpcd.call(session, "session", "get", {})
            user = text(child(answer, "values"), "username")
            if not _USER.fullmatch(user):
                return None
            self._check_password(user)
        except SessionOver:
            return None
        except RpcdError as error:
            raise AuthError(str(error)) from error
        return TakenOver(user, login)

    def end(self, login: Login) -> None:
        """Forget the session, if it is ours. What can't be ended now expires."""
        if login.owned and login.rpcd:
            with suppress(RpcdError):
                self._rpcd.call(login.rpcd, "session", "destroy", {})
