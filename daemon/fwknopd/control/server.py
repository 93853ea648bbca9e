"""The daemon's side of the control socket, as a guest in the service's selectors loop.

Nothing here waits: one request is served per turn of the loop, answers go out as fast
as the client takes them, and meanwhile no further request of that client is read. A
client that holds memory or a place without taking its answers is dropped, the longest
silent one first, so that the next person who asks is always let in. Followers are silent
by nature: they have places of their own, which those who only ask take from them in one case
alone, when the process has no descriptor left and nobody else to drop.

Two descriptors are kept in reserve, so that somebody can ask what is the matter even when the
process has no other left: one for the connection, one to load what answers.
"""

from __future__ import annotations

import errno
import selectors
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from fwknopd.control.connection import Connection, LineTooLongError
from fwknopd.control.listening import ControlSocketError, Listener, Peer
from fwknopd.control.protocol import (
    MAX_LINE,
    Json,
    Request,
    VerbError,
    decode_request,
    encode_error,
    encode_event,
    encode_result,
)
from fwknopd.control.reserve import Reserve

__all__ = ["ControlServer", "ControlSocketError", "Handler"]

Handler = Callable[[Json], Json]


class Handlers(Protocol):
    """Handlers by verb, like a dict of them."""

    def get(self, verb: str, /) -> Handler | None:
        """Who answers this verb."""


MAX_CLIENTS = 16
MAX_FOLLOWERS = 12
"""Of the clients. The places left are for those who ask and go."""

MAX_BACKLOG = 4 * 1024 * 1024
"""Bytes all clients together may leave untaken."""

MAX_FOLLOW_LINES = 500
"""Events a follower may lag behind."""

RESERVED = 2
"""Descriptors that are opened to be given up."""

OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)
"""The process, or the whole machine, has as many as it may."""

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class ControlServer:
    """Answers the verbs in ``handlers`` on a socket at ``path``.

    A handler takes the checked arguments and returns the result; it refuses by raising
    VerbError. ``group`` is a group id that may connect beside root. Opening raises
    ControlSocketError.
    """

    def __init__(self, path: Path | str, handlers: Handlers, group: int | None = None) -> None:
        self._handlers = handlers
        self._listener = Listener(Path(path), group)
        self._selector: selectors.BaseSelector | None = None
        # Ordered by last sign of life, oldest first.
        self._connections: dict[Connection, None] = {}
        self._reserve = Reserve(RESERVED)
        self.peer: Peer | None = None
        """Who asked for what is being handled, None in between."""

    @property
    def clients(self) -> int:
        """Connections now."""
        return len(self._connections)

    def attach(self, selector: selectors.BaseSelector) -> None:
        """Join a loop. Each key's data is a callback that takes the event mask."""
        self._selector = selector
        selector.register(self._listener.socket, READ, self._accept)

    @property
    def followers(self) -> list[Connection]:
        """Who wants to be sent events."""
        return [c for c in self._connections if c.following]

    def publish(self, event: Mapping[str, object]) -> None:
        """Send an event to everybody who follows; one who lags too far behind is dropped."""
        line = encode_event(event)
        for follower in self.followers:
            self._send_event(follower, line)

    def close(self) -> None:
        """Hang up on everybody and remove the socket."""
        for connection in list(self._connections):
            self._drop(connection)
        if self._selector is not None:
            self._selector.unregister(self._listener.socket)
            self._selector = None
        self._listener.close()
        self._reserve.close()

    def _accept(self, _mask: int) -> None:
        connected = self._next_client()
        if connected is None:
            return
        if len(self._connections) >= MAX_CLIENTS:
            self._drop(next(c for c in self._connections if not c.following))
        connection = Connection(connected)
        self._connections[connection] = None
        self._loop.register(connected, READ, lambda mask: self._serve(connection, mask))

    def _next_client(self) -> socket.socket | None:
        """None if it hung up again before we looked."""
        try:
            return self._listener.socket.accept()[0]
        except OSError as error:
            if error.errno not in OUT_OF_DESCRIPTORS:
                return None
        # Left waiting it would wake us again at once, and again.
        asking = (c for c in self._connections if not c.following)
        if silent := next(asking, None) or next(iter(self._connections), None):
            self._drop(silent)
        self._reserve.free_one()
        try:
            return self._listener.socket.accept()[0]
        except OSError:
            return None
        finally:
            self._reserve.fill()

    @property
    def _loop(self) -> selectors.BaseSelector:
        if self._selector is None:
            raise RuntimeError("the control server is not attached to a loop")
        return self._selector

    def _serve(self, connection: Connection, mask: int) -> None:
        """Something happened on a connection: read, answer one request, send."""
        if connection not in self._connections:
            return  # dropped for another's sake in this very turn
        try:
            if mask & READ:
                connection.receive()
            if connection.has_line and not connection.pending and not connection.following:
                self._answer(connection, connection.next_line())
        except LineTooLongError:
            self._refuse_line(connection)
        except OSError:
            self._drop(connection)
        if connection in self._connections:
            self._touch(connection)
            self._flush(connection)

    def _answer(self, connection: Connection, line: bytes) -> None:
        self.peer = connection.peer
        try:
            request, handler = self._understood(line)
            arguments = request.arguments
            follow = bool(arguments.pop("follow", False))
            answer = self._handle(handler, arguments)
            self._follow(connection, follow)
        except VerbError as error:
            answer = encode_error(error)
        finally:
            self.peer = None
        self._queue(connection, answer)

    def _follow(self, connection: Connection, follow: bool) -> None:
        connection.following = follow
        followers = [other for other in self._connections if other.following]
        if len(followers) > MAX_FOLLOWERS:
            self._drop(next(other for other in followers if other is not connection))

    def _handle(self, handler: Handler, arguments: Json) -> bytes:
        try:
            # Encoding is part of it: a result may hold what JSON has no word for.
            return encode_result(handler(arguments))
        except VerbError:
            raise
        except Exception as error:  # a fault in one answer must not end the daemon
            raise VerbError(
                "internal",
                f"the daemon failed to answer: {type(error).__name__}: {error}",
                "This is a fault in the daemon; please report it",
            ) from error

    def _understood(self, line: bytes) -> tuple[Request, Handler]:
        """What is asked, and who answers. The first time both take a descriptor, to be loaded."""
        self._reserve.free_one()
        try:
            request = decode_request(line)
            return request, self._handler(request.verb)
        finally:
            self._reserve.fill()

    def _handler(self, verb: str) -> Handler:
        try:
            handler = self._handlers.get(verb)
        except Exception as error:  # as when an upgrade has just replaced what is loaded late
            raise VerbError(
                "internal",
                f"the daemon could not load what answers {verb}: {type(error).__name__}: {error}",
                "Ask again; if that doesn't help, restart fwknopd",
            ) from error
        if handler is None:
            raise VerbError("unknown-verb", f"this daemon doesn't know {verb}", "Update it")
        return handler

    def _refuse_line(self, connection: Connection) -> None:
        refusal = VerbError(
            "bad-request", f"the line is longer than {MAX_LINE} bytes", "Send shorter requests"
        )
        connection.closing = True
        self._queue(connection, encode_error(refusal))

    def _send_event(self, follower: Connection, line: bytes) -> None:
        if follower not in self._connections:
            return  # dropped to make room for another's events
        if follower.queued_lines >= MAX_FOLLOW_LINES:
            self._drop(follower)
            return
        self._touch(follower)
        self._queue(follower, line)
        self._flush(follower)

    def _queue(self, connection: Connection, line: bytes) -> None:
        connection.queue(line)
        backlog = sum(other.pending for other in self._connections)
        for other in list(self._connections):
            if backlog <= MAX_BACKLOG:
                return
            if other is not connection and other.pending:
                backlog -= other.pending
                self._drop(other)

    def _flush(self, connection: Connection) -> None:
        try:
            connection.flush()
        except OSError:
            self._drop(connection)
            return
        if self._is_done(connection):
            self._drop(connection)
        else:
            self._await(connection)

    def _is_done(self, connection: Connection) -> bool:
        if connection.pending:
            return False
        if connection.closing:
            return True
        return connection.ended and (connection.following or not connection.has_line)

    def _await(self, connection: Connection) -> None:
        """Wait for what the connection needs next.

        With a request still waiting "writable" is always true, so the loop comes round
        at once, after everybody else has had a turn.
        """
        busy = bool(connection.pending or connection.has_line)
        reading = not connection.ended and (connection.following or not busy)
        mask = (WRITE if busy else 0) | (READ if reading else 0)
        key = self._loop.get_key(connection.socket)
        if key.events != mask:
            self._loop.modify(connection.socket, mask, key.data)

    def _touch(self, connection: Connection) -> None:
        self._connections[connection] = self._connections.pop(connection)

    def _drop(self, connection: Connection) -> None:
        del self._connections[connection]
        self._loop.unregister(connection.socket)
        connection.close()
        self._reserve.fill()
