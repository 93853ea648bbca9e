"""Who may log in: the Authenticator interface, and its form for machines without rpcd.

The password file holds one line, ``user:$scrypt$ln=L,r=R,p=P$salt$hash`` (salt and hash
in base64), and must be readable by its owner only.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
import shlex
import threading
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from fwknop_webui.atomic_file import replace_file
from fwknop_webui.i18n import _

LOG2_N, BLOCK, PARALLEL = 14, 8, 1
"""scrypt costs: 16 MiB and some 50 ms on a PC, half a second on a router."""

MAX_LOG2_N, MAX_BLOCK, MAX_PARALLEL = 17, 16, 4
MIN_LENGTH = 8
MAX_LENGTH = 1024

_LINE = re.compile(
    r"(?P<user>[^:\s]{1,64}):\$scrypt\$ln=(?P<n>\d{1,2}),r=(?P<r>\d{1,2}),p=(?P<p>\d)"
    r"\$(?P<salt>[A-Za-z0-9+/=]{8,88})\$(?P<hash>[A-Za-z0-9+/=]{40,88})"
)


class AuthError(Exception):
    """Nobody can log in. The text says why and what to do; it is shown on the login page."""


class Right(StrEnum):
    """What a request needs its user to be allowed: rpcd's words for it."""

    NONE = ""
    READ = "read"
    WRITE = "write"


class PasswordRefused(ValueError):
    """The new password is not acceptable; the text says what is expected."""


@dataclass(frozen=True, slots=True)
class Login:
    """Somebody gave the right password.

    ``rpcd``: the session rpcd has for it, as good as the password while it lasts; "" where
    there is no rpcd. ``owned``: made by us, and not by LuCI.
    """

    rpcd: str = field(default="", repr=False)
    owned: bool = True


@dataclass(frozen=True, slots=True)
class TakenOver:
    """Who is behind a session of LuCI's."""

    user: str
    login: Login


class Authenticator(Protocol):
    """Checks a user name and a password."""

    def authenticate(self, username: str, password: str) -> Login | None:
        """None when the pair is wrong. Raises AuthError when it can't be told."""
        ...

    def take_over(self, session: str) -> TakenOver | None:
        """Who is logged in to LuCI with this session, None if nobody. Raises AuthError."""
        ...

    def allows(self, login: Login, right: Right) -> bool:
        """Whether it still may. Raises SessionOver when it has ended, StoreError if unknown."""
        ...

    def end(self, login: Login) -> None:
        """The login is not needed any more."""
        ...

    @property
    def suggested_user(self) -> str:
        """The name the login page starts with."""
        ...


@dataclass(frozen=True, slots=True)
class _Entry:
    user: str
    salt: bytes
    hash: bytes = field(repr=False)
    log2_n: int = LOG2_N
    block: int = BLOCK
    parallel: int = PARALLEL

    def matches(self, password: str) -> bool:
        made = _scrypt(password, self.salt, self.log2_n, self.block, self.parallel, len(self.hash))
        return hmac.compare_digest(made, self.hash)


class PasswordFile:
    """One user and the scrypt hash of his password, in a file of mode 0600."""

    suggested_user = "root"

    def __init__(self, path: Path) -> None:
        self._path = path
        # One at a time: parallel tries would each take scrypt's 16 MiB of a small router.
        self._lock = threading.Lock()

    def authenticate(self, username: str, password: str) -> Login | None:
        """See Authenticator. Takes equally long for an unknown user."""
        entry = self._read()
        with self._lock:
            right_password = len(password) <= MAX_LENGTH and entry.matches(password)
        right = hmac.compare_digest(username.encode(), entry.user.encode()) and right_password
        return Login() if right else None

    def take_over(self, session: str) -> TakenOver | None:
        """There is no LuCI here."""
        return None

    def allows(self, login: Login, right: Right) -> bool:
        """The one user may do everything."""
        return True

    def end(self, login: Login) -> None:
        """Nothing is kept of it."""

    def _read(self) -> _Entry:
        try:
            with self._path.open(encoding="utf-8") as file:
                mode = os.fstat(file.fileno()).st_mode
                line = file.readline(512).strip()
        except FileNotFoundError as error:
            text = _(
                "No password is set yet, so nobody can log in. Set one on the router with: "
                "fwknop-webui passwd --password-file {file}"
            )
            raise AuthError(text.format(file=shlex.quote(str(self._path)))) from error
        except (OSError, UnicodeDecodeError) as error:
            text = _(
                "The password file {file} can't be read ({why}). Check that the web page's user "
                "owns it."
            )
            raise AuthError(text.format(file=self._path, why=_why(error))) from error
        if mode & 0o077:
            text = _("The password file {file} can be read by others. Run: chmod 600 {file}")
            raise AuthError(text.format(file=shlex.quote(str(self._path))))
        return _parse(line, self._path)


def _why(error: Exception) -> str:
    return (error.strerror or "error") if isinstance(error, OSError) else "not text"


def _parse(line: str, path: Path) -> _Entry:
    text = _(
        "The password file {file} is damaged. Set the password again with: "
        "fwknop-webui passwd --password-file {file}"
    )
    broken = AuthError(text.format(file=shlex.quote(str(path))))
    match = _LINE.fullmatch(line)
    if not match:
        raise broken
    log2_n, block, parallel = int(match["n"]), int(match["r"]), int(match["p"])
    # A damaged file must not make a login take all memory or all day.
    # RFC 7914: N is less than 2 to the power of 16 times the block.
    fits = 1 <= block <= MAX_BLOCK and 1 <= log2_n < min(MAX_LOG2_N + 1, 16 * block)
    if not (fits and 1 <= parallel <= MAX_PARALLEL):
        raise broken
    try:
        salt = base64.b64decode(match["salt"], validate=True)
        made = base64.b64decode(match["hash"], validate=True)
    except ValueError as error:
        raise broken from error
    return _Entry(match["user"], salt, made, log2_n, block, parallel)


def _scrypt(password: str, salt: bytes, log2_n: int, block: int, parallel: int, size: int) -> bytes:
    cost = 1 << log2_n
    return hashlib.scrypt(
        password.encode(),
        salt=salt,
        n=cost,
        r=block,
        p=parallel,
        dklen=size,
        maxmem=2 * 128 * cost * block + (1 << 20),
    )


def set_password(path: Path, password: str, user: str = "root") -> None:
    """Write the file anew, mode 0600. Raises PasswordRefused, OSError."""
    if not re.fullmatch(r"[^:\s]{1,64}", user):
        raise PasswordRefused("a user name has 1 to 64 characters, without blanks and colons")
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise PasswordRefused(f"a password needs at least {MIN_LENGTH} characters")
    salt = secrets.token_bytes(16)
    made = _scrypt(password, salt, LOG2_N, BLOCK, PARALLEL, 32)
    text = f"{user}:$scrypt$ln={LOG2_N},r={BLOCK},p={PARALLEL}${_b64(salt)}${_b64(made)}\n"
    replace_file(path, text)


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
