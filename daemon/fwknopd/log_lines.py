"""Events as lines for people and for the tools that watch the system log.

Where scripts and fail2ban filters grep the C daemon's log, its wording is kept, at the
beginning of the line too: "Added ... rule to", "Removed rule", "Replay detected from
source IP: ...", "SPA data time difference is too great (n seconds).", "(stanza #n) SPA
Packet from IP: ...". A client of UCI with a name stands there by its name.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from fwknopd.command_lines import command_text, running_texts, went_well
from fwknopd.config.problems import Severity
from fwknopd.connections import connections
from fwknopd.events import Event, EventKind, JsonValue
from fwknopd.policy.verdict import Reason

ERROR, WARNING, INFO, DEBUG = 3, 4, 6, 7
"""Syslog severities, RFC 5424 section 6.2.1."""

CAPTURING = ("state", "capturing")
"""The fact of a capture that is well."""

Line = tuple[int, str]
"""Severity and text, without time stamp or program name."""

_APART = "SPA data time difference is too great ({seconds_apart} seconds). {detail}"
_REFUSALS: dict[str, str] = {
    Reason.TOO_OLD: _APART,
    Reason.FROM_THE_FUTURE: _APART,
    Reason.CLOCK_NOT_SET: "The clock is not set, ignoring SPA packet: {detail}",
    Reason.SOURCE_NOT_ALLOWED: "No access data found for source IP: {source}",
    Reason.DECRYPT_FAILED: "Error creating fko context: {detail}",
    Reason.MALFORMED: "Error creating fko context: {detail}",
    Reason.SIGNATURE_MISSING: "Error creating fko context: Missing GPG signature: {detail}",
    Reason.SIGNATURE_BAD: "Error creating fko context: Bad GPG signature: {detail}",
    Reason.SIGNER_NOT_ALLOWED: "{detail}",
    Reason.CLIENT_EXPIRED: "Access stanza has expired: {detail}",
    Reason.CLIENT_DISABLED: "Access stanza is disabled: {detail}",
    Reason.OUTSIDE_HOURS: "Access stanza is not open at this hour: {detail}",
    Reason.ADDRESS_REQUIRED: "Got 0.0.0.0 when valid source IP was required.",
    Reason.USERNAME_MISMATCH: "Username in SPA data does not match: {detail}",
    Reason.PORT_NOT_ALLOWED: (
        "One or more requested protocol/ports was denied per access.conf. {detail}"
    ),
    Reason.NAT_NOT_ENABLED: (
        "SPA packet from {source} requested NAT access, but is not enabled/supported. {detail}"
    ),
    Reason.COMMAND_NOT_ALLOWED: (
        "SPA Command messages are not allowed in the current configuration. {detail}"
    ),
}
_REPLAY = (
    "Replay detected from source IP: {source}, Destination proto/port: {destination}, "
    "Original source IP: {original_source}, Original dst proto/port: {original_destination}, "
    "Entry created: {created}"
)


def log_lines(event: Event) -> list[Line]:
    """What the log says of ``event``: one line, or two when a client's keys fitted a packet."""
    if event.event is EventKind.VERDICT:
        return _verdict_lines(event)
    if event.event in (EventKind.GRANT, EventKind.EXPIRE, EventKind.REVOKE):
        return [(INFO, _door_text(event)), *_cut_lines(event)]
    if event.event is EventKind.CUT:
        return _cut_lines(event)
    if event.event in (EventKind.ERROR, EventKind.FIREWALL):
        return [(ERROR, _marked(event, event.detail))]
    if event.event is EventKind.COMMAND:
        severity = INFO if went_well(event) else WARNING
        return [(severity, _marked(event, command_text(event)))]
    if event.event is EventKind.CAPTURE:
        severity = INFO if CAPTURING in event.extra else WARNING
        return [(severity, _marked(event, event.detail))]
    if event.event is EventKind.RELOAD and event.reason == Severity.WARNING:
        return [(WARNING, _marked(event, event.detail))]
    if event.event is EventKind.REJECTED:
        return [(INFO, f"{event.detail}: {event.reason}")]
    return [(INFO, _marked(event, event.detail))]


def _marked(event: Event, text: str) -> str:
    source = f"[{event.source}] " if event.source else ""
    client = f"(stanza {event.client}) " if event.client else ""
    return f"{source}{client}{text}".rstrip()


def _door_text(event: Event) -> str:
    facts = dict(event.extra)
    kind, _, rest = event.detail.partition(" rule for ")
    place = facts.get("place", "the firewall")
    if event.event is EventKind.GRANT:
        return f"Added {kind} rule to {place} for {rest}"
    when = "ahead of its" if event.event is EventKind.REVOKE else "with"
    what = rest.partition(", expires at")[0]
    return f"Removed rule from {place} {when} expire time of {_whole(facts)}: {kind} for {what}"


def _cut_lines(event: Event) -> list[Line]:
    facts = dict(event.extra)
    count, uncut = facts.get("cut"), facts.get("uncut")
    if not isinstance(count, int):
        return []
    kind, _, rest = event.detail.partition(" rule for ")
    text = f"Cut {connections(count)} of {kind} for {rest.partition(', expires at')[0]}"
    return [(WARNING, f"{text}; {uncut}") if uncut else (INFO, text)]


def _whole(facts: Mapping[str, JsonValue]) -> int:
    expires = facts.get("expires")
    return int(expires) if isinstance(expires, int | float) else 0


def _verdict_lines(event: Event) -> list[Line]:
    if event.reason == Reason.REPLAY:
        return [(WARNING, _replay_text(event))]
    lines = [] if event.client is None else [(INFO, _introduction(event))]
    if event.verdict == "accept":
        lines += [(INFO, _marked(event, text)) for text in _signed(event)]
        if event.detail:
            return [*lines, (WARNING, _unused(event))]
        return [*lines, *((INFO, _marked(event, text)) for text in running_texts(event))]
    template = _REFUSALS.get(event.reason or "", "SPA packet refused ({reason}): {detail}")
    return [*lines, (WARNING, _marked(event, _filled(template, event)))]


def _introduction(event: Event) -> str:
    client, source = event.client, event.source
    return f"(stanza {client}) SPA Packet from IP: {source} received with access source match"


def _signed(event: Event) -> list[str]:
    signer = dict(event.extra).get("signer")
    if not isinstance(signer, str):
        return []
    return [f"Incoming SPA data signed by '{signer[-8:]}' (fingerprint '{signer}')."]


def _unused(event: Event) -> str:
    why = "Client is log-only" if event.reason == Reason.LOG_ONLY else "--test mode enabled"
    text = f"{why}, skipping firewall manipulation. {event.request}: {event.detail}"
    return _marked(event, text)


def _replay_text(event: Event) -> str:
    created = dict(event.extra).get("first_seen")
    if not isinstance(created, int):
        return f"Replay detected from source IP: {event.source}, {event.detail}"
    return _filled(_REPLAY, event, created=_local(created))


def _local(epoch: int) -> str:
    # The C daemon's order of day and month, and its local time.
    return time.strftime("%m/%d/%y %H:%M:%S", time.localtime(epoch))


def _filled(template: str, event: Event, **more: str) -> str:
    # Only whole fields are filled in: text of a packet is never used as a template.
    facts = {"seconds_apart": "?", **dict(event.extra), **more}
    return template.format(
        **facts, source=event.source, detail=event.detail, reason=event.reason
    ).rstrip()
