"""The daemon's init script, run by rpcd for a user who may."""

from __future__ import annotations

from collections.abc import Callable

from fwknop_webui.auth import Login
from fwknop_webui.rpcd import DENIED, AccessDenied, Rpcd, RpcdError, RpcdStatus
from fwknop_webui.rpcd_login import RpcdLogin
from fwknop_webui.service_control import MAX_SAID, Action, ServiceFailed
from fwknop_webui.untyped import child, flag, number, text

NAME = "fwknopd"
SCRIPT = f"/etc/init.d/{NAME}"

EXEC_SECONDS = 45.0
"""For an init script, whose daemon may take its time to end. uhttpd gives our page 60."""


class RpcdService:
    """See ServiceControl; ``login`` tells whose request this is.

    ``rc init`` would be the obvious call; but a right to it is one to all services, the
    firewall included. A right to run a program is for one command line.
    """

    def __init__(self, rpcd: Rpcd, login: Callable[[], Login]) -> None:
        self._rpcd = rpcd
        self._login = login
        self._rights = RpcdLogin(rpcd)

    def is_enabled(self) -> bool | None:
        """See ServiceControl; None too for who may not change that."""
        login = self._login()
        try:
            if not self._rights.may(login, "file", f"{SCRIPT} {Action.START.value}", "exec"):
                return None
            listed = self._rpcd.call(login.rpcd, "rc", "list", {"name": NAME})
        except RpcdError:
            return None
        return flag(child(listed, NAME), "enabled")

    def run(self, action: Action) -> None:
        """See ServiceControl."""
        command = {"command": SCRIPT, "params": [action.value]}
        try:
            done = self._rpcd.call(
                self._login().rpcd, "file", "exec", command, seconds=EXEC_SECONDS
            )
        except AccessDenied as error:
            raise ServiceFailed(f"your account may not {action.value} it") from error
        except RpcdStatus as error:
            if error.code == DENIED:
                raise ServiceFailed(f"your account may not {action.value} it") from error
            raise ServiceFailed(str(error)) from error
        except RpcdError as error:
            raise ServiceFailed(str(error)) from error
        if number(done, "code"):
            said = text(done, "stderr").strip() or text(done, "stdout").strip()
            raise ServiceFailed(said[-MAX_SAID:] or f"{SCRIPT} {action.value} failed")
