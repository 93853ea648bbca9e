"""What a page works with: the parts of one running web page, and how to reach them."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from flask import current_app, g

from fwknop_webui import defaults
from fwknop_webui.assets import Assets
from fwknop_webui.auth import Authenticator, Login, PasswordFile
from fwknop_webui.clock import Clock
from fwknop_webui.device_address import device_address
from fwknop_webui.file_store import FileStore
from fwknop_webui.front import FRONT, Front
from fwknop_webui.hidden import hidden
from fwknop_webui.live import LiveDaemon
from fwknop_webui.lockout import Lockout
from fwknop_webui.login_history import LoginHistory
from fwknop_webui.login_memory import LoginMemory, memory_file
from fwknop_webui.rollback import Rollback
from fwknop_webui.scrapes import Scrapes
from fwknop_webui.service_control import NoControl, ServiceControl, control_for
from fwknop_webui.sessions import (
    ABSOLUTE_SECONDS,
    IDLE_SECONDS,
    Limits,
    Session,
    SessionStore,
)
from fwknop_webui.staging import Draft
from fwknop_webui.store import Store
from fwknop_webui.versions import Versions
from fwknop_webui.web_settings import web_settings
from fwknopd.config.uci_format import UciPackage
from fwknopd.uci_store import DEFAULT_SAVEDIR

if TYPE_CHECKING:
    from fwknop_webui.rpcd import Rpcd

EXTENSION = "fwknop"


@dataclass(frozen=True, slots=True)
class WebConfig:
    """Where things are. ``allowed_hosts`` are names besides localhost people type."""

    uci: Path
    control: Path
    password_file: Path
    savedir: Path = DEFAULT_SAVEDIR
    allowed_hosts: tuple[str, ...] = ()
    public_names: tuple[str, ...] = ()
    """What it is called on the internet."""

    host_name: str = field(default_factory=socket.gethostname)
    start_command: str = defaults.START_COMMAND
    clock: Clock = field(default_factory=Clock)
    confirm_seconds: float = defaults.CONFIRM_SECONDS
    login_state: Path | None = None
    """Where failed logins are remembered; None: beside the password file."""

    rpcd: bool = False
    """Whether users and configuration are the router's, asked for by rpcd."""

    any_address: bool = False
    """Whether the page may be asked for by any address, as behind uhttpd."""

    is_behind: bool = False
    """Whether a web server in front decides address and certificate."""

    service: Path = defaults.SERVICE
    """The daemon's init script."""

    proc: Path = Path("/proc")
    """Where the kernel tells of memory and processes."""

    address_of: Callable[[str], str] = device_address
    """The address of a network device, "" for none."""

    classic: Path = defaults.CLASSIC
    """The folder of fwknopd.conf and access.conf, the only one files are imported from."""


@dataclass(frozen=True, slots=True)
class Services:
    """The parts, built once."""

    config: WebConfig
    store: Store
    authenticator: Authenticator
    live: LiveDaemon
    sessions: SessionStore
    lockout: Lockout
    scrapes: Scrapes
    logins: LoginHistory
    memory: LoginMemory
    assets: Assets
    rollback: Rollback
    rpcd: Rpcd | None = None
    service: ServiceControl = field(default_factory=NoControl)
    versions: Versions = field(default_factory=Versions)
    drawing: threading.Lock = field(default_factory=threading.Lock, repr=False)
    """Held while a sheet of QR codes is drawn and sent."""

    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    @property
    def clock(self) -> Clock:
        """The time."""
        return self.config.clock

    def remember_front(self, environ: Mapping[str, object]) -> None:
        """Ask rpcd where this request came from."""
        front = environ.get(FRONT)
        if self.rpcd is not None and isinstance(front, Front):
            self.rpcd.use(front)

    def forget_front(self) -> None:
        """The request is answered."""
        if self.rpcd is not None:
            self.rpcd.done()

    def seal(self, purpose: str, text: str) -> str:
        """A short code only this process can make for ``text``."""
        message = f"{purpose}\0{text}".encode()
        return hmac.new(self.secret, message, hashlib.sha256).hexdigest()[:32]


def build_services(config: WebConfig) -> Services:
    """The parts, for a router with rpcd or for a machine without it."""
    return _with_rpcd(_with_files(config)) if config.rpcd else _with_files(config)


def _with_rpcd(parts: Services) -> Services:
    """The same, with the router's users and their rights."""
    # Memory is short: only who needs them loads them, and TLS with OpenSSL only who has no other
    # way to uhttpd.
    with hidden("ssl"):
        from fwknop_webui.rpcd import Rpcd
    from fwknop_webui.rpcd_login import RpcdLogin
    from fwknop_webui.rpcd_service import RpcdService
    from fwknop_webui.rpcd_store import RpcdStore

    def login() -> Login:
        return require_session().login

    rpcd = Rpcd()
    store = RpcdStore(rpcd, login, parts.clock)
    rollback = Rollback(store, parts.live, parts.clock.monotonic)
    return replace(
        parts,
        rpcd=rpcd,
        store=store,
        authenticator=RpcdLogin(rpcd),
        rollback=rollback,
        service=RpcdService(rpcd, login),
    )


def _with_files(config: WebConfig) -> Services:
    """The UCI file and a password file."""
    lockout, logins = Lockout(config.clock.monotonic), LoginHistory()
    path = config.login_state or memory_file(config.password_file)
    memory = LoginMemory(path, config.clock, lockout, logins)
    memory.load()
    store = FileStore(config.uci, config.savedir, config.clock)
    live = LiveDaemon(config.control, config.start_command)
    return Services(
        config=config,
        store=store,
        authenticator=PasswordFile(config.password_file),
        live=live,
        sessions=SessionStore(config.clock.monotonic),
        lockout=lockout,
        scrapes=Scrapes(config.clock.monotonic),
        logins=logins,
        memory=memory,
        assets=Assets(),
        rollback=Rollback(store, live, config.clock.monotonic),
        service=control_for(config.service),
    )


def services() -> Services:
    """The parts, from within a request."""
    found: Services = current_app.extensions[EXTENSION]
    return found


def current_session() -> Session | None:
    """The session of this request, None when nobody is logged in."""
    found: Session | None = g.get("session")
    return found


def require_session() -> Session:
    """The session of a page that isn't public; security.py has made sure there is one."""
    session = current_session()
    if session is None:
        raise RuntimeError("a page that needs a session was reached without one")
    return session


def current_draft() -> Draft:
    """The configuration with this session's changes. Raises StoreError, ConfigError."""
    g.outdated = False
    draft = require_session().staging.on(services().store.load())
    # Pages say so, see shell.html.
    g.outdated = bool(draft.changes) and draft.is_stale
    services().sessions.limits = limits_of(draft.current.package)
    return draft


def limits_of(package: UciPackage) -> Limits:
    """How long a login lasts by this configuration."""
    found = web_settings(package)
    return Limits(
        IDLE_SECONDS if found.idle is None else found.idle,
        ABSOLUTE_SECONDS if found.length is None else found.length,
        is_promised=found.idle is not None,
    )
