"""Asking rpcd on behalf of a logged-in user, by way of the router's own web server.

uhttpd looks into rpcd's access lists before it passes a call on, and puts the session into it.
On ubus itself a call without a session is nobody's and may do everything: whoever is let on
there can change every file in /etc/config as root. So this process, which is not root, asks
where LuCI's browsers ask, and can do no more than the user it asks for.
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Mapping
from typing import Any

from fwknop_webui.front import Front
from fwknop_webui.i18n import _
from fwknop_webui.untyped import Json
from fwknopd.uci_store import StoreError

NOBODY = "0" * 32
"""The session of who is not logged in: it may log in."""

TIME_LIMIT = 10.0
"""Seconds for an answer, unless the caller knows better."""

KEPT_SECONDS = 5.0
"""So long a connection is used again. uhttpd closes it after 20 unless told otherwise."""

MAX_ANSWER = 4 << 20
"""Bytes."""

# Of ubus (UBUS_STATUS_*), and of JSON-RPC as uhttpd uses it.
NOT_FOUND, NO_DATA, DENIED = 4, 5, 6
_NO_OBJECT, _NO_ACCESS = -32000, -32002


class RpcdError(StoreError):
    """rpcd can't be asked, or gives an answer nobody expected."""


class RpcdStatus(RpcdError):
    """rpcd refused: ``code`` is a UBUS_STATUS."""

    def __init__(self, code: int, call: str) -> None:
        self.code = code
        text = _("the router's rpcd refused {call} (status {code})")
        super().__init__(text.format(call=call, code=code), _("See logread."))


class AccessDenied(RpcdError):
    """The access list of this session has no such call; or the session is over."""


class _Own(threading.local):
    """What each thread has for itself: a request's connection, from its first call to its end."""

    in_request = False
    connection: http.client.HTTPConnection | None = None
    last = 0.0


class Rpcd:
    """rpcd behind the web server that the last request came through."""

    def __init__(self) -> None:
        self._front: Front | None = None
        self._own = _Own()

    def use(self, front: Front) -> None:
        """A request came through this one. Until ``done`` its calls share one connection."""
        self.done()
        self._front = front
        self._own.in_request = True

    def done(self) -> None:
        """The request is answered."""
        self._hang_up()
        self._own.in_request = False

    def call(
        self,
        session: str,
        subject: str,
        method: str,
        message: Json,
        seconds: float = TIME_LIMIT,
    ) -> Json:
        """One call, answered within ``seconds``; one without content is {}. Raises RpcdError."""
        front = self._front
        if front is None:
            raise RpcdError(
                _("the router's web server can't be asked: the page was not opened through it"),
                _("Open it at /cgi-bin/fwknop."),
            )
        try:
            return self._ask(front, seconds, session, subject, method, message)
        except (OSError, http.client.HTTPException) as error:
            raise RpcdError(
                _("the router's web server gave no answer ({why})").format(why=error),
                _("Check with `/etc/init.d/uhttpd status` and `/etc/init.d/rpcd status`."),
            ) from error

    def _ask(self, front: Front, seconds: float, *call: Any) -> Json:
        connection = self._connection(front, seconds)
        kept = False
        try:
            answer = _ask(connection, *call)
            kept = True
        except (RpcdStatus, AccessDenied):
            kept = True
            raise
        finally:
            self._own.last = time.monotonic()
            if not (kept and self._own.in_request):
                self._hang_up()
        return answer

    def _connection(self, front: Front, seconds: float) -> http.client.HTTPConnection:
        own = self._own
        if time.monotonic() - own.last > KEPT_SECONDS:
            self._hang_up()
        if own.connection is None or own.connection.sock is None:
            own.connection = _connect(front, seconds)
        else:
            own.connection.sock.settimeout(seconds)
        return own.connection

    def _hang_up(self) -> None:
        connection, self._own.connection = self._own.connection, None
        if connection is not None:
            connection.close()


def _connect(front: Front, seconds: float) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(front.host, front.port, timeout=seconds)
    if front.tls:
        connection.sock = _wrapped(front, seconds)
    return connection


def _wrapped(front: Front, seconds: float) -> socket.socket:
    # A router's certificate is its own and names nobody. It needn't: this is an address of the
    # machine itself, and the way there leads through no wire.
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    plain = socket.create_connection((front.host, front.port), seconds)
    try:
        return context.wrap_socket(plain)
    except BaseException:
        plain.close()
        raise


def _ask(
    connection: http.client.HTTPConnection, session: str, subject: str, method: str, message: Json
) -> Json:
    request = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "call",
        "params": [session, subject, method, message],
    }
    body = json.dumps(request, ensure_ascii=False).encode("utf-8", "surrogateescape")
    connection.request("POST", "/ubus", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    raw = response.read(MAX_ANSWER + 1)
    if response.status != 200:
        raise RpcdError(
            _("the router's web server answers {status} at /ubus").format(status=response.status),
            _(
                "Install the package uhttpd-mod-ubus, and set `option ubus_prefix '/ubus'` in "
                "/etc/config/uhttpd."
            ),
        )
    return _result(raw, f"{subject} {method}")


def _result(raw: bytes, call: str) -> Json:
    try:
        answer = json.loads(raw.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise _strange(call)
    error = answer.get("error")
    if isinstance(error, dict):
        raise _refusal(error, call)
    result = answer.get("result")
    if not (isinstance(result, list) and result and isinstance(result[0], int)):
        raise _strange(call)
    if result[0]:
        raise RpcdStatus(result[0], call)
    content = result[1] if len(result) > 1 else {}
    return content if isinstance(content, dict) else {}


def _refusal(error: Mapping[str, object], call: str) -> RpcdError:
    if error.get("code") == _NO_ACCESS:
        return AccessDenied(
            _("this account may not use {call}").format(call=call),
            _("Give it the access group luci-app-fwknopd in /etc/config/rpcd, or use another."),
        )
    if error.get("code") == _NO_OBJECT:
        return RpcdError(
            _("the router offers no {object} on ubus").format(object=call.partition(" ")[0]),
            _("Start rpcd: /etc/init.d/rpcd restart"),
        )
    return _strange(call)


def _strange(call: str) -> RpcdError:
    text = _("the router's web server answered {call} in a way nobody expected")
    return RpcdError(text.format(call=call), "")
