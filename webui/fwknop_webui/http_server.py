"""waitress, stricter than it comes: for a page that hostile clients reach, too.

Browsers send no body in pieces (Transfer-Encoding), so nobody may: a server in front that reads
such a request another way than waitress does would take somebody's words for a request of its
own. Of each connection one request is in work: the next one waits until its answer has left. And
who only opens connections, or reads no answer, keeps nobody out: a newcomer gets the place of the
one that has been there longest without a whole request, or that has read nothing for longest.
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
    from collections.abc import Callable
    from wsgiref.types import WSGIApplication

THREADS = 2
"""One may wait for a slow password check or a hanging daemon; each costs a MiB of memory."""

CONNECTIONS = 32
"""Of each, a body may be waiting in memory before anybody knows who sends it."""

ROOM = 12
"""So many places are kept for those who come all at once."""

GRACE_SECONDS = 0.25
"""So long has everybody to say something before another one may have his place."""

STALLED_SECONDS = 5.0
"""Whose answer has not moved for so long reads nothing."""

LARGEST_HEADER = 32 * 1024
"""Bytes of all headers of a request."""

LARGEST_ANSWER = 64 * 1024 * 1024
"""Bytes; what waitress keeps in memory. A backup holds keys and must not lie in a file."""


WAITING_BYTES = 256 * 1024
"""Of an answer that is made while it is sent, so much waits for a slow reader."""

SLOWEST_SECONDS = 60.0
"""Who takes nothing of such an answer for so long gets no more of it: it keeps a thread.

Nor does who takes little, when others wait for a thread."""


class StrictParser(HTTPRequestParser):  # type: ignore[misc]
    """Takes no request whose length two programs may see differently."""

    def __init__(self, adj: Adjustments, keep: Callable[[bytes], None]) -> None:
        super().__init__(adj)
        self._keep = keep

    def received(self, data: bytes) -> int:
        """Take bytes; what comes behind the request is kept for later."""
        taken: int = super().received(data)
        if self.completed and taken < len(data):
            self._keep(data[taken:])
            return len(data)
        return taken

    def parse_header(self, header_plus: bytes) -> None:
        """Read the headers. Raises what waitress makes an answer of."""
        super().parse_header(header_plus)
        if self.chunked:
            raise TransferEncodingNotImplemented("Transfer-Encoding is not taken here.")


class StrictChannel(HTTPChannel):  # type: ignore[misc]
    """One connection, with one request at a time.

    Its times are on a clock that nobody sets: waitress would take the time of day.
    """

    _late = b""
    held_since: float | None = None
    """When the answer in work began to keep a thread, which had to wait for a reader."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.creation_time = time.monotonic()

    @property
    def last_activity(self) -> float:
        """When something was read, or went out, for the last time."""
        return self._last_activity

    @last_activity.setter
    def last_activity(self, _time_of_day: float) -> None:
        self._last_activity = time.monotonic()

    def parser_class(self, adj: Adjustments) -> StrictParser:
        """Make a parser."""
        return StrictParser(adj, self._keep)

    def readable(self) -> bool:
        """Is there room for more than what has come already?"""
        return bool(super().readable() and not self._late)

    def received(self, data: bytes) -> bool:
        """Take bytes. What is behind a whole request waits until that one's answer has left."""
        self._keep(data)
        taken = False
        while self._late and super().readable():
            data, self._late = self._late, b""
            taken = bool(super().received(data))
        return taken

    def take_late(self) -> None:
        """Go on with what had to wait, if it may."""
        try:
            self.received(b"")
        except Exception:
            # As waitress does when it reads: this one alone ends.
            self.handle_error()

    def _keep(self, data: bytes) -> None:
        self._late += data


class RoomyServer(TcpWSGIServer):  # type: ignore[misc]
    """Always has a place for a newcomer."""

    channel_class = StrictChannel

    def run(self) -> None:
        """Serve until a signal's SystemExit. As waitress's own, but not asleep when it is full."""
        with suppress(SystemExit, KeyboardInterrupt):
            while self._map:
                self.turn()
        self.task_dispatcher.shutdown()

    def turn(self) -> None:
        """Wait until there is something to do, and do it."""
        self._make_room()
        for channel in list(self.active_channels.values()):
            channel.take_late()
        # A time of day, which somebody may have set back since.
        self.next_channel_cleanup = 0.0
        crowded = len(self._map) > self.adj.connection_limit - ROOM
        timeout = GRACE_SECONDS if crowded else self.adj.asyncore_loop_timeout
        self.asyncore.loop(timeout, self.adj.asyncore_use_poll, self._map, count=1)
        self._end_leaving()
        self._end_stalled()
        self._free_a_thread()

    def maintenance(self, _time_of_day: float) -> None:
        """Mark for leaving who has been silent for long."""
        super().maintenance(time.monotonic())

    def _make_room(self) -> None:
        """End as many as needed: who says nothing whole, then who doesn't read."""
        taken, limit = len(self._map), self.adj.connection_limit
        places = taken - limit + ROOM
        if places <= 0:
            return
        free = [each for each in self.active_channels.values() if not each.requests]
        idle, readers = _idle(free), _readers(free)
        ending = min(places - len(idle), _stalled(readers))
        if taken >= limit:
            places = len(idle)
            # The places kept for newcomers are no reader's either, however well he reads.
            ending = max(ending, len(readers) - limit + ROOM)
        for channel in (*idle[:places], *readers[: max(0, ending)]):
            channel.handle_close()

    def _end_stalled(self) -> None:
        before = time.monotonic() - SLOWEST_SECONDS
        for channel in list(self.active_channels.values()):
            if _keeps_a_thread(channel) and channel.last_activity < before:
                channel.handle_close()

    def _free_a_thread(self) -> None:
        """Nobody may keep others out by taking a little now and then, either."""
        now, held = time.monotonic(), {}
        for channel in self.active_channels.values():
            if not channel.requests:
                channel.held_since = None
            elif channel.held_since is None and _keeps_a_thread(channel):
                channel.held_since = now
            if channel.held_since is not None:
                held[channel] = channel.held_since
        longest = min(held, key=held.__getitem__, default=None)
        if longest is None or not self.task_dispatcher.queue:
            return
        if held[longest] < now - SLOWEST_SECONDS:
            longest.handle_close()

    def _end_leaving(self) -> None:
        # waitress ends them when they can be written to: never, if they don't read.
        for channel in list(self.active_channels.values()):
            if channel.will_close and not channel.requests:
                channel.handle_close()


def _keeps_a_thread(channel: StrictChannel) -> bool:
    """Whether a thread has more to send, and has to wait until somebody reads."""
    is_full = channel.total_outbufs_len > channel.adj.outbuf_high_watermark
    return bool(channel.requests and is_full)


def _idle(channels: list[StrictChannel]) -> list[StrictChannel]:
    """Who has said nothing whole and has nothing to read; who came first stands first."""
    # Who has just come has not been heard yet.
    before = time.monotonic() - GRACE_SECONDS
    idle = [each for each in channels if not each.total_outbufs_len]
    known = [each for each in idle if each.creation_time < before]
    return sorted(known, key=lambda channel: channel.creation_time)


def _readers(channels: list[StrictChannel]) -> list[StrictChannel]:
    """Whose answer is on its way; who has not read for longest stands first."""
    readers = [each for each in channels if each.total_outbufs_len]
    return sorted(readers, key=lambda channel: channel.last_activity)


def _stalled(readers: list[StrictChannel]) -> int:
    before = time.monotonic() - STALLED_SECONDS
    return sum(1 for each in readers if each.last_activity < before)


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
        outbuf_high_watermark=WAITING_BYTES,
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
