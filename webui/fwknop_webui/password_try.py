"""One try at the password: reserved, checked, counted."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from flask import request

from fwknop_webui.auth import AuthError, Login
from fwknop_webui.services import services

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of it. ``login``: the password was right; ``wait``: seconds until the next try.

    ``trouble``: why nobody can log in.
    """

    login: Login | None = None
    wait: int = 0
    trouble: str = ""


def address() -> str:
    """Who is asking."""
    return request.remote_addr or "unknown"


def try_password(username: str, password: str) -> Tried:
    """Check the pair, unless this address has to wait."""
    lockout = services().lockout
    if wait := lockout.begin(address()):
        return Tried(wait=wait)
    try:
        login = services().authenticator.authenticate(username, password)
    except AuthError as error:
        lockout.abandoned(address())
        return Tried(trouble=str(error))
    except BaseException:
        lockout.abandoned(address())
        raise
    return _right(login) if login else _wrong()


def _right(login: Login) -> Tried:
    services().lockout.succeeded(address())
    return Tried(login)


def _wrong() -> Tried:
    services().logins.failed()
    if services().lockout.failed(address()):
        log.warning("too many wrong passwords from %s: locked for a while", address())
    services().memory.save()
    return Tried(wait=services().lockout.wait(address()))
