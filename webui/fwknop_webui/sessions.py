"""Logged-in sessions, kept in memory: revocable, never on disk, gone at a restart."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from fwknop_webui.auth import Login
from fwknop_webui.notices import Notice
from fwknop_webui.staging import Draft, Staging

IDLE_SECONDS = 3600.0
ABSOLUTE_SECONDS = 12 * 3600.0
UNVISITED_SECONDS = 900.0
"""Behind a web server the page ends after so long without a visitor, and with it all logins."""

FRESH_SECONDS = 600.0
"""How long after giving the password keys are shown without asking for it again."""

MAX_SESSIONS = 32


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a login lasts, in seconds: without anything done, and at most.

    ``is_promised``: somebody has set the first, so the page has to be there for as long.
    """

    idle: float = IDLE_SECONDS
    length: float = ABSOLUTE_SECONDS
    is_promised: bool = False


def _token() -> str:
    return secrets.token_urlsafe(32)


@dataclass(frozen=True, slots=True)
class Held:
    """Something to be looked over before it is taken, such as an upload.

    ``token`` tells it from another one: a page must not confirm what it didn't show.
    """

    content: object = field(repr=False)
    token: str = field(default_factory=_token, repr=False)


@dataclass(frozen=True, slots=True)
class Applied:
    """What this session applied and nobody confirmed yet.

    ``id`` is the store's for it. ``notice`` says what came of it and ``target`` is the page
    to go on to, once it is kept.
    ``refused``: the daemon would not take it and goes on with what it had.
    """

    id: str
    draft: Draft = field(repr=False)
    notice: Notice
    target: str
    refused: bool = False


@dataclass(slots=True, eq=False)
class Session:
    """One login. Times are monotonic seconds.

    ``lock`` is held while a request changes something, so that two tabs can't stage or
    apply across each other.
    """

    username: str
    created: float
    last_used: float
    authenticated: float
    login: Login = field(default_factory=Login, repr=False)
    id: str = field(default_factory=_token, repr=False)
    csrf: str = field(default_factory=_token, repr=False)
    staging: Staging = field(default_factory=Staging, repr=False)
    notices: list[Notice] = field(default_factory=list, repr=False)
    server_name: str = ""
    looked: float | None = None
    """When its right to look was last asked for."""

    is_over: bool = False
    """Whether its user has to log in again; what is staged waits for that."""

    applied: Applied | None = field(default=None, repr=False)
    told: int = 0
    """The number of the last rollback it was told of."""

    held: Held | None = field(default=None, repr=False)
    imported: frozenset[str] = frozenset()
    """Names of the clients that came with the last import: their QR codes are wanted next."""

    ticked: tuple[str, tuple[str, ...]] = ("", ())
    """Which clients were ticked when the list was turned over, by their ids in which version."""

    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def take_notices(self) -> list[Notice]:
        """The messages to show on the next page, once."""
        taken, self.notices = self.notices, []
        return taken


class SessionStore:
    """All sessions, by id."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.limits = Limits()
        """As the configuration had them when it was read last."""

        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    def create(self, username: str, login: Login | None = None) -> Session:
        """A new session with a new id; the least recently used one goes when there are many.

        With a login that was taken over nobody has given a password here.
        """
        now, login = self._now(), login or Login()
        given = now if login.owned else now - FRESH_SECONDS
        session = Session(username, now, now, given, login)
        with self._lock:
            self._drop_expired(now)
            while len(self._sessions) >= MAX_SESSIONS:
                oldest = min(self._sessions.values(), key=lambda item: item.last_used)
                del self._sessions[oldest.id]
            self._sessions[session.id] = session
        return session

    def renew(self, session: Session, login: Login) -> None:
        """Its user has logged in again: it goes on, under a new id and with a new token."""
        now = self._now()
        if login.owned:
            session.authenticated = now
        elif session.is_over:
            session.authenticated = now - FRESH_SECONDS
        with self._lock:
            self._sessions.pop(session.id, None)
            session.id, session.csrf = _token(), _token()
            session.login, session.is_over, session.looked = login, False, None
            session.created = session.last_used = now
            self._sessions[session.id] = session

    def find(self, session_id: str, *, touch: bool = True) -> Session | None:
        """The live session of that id. ``touch`` False: this isn't a person's action (polling)."""
        now = self._now()
        with self._lock:
            self._drop_expired(now)
            session = self._sessions.get(session_id)
            if session and touch:
                session.last_used = now
            return session

    def close(self, session_id: str) -> None:
        """Log out."""
        with self._lock:
            self._sessions.pop(session_id, None)

    def is_needed(self) -> bool:
        """Whether a live session has changes that are not applied, or a time it was promised.

        Never waits, for a signal asks, perhaps in the middle of what holds the lock: while
        somebody is at the sessions, it may be.
        """
        if not self._lock.acquire(blocking=False):
            return True
        try:
            self._drop_expired(self._now())
            promised = self.limits.is_promised
            return any(promised or session.staging for session in self._sessions.values())
        finally:
            self._lock.release()

    def fresh(self, session: Session) -> bool:
        """True while the password was given recently enough to show keys."""
        return self._now() - session.authenticated < FRESH_SECONDS

    def refresh(self, session: Session) -> None:
        """The password was just given again."""
        session.authenticated = self._now()

    def _drop_expired(self, now: float) -> None:
        for session in list(self._sessions.values()):
            idle = now - session.last_used >= self.limits.idle
            if idle or now - session.created >= self.limits.length:
                del self._sessions[session.id]
