"""Events as lines for people and for the tools that watch the system log.

Where scripts and fail2ban filters grep the C daemon's log ("Added ... rule to",
"Replay detected", "SPA data time difference"), the wording is kept.
"""

from __future__ import annotations

from fwknopd.events import Event, EventKind
from fwknopd.policy.verdict import Reason

ERROR, WARNING, INFO, DEBUG = 3, 4, 6, 7
"""Syslog severities, RFC 5424 section 6.2.1."""

_REFUSALS: dict[str, str] = {
    Reason.REPLAY: "Replay detected from source IP: {source}, {detail}",
    Reason.TOO_OLD: "SPA data time difference is too great: {detail}",
    Reason.FROM_THE_FUTURE: "SPA data time difference is too great: {detail}",
    Reason.CLOCK_NOT_SET: "The clock is not set, ignoring SPA packet: {detail}",
    Reason.DECRYPT_FAILED: "Error creating fko context: {detail}",
    Reason.MALFORMED: "Error creating fko context: {detail}",
    Reason.CLIENT_EXPIRED: "Access stanza has expired: {detail}",
    Reason.CLIENT_DISABLED: "Access stanza is disabled: {detail}",
    Reason.ADDRESS_REQUIRED: "Got 0.0.0.0 when valid source IP was required.",
    Reason.USERNAME_MISMATCH: "Username in SPA data does not match: {detail}",
    Reason.PORT_NOT_ALLOWED: (
        "One or more requested protocol/ports was denied per access.conf. {detail}"
    ),
    Reason.NAT_NOT_ENABLED: (
        "SPA packet from {source} requested NAT access, but is not enabled/supported. {detail}"
    ),
    Reason.COMMAND_NOT_ALLOWED: (
        "SPA Command messages are not allowed in the current configuration."
    ),
}


def log_line(event: Event) -> tuple[int, str]:
    """The severity and the text of ``event``, without time stamp or program name."""
    severity, text = _line(event)
    prefix = f"[{event.source}] " if event.source else ""
    client = f"(stanza {event.client}) " if event.client else ""
    return severity, f"{prefix}{client}{text}".rstrip()


def _line(event: Event) -> tuple[int, str]:
    if event.event is EventKind.VERDICT:
        return _verdict_line(event)
    if event.event is EventKind.GRANT:
        return INFO, f"Added {event.detail}"
    if event.event is EventKind.EXPIRE:
        return INFO, f"Removed rule: {event.detail}"
    if event.event in (EventKind.ERROR, EventKind.FIREWALL):
        return ERROR, event.detail
    if event.event is EventKind.CAPTURE:
        return WARNING, event.detail
    return INFO, event.detail


def _verdict_line(event: Event) -> tuple[int, str]:
    if event.verdict == "accept":
        return INFO, f"SPA Packet accepted: {event.request}"
    template = _REFUSALS.get(event.reason or "", "SPA packet refused ({reason}): {detail}")
    # Only whole fields are filled in: text of a packet is never used as a template.
    return WARNING, template.format(source=event.source, detail=event.detail, reason=event.reason)
