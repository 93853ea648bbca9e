"""Asking a running daemon over its control socket."""

from __future__ import annotations

import queue
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from fwknopd.control.client import ControlClient, ControlError
from tests.lab.errors import LabError

VERDICT_SECONDS = 4.0
EVENT_LIMIT = 1000


def ask_daemon(control: Path, verb: str, **arguments: object) -> dict[str, Any]:
    """The daemon's answer. Raises LabError with its remedy."""
    try:
        answer: dict[str, Any] = ControlClient(control).call(verb, **arguments)
    except ControlError as error:
        raise LabError(f"fwknopd did not answer to {verb!r}: {error}") from error
    return answer


def wait_for_verdict(control: Path, source: str, *, after: int) -> dict[str, Any] | None:
    """The first verdict on a packet from ``source`` since event ``after``.

    None when there is none for four seconds: the daemon lists no packet whose sender it
    can't tell.
    """
    found: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def watch() -> None:
        with suppress(ControlError):
            for event in ControlClient(control).follow(after=after, limit=EVENT_LIMIT):
                if event["event"] == "verdict" and event["source"] == source:
                    found.put(event)
                    return

    threading.Thread(target=watch, daemon=True).start()
    try:
        return found.get(timeout=VERDICT_SECONDS)
    except queue.Empty:
        return None
