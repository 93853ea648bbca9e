"""Events about commands as lines of the log, in the C daemon's words where it has some."""

from __future__ import annotations

from collections.abc import Mapping

from fwknopd.events import Event, JsonValue

_CANT_RUN = 255
"""What the C daemon reports of a command that can't be started."""


def running_texts(event: Event) -> list[str]:
    """What is about to be run for an accepted knock."""
    facts = dict(event.extra)
    asked = (event.request or "").partition(",")[2]
    return [
        f"Processing SPA Command message: command='{asked}'.",
        f"Running command '{facts.get('command')}'{_switch(facts)}",
    ]


def _switch(facts: Mapping[str, JsonValue]) -> str:
    account = facts.get("account")
    return f" setuid/setgid user/group to {account}" if account else ""


def ended_text(event: Event) -> str:
    """How a command ended."""
    facts = dict(event.extra)
    status, more = facts.get("status"), ""
    if status is None:
        signal = facts.get("signal")
        status = 128 + signal if isinstance(signal, int) and signal else _CANT_RUN
        more = f". It {event.detail}"
    return f"CMD_EXEC: command returned 0, pid_status: {status}{more}"


def went_well(event: Event) -> bool:
    """It ran and ended by itself."""
    return dict(event.extra).get("status") is not None
