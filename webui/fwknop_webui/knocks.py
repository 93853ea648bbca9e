"""Knocks as the daemon tells of them in its events.

Whatever a knock carried is text here, shown only through escaping templates.
"""

from __future__ import annotations

from dataclasses import dataclass

from fwknop_webui.reasons import Explanation, command_explanation, explain
from fwknop_webui.untyped import Json, number, text
from fwknopd.policy.verdict import Reason

COMMAND = "command"
KNOCK_EVENTS = frozenset({"verdict", "rejected"})


@dataclass(frozen=True, slots=True)
class Knock:
    """One row of "Recent knocks"; ``count`` is above 1 for a summary of strangers' packets.

    ``failed``: what an accepted knock had run went wrong.
    """

    id: int
    time: float
    source: str
    client: str
    request: str
    accepted: bool
    log_only: bool
    explanation: Explanation
    detail: str
    count: int
    failed: bool = False


def knock_of(data: Json) -> Knock:
    """The row an event makes."""
    accepted = text(data, "verdict") == "accept"
    reason = text(data, "reason") or ("accepted" if accepted else "")
    explanation, failed = explain(reason), text(data, "event") == COMMAND
    if failed or (reason == Reason.ACCEPTED and text(data, "command")):
        explanation = command_explanation(failed=failed)
    return Knock(
        id=int(number(data, "id")),
        time=number(data, "time"),
        source=text(data, "source"),
        client=text(data, "client"),
        request=text(data, "request"),
        accepted=accepted,
        log_only=reason == Reason.LOG_ONLY,
        explanation=explanation,
        detail=text(data, "detail"),
        count=max(1, int(number(data, "count"))),
        failed=failed,
    )


def is_knock(event: Json) -> bool:
    """A verdict, or the end of a command that went wrong.

    What closes something often has nothing left to close, and says so by its status.
    """
    if text(event, "event") != COMMAND or text(event, "stage") != "ended":
        return text(event, "event") in KNOCK_EVENTS
    status = text(event, "status")
    return not status or (status != "0" and text(event, "purpose") != "close")
