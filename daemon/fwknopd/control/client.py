"""Asking a running daemon: what fwknopctl and the web UI use."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

from fwknopd.control.listening import peer_of
from fwknopd.control.protocol import (
    MAX_ANSWER,
    Json,
    VerbError,
    decode_answer,
    decode_event,
    encode_request,
)

TIMEOUT = 10.0
"""Seconds for an answer the daemon gives from memory."""

WORKING_TIMEOUT = 45.0
"""Seconds for a verb that may run nft, which has ten of them for each of its runs."""

_WORKING_VERBS = frozenset({"reload", "revoke"})
NOT_RUNNING = "not-running"


class ControlError(Exception):
    """The daemon can't be asked, or refused; says why and what to do."""

    def __init__(self, code: str, message: str, remedy: str) -> None:
        super().__init__(f"{message}. {remedy}" if remedy else message)
        self.code = code
        self.message = message
        self.remedy = remedy

    @property
    def is_down(self) -> bool:
        """Is there simply no daemon?"""
        return self.code == NOT_RUNNING


class ControlClient:
    """A client of the socket at ``path``; every call makes its own connection.

    ``timeout`` is the seconds to wait for each answer; verbs that change the firewall get
    WORKING_TIMEOUT if that is longer, so that nobody gives up on a reload that succeeds.
    """

    def __init__(self, path: Path | str, timeout: float = TIMEOUT) -> None:
        self._path = str(path)
        self._timeout = timeout

    def call(self, verb: str, **arguments: object) -> Json:
        """The result of a verb. Raises ControlError."""
        timeout = max(self._timeout, WORKING_TIMEOUT if verb in _WORKING_VERBS else 0.0)
        with self._ask(verb, arguments, timeout) as lines:
            answer = lines.answer()
            # In a jail of procd's it takes itself for number 1; the kernel tells its number here.
            if answer.get("pid") == 1:
                answer["pid"] = lines.peer() or 1
            return answer

    def follow(self, after: int | None = None, limit: int = 0) -> Iterator[Json]:
        """Events as they happen, beginning with ``limit`` past ones later than ``after``.

        Ends only by ControlError (code ``closed`` when the daemon stops) or by being
        closed. Nothing is missed between the past and the present.
        """
        arguments: dict[str, object] = {"follow": True, "limit": limit}
        if after is not None:
            arguments["after"] = after
        with self._ask("events", arguments, self._timeout) as lines:
            yield from _events(lines.answer())
            lines.wait_for_ever()
            while True:
                yield lines.event()

    def _ask(self, verb: str, arguments: dict[str, object], timeout: float) -> _Lines:
        lines = _Lines(self._connect(timeout), timeout)
        try:
            lines.send(encode_request(verb, arguments))
        except BaseException:
            lines.close()
            raise
        return lines

    def _connect(self, timeout: float) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(timeout)
        try:
            connection.connect(self._path)
        except OSError as error:
            connection.close()
            raise _connect_error(self._path, error) from None
        return connection


class _Lines:
    """A connection as a sequence of lines, none longer than an answer may be."""

    def __init__(self, connection: socket.socket, timeout: float) -> None:
        self._connection = connection
        self._timeout = timeout
        self._buffer = bytearray()

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def peer(self) -> int:
        """The number of the process at the other end, 0 when it can't be seen from here."""
        return peer_of(self._connection).pid

    def wait_for_ever(self) -> None:
        """Events may be hours apart."""
        self._connection.settimeout(None)

    def send(self, line: bytes) -> None:
        try:
            self._connection.sendall(line)
        except OSError as error:
            raise self._broken(error) from None

    def answer(self) -> Json:
        try:
            return decode_answer(self._line())
        except VerbError as error:
            raise ControlError(error.code, error.message, error.remedy) from None

    def event(self) -> Json:
        try:
            return decode_event(self._line())
        except VerbError as error:
            raise ControlError("bad-answer", error.message, error.remedy) from None

    def _line(self) -> bytes:
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if searched > MAX_ANSWER:
                raise ControlError(
                    "bad-answer", "the answer does not end", "Is this the daemon's socket?"
                )
            self._buffer += self._more()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def _more(self) -> bytes:
        try:
            chunk = self._connection.recv(65536)
        except OSError as error:
            raise self._broken(error) from None
        if not chunk:
            raise self._broken(None)
        return chunk

    def _broken(self, error: OSError | None) -> ControlError:
        if isinstance(error, TimeoutError):
            return ControlError(
                "timeout",
                f"the daemon gave no answer within {self._timeout:g} seconds",
                "Look at its log; if it hangs, restart it",
            )
        return ControlError("closed", "the daemon closed the connection", "Has it been stopped?")


def _events(answer: Json) -> list[Json]:
    """The events in an answer. Raises ControlError when it is none of the daemon's."""
    events = answer.get("events")
    if isinstance(events, list) and all(isinstance(event, dict) for event in events):
        return events
    raise ControlError("bad-answer", "the answer has no events", "Is this the daemon's socket?")


def _connect_error(path: str, error: OSError) -> ControlError:
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        return ControlError(
            NOT_RUNNING,
            f"the daemon is not running: nobody listens at {path}",
            "Start it (on OpenWrt: /etc/init.d/fwknopd start), or name its socket with --control",
        )
    if isinstance(error, PermissionError):
        return ControlError(
            "not-permitted",
            f"you may not use the control socket {path}",
            "Ask as root, or as a member of the group the socket belongs to",
        )
    if isinstance(error, BlockingIOError):
        return ControlError(
            "busy", f"the daemon at {path} takes no more connections just now", "Try again"
        )
    return ControlError(
        "no-connection",
        f"the control socket {path} can't be reached: {error.strerror or error}",
        "Name the daemon's socket with --control",
    )
