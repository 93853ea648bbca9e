"""Asking a running daemon over its control socket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fwknopd.control.client import ControlClient, ControlError
from tests.lab.errors import LabError

VERDICT_SECONDS = 2.0


def ask_daemon(control: Path, verb: str, **arguments: object) -> dict[str, Any]:
    """The daemon's answer. Raises LabError with its remedy."""
    try:
        answer: dict[str, Any] = ControlClient(control).call(verb, **arguments)
    except ControlError as error:
        raise LabError(f"fwknopd did not answer to {verb!r}: {error}") from error
    return answer


def wait_for_verdict(control: Path, source: str, *, after: int) -> dict[str, Any] | None:
    """The first verdict on a packet from ``source`` since event ``after``, or None."""
    return None
