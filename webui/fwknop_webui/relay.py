"""Behind uhttpd: who may bring requests, whom they come from, and when nobody needs us any more.

On a router uhttpd runs a small script for each request (/www/cgi-bin/fwknop), which brings it
here. It finds port and secret of this run in the file ``door``, and starts us when we are gone.
"""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from os import getpid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from werkzeug.wsgi import ClosingIterator

from fwknop_webui.atomic_file import replace_file
from fwknop_webui.front import FRONT, Front

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

PREFIX = "/cgi-bin/fwknop"
"""Where uhttpd has the page."""

_SECRET, _CLIENT, _FRONT = "HTTP_X_FWKNOP_RELAY", "HTTP_X_FWKNOP_CLIENT", "HTTP_X_FWKNOP_FRONT"
_REFUSAL = b"This port is for the router's web server only.\n"


@dataclass(frozen=True, slots=True)
class Door:
    """Tells the relay, and nobody else, where and how to come in."""

    path: Path
    secret: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)

    def open(self, port: int) -> None:
        """Write the file. Raises OSError."""
        replace_file(self.path, f"{getpid()} {_began()} {port} {self.secret}\n")

    def close(self) -> None:
        """Take the file away."""
        self.path.unlink(missing_ok=True)


def _began() -> int:
    """When this process began, in the kernel's ticks: with its number it is the only such one."""
    fields = Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return int(fields[19])


@dataclass(slots=True)
class Use:
    """Whether anybody is using the page."""

    now: Callable[[], float] = time.monotonic
    _last: float = field(default=0.0, init=False)
    _running: int = field(default=0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        self._last = self.now()

    def begins(self) -> None:
        """A request has come."""
        with self._lock:
            self._running += 1

    def ends(self) -> None:
        """A request is done with."""
        with self._lock:
            self._running -= 1
            self._last = self.now()

    def is_over(self, after: float) -> bool:
        """No request for ``after`` seconds, and none on its way."""
        # No lock: a signal asks, perhaps in the middle of what holds it.
        return not self._running and self.now() - self._last >= after


@dataclass(frozen=True, slots=True)
class Relayed:
    """``app`` for the relay alone, which is believed in who asks and over which connection."""

    app: WSGIApplication
    secret: str = field(repr=False)
    use: Use

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        given = environ.pop(_SECRET, "")
        client, front = environ.pop(_CLIENT, ""), environ.pop(_FRONT, "")
        if not hmac.compare_digest(str(given).encode(), self.secret.encode()):
            length = str(len(_REFUSAL))
            headers = [("Content-Type", "text/plain"), ("Content-Length", length)]
            start_response("403 Forbidden", headers)
            return [_REFUSAL]
        environ["REMOTE_ADDR"] = plain_address(str(client)) or "unknown"
        environ[FRONT] = seen = parse_front(str(front))
        environ["wsgi.url_scheme"] = "https" if seen and seen.tls else "http"
        return self._counted(environ, start_response)

    def _counted(self, environ: WSGIEnvironment, start_response: Any) -> Iterable[bytes]:
        """A long answer is being made until its last piece is sent."""
        self.use.begins()
        try:
            return ClosingIterator(self.app(environ, start_response), self.use.ends)
        except BaseException:
            self.use.ends()
            raise


def plain_address(text: str) -> str:
    """An address in its one form, IPv4 where it is one; "" if it is none."""
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(address).partition("%")[0]
    return str(address)


def parse_front(text: str) -> Front | None:
    """What the relay says of the web server: ``on|off PORT ADDRESS``."""
    tls, _, rest = text.partition(" ")
    port, _, host = rest.partition(" ")
    if not (port.isascii() and port.isdigit() and len(port) < 6 and 0 < int(port) <= 65535):
        return None
    # An address of one cable says nothing without the cable.
    address = "::1" if host.lower().startswith("fe80:") else plain_address(host)
    return Front(address, int(port), tls == "on") if address else None
