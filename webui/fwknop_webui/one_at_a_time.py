"""What only one request may do at a time, for longer than its own view: until its answer is sent.

An answer ends in more ways than a view can see: a hook behind it fails, then perhaps the page
that says so, or nobody wants as much as the first byte. All of them end at the server, so this
is where everything is given back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import request
from werkzeug.wsgi import ClosingIterator

if TYPE_CHECKING:
    from threading import Lock
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

ENDS = "fwknop_webui.ends"
"""Where a request keeps what is to be done at its end."""


@dataclass(frozen=True, slots=True)
class UntilSent:
    """``app`` whose views may ask for something to be done at the end of their answer."""

    app: WSGIApplication

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with ExitStack() as ends:
            environ[ENDS] = ends
            answer = self.app(environ, start_response)
            # On the stack, too: an answer that fails when it is closed keeps nothing either.
            ends.callback(getattr(answer, "close", _nothing))
            return ClosingIterator((part for part in answer), ends.pop_all().close)


def at_end(call: Callable[[], object]) -> None:
    """Have it done when the answer to this request is sent, or nobody wants more of it.

    What was asked for last is done first.
    """
    _ends().callback(call)


def take_turn(lock: Lock, patience: float) -> bool:
    """Wait ``patience`` seconds at most, and keep it until the answer to this request is sent.

    False when it is somebody else's still.
    """
    ends = _ends()
    is_mine = lock.acquire(timeout=patience)
    if is_mine:
        ends.callback(lock.release)
    return is_mine


def _nothing() -> None:
    """What is to be closed of an answer that needs no closing."""


def _ends() -> ExitStack:
    ends: ExitStack = request.environ[ENDS]
    return ends
