"""Events about commands as lines of the log, in the C daemon's words where it has some."""

from __future__ import annotations

from collections.abc import Mapping

from fwknopd.events import Event, JsonValue

_CANT_RUN = 255
"""What the C daemon reports of a command that can't be started."""

_NAMES = {"open": "CMD_CYCLE_OPEN", "close": "CMD_CYCLE_CLOSE"}

Facts = Mapping[str, JsonValue]


def running_texts(event: Event) -> list[str]:
    """What is about to be run for an accepted knock; nothing when it only opens doors."""
    facts = dict(event.extra)
    command = facts.get("command")
    if command is None:
        return []
    if "closing" in facts:
        return _cycle_texts(facts)
    asked = (event.request or "").partition(",")[2]
    return [
        f"Processing SPA Command message: command='{asked}'.",
        f"Running command '{command}'{_switch(facts)}",
    ]


def _cycle_texts(facts: Facts) -> list[str]:
    texts = [f"Running CMD_CYCLE_OPEN command: {facts.get('command')}{_switch(facts)}"]
    closing, seconds = facts.get("closing"), facts.get("closes_in")
    if closing is not None:
        texts.append(f"Running CMD_CYCLE_CLOSE command in {seconds} seconds: {closing}")
    return texts


def _switch(facts: Facts) -> str:
    account = facts.get("account")
    return f" setuid/setgid user/group to {account}" if account else ""


def command_text(event: Event) -> str:
    """What a command event says."""
    facts = dict(event.extra)
    stage = facts.get("stage")
    if stage == "started":
        timer = event.detail == "its time is over"
        why = "Timer expired, running" if timer else f"Running, as {event.detail},"
        return f"{why} CMD_CYCLE_CLOSE command: {event.request}{_switch(facts)}"
    if stage == "spared":
        return f"CMD_CYCLE_CLOSE command {event.detail}: {event.request}"
    return _ended_text(event, facts)


def _ended_text(event: Event, facts: Facts) -> str:
    name = _NAMES.get(str(facts.get("purpose")), "CMD_EXEC")
    status, more = facts.get("status"), ""
    if status is None:
        signal = facts.get("signal")
        status = 128 + signal if isinstance(signal, int) and signal else _CANT_RUN
        more = f". It {event.detail}"
    return f"{name}: command returned 0, pid_status: {status}{more}"


def went_well(event: Event) -> bool:
    """It did not fail to run or to end by itself."""
    facts = dict(event.extra)
    return facts.get("stage") != "ended" or facts.get("status") is not None
