"""waitress, stricter than it comes: for a page that hostile clients reach, too.

Browsers send no body in pieces (Transfer-Encoding), so nobody may: a server in front that reads
such a request another way than waitress does would take somebody's words for a request of its
own. And who only opens connections keeps nobody out: a newcomer gets the place of the one that
has been there longest without a whole request.
"""

from __future__ import annotations

import logging
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, TransferEncodingNotImplemented
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

THREADS = 2
"""One may wait for a slow password check or a hanging daemon; each costs a MiB of memory."""

CONNECTIONS = 32
"""Of each, a body may be waiting in memory before anybody knows who sends it."""

ROOM = 12
"""So many places are kept for those who come all at once."""

GRACE_SECONDS = 0.25
"""So long has everybody to say something before another one may have his place."""

LARGEST_HEADER = 32 * 1024
"""Bytes of all headers of a request."""

LARGEST_ANSWER = 64 * 1024 * 1024
"""Bytes; what waitress keeps in memory. A backup holds keys and must not lie in a file."""


class StrictParser(HTTPRequestParser):  # type: ignore[misc]
    """Takes no request whose length two programs may see differently."""

    def parse_header(self, header_plus: bytes) -> None:
        """Read the headers. Raises what waitress makes an answer of."""
        super().parse_header(header_plus)
        if self.chunked:
            raise TransferEncodingNotImplemented("Transfer-Encoding is not taken here.")


class StrictChannel(HTTPChannel):  # type: ignore[misc]
    """One connection."""

    parser_class = StrictParser


class RoomyServer(TcpWSGIServer):  # type: ignore[misc]
    """Always has a place for a newcomer."""

    channel_class = StrictChannel

    def run(self) -> None:
        """Serve until a signal's SystemExit. As waitress's own, but not asleep when it is full."""
        with suppress(SystemExit, KeyboardInterrupt):
            while self._map:
                full = self.in_connection_overflow
                timeout = GRACE_SECONDS if full else self.adj.asyncore_loop_timeout
                self.asyncore.loop(timeout, self.adj.asyncore_use_poll, self._map, count=1)
        self.task_dispatcher.shutdown()

    def readable(self) -> bool:
        """May somebody come in? Called by the loop each time before it waits."""
        taken, limit = len(self._map), self.adj.connection_limit
        if taken >= limit:
            self._make_room(taken)
        elif taken > limit - ROOM:
            self._make_room(taken - limit + ROOM)
        may: bool = super().readable()
        return may

    def _make_room(self, places: int) -> None:
        # Who has just come has not been heard yet.
        before = time.time() - GRACE_SECONDS
        channels = [each for each in self.active_channels.values() if not each.requests]
        leaving = sum(1 for each in channels if each.will_close)
        idle = [each for each in channels if not each.will_close and each.creation_time < before]
        idle.sort(key=lambda channel: channel.creation_time)
        for channel in idle[: max(0, places - leaving)]:
            # Closed by the loop in its next turn: in this one it waits for all there are.
            channel.will_close = True


def make_server(listener: socket.socket, app: WSGIApplication, **settings: Any) -> RoomyServer:
    """A server for ``app`` on ``listener``; ``settings`` are waitress's."""
    # It warns of every request that has to wait: a line of the router's short log for each
    # request of a stranger, until nothing else is left in it.
    logging.getLogger("waitress").setLevel(logging.ERROR)
    adjustments = Adjustments(
        sockets=[listener],
        threads=THREADS,
        connection_limit=CONNECTIONS,
        max_request_header_size=LARGEST_HEADER,
        outbuf_overflow=LARGEST_ANSWER,
        log_socket_errors=False,
        ident=None,
        **settings,
    )
    dispatcher = ThreadedTaskDispatcher()
    dispatcher.set_thread_count(adjustments.threads)
    where = (listener.family, listener.type, listener.proto, listener.getsockname())
    return RoomyServer(
        app,
        _sock=listener,
        dispatcher=dispatcher,
        adj=adjustments,
        bind_socket=False,
        sockinfo=where,
    )
