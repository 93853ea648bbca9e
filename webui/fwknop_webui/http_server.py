"""waitress, stricter than it comes: for a page that hostile clients reach, too.

Browsers send no body in pieces (Transfer-Encoding), so nobody may: a server in front that reads
such a request another way than waitress does would take somebody's words for a request of its
own. And who only opens connections keeps nobody out: a newcomer gets the place of the one that
has been there longest without a whole request.
"""

from __future__ import annotations

import logging
import resource
import socket
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

    def readable(self) -> bool:
        """May somebody come in? Called by the loop each time before it waits."""
        if len(self._map) >= self.adj.connection_limit - 1:
            self._make_room()
        may: bool = super().readable()
        return may

    def _make_room(self) -> None:
        channels = self.active_channels.values()
        idle = [each for each in channels if not (each.requests or each.will_close)]
        if idle:
            # Closed by the loop in its next turn: in this one it waits for all there are.
            min(idle, key=lambda channel: channel.creation_time).will_close = True


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


def forbid_core_dumps() -> None:
    """A dump of this process would hold keys and passwords.

    Not 0: a dump that goes to a program by a pipe is made all the same then, and only 1
    prevents it, core(5).
    """
    resource.setrlimit(resource.RLIMIT_CORE, (1, 1))
