"""Verdicts and grants as events: what is told one by one, and what is summed up."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple, Protocol

from fwknopd.connections import connections
from fwknopd.events import EventKind, EventLog, JsonValue, RejectedTally, printable
from fwknopd.firewall import Firewall
from fwknopd.grants import Door, Grant
from fwknopd.policy.command import Command
from fwknopd.policy.packet import Packet
from fwknopd.policy.stanza import Stanza
from fwknopd.policy.verdict import AccessDecision, CommandDecision, Decision, Reason, Refusal
from fwknopd.spa.message import SpaMessage

REPEATABLE = frozenset(
    {
        Reason.REPLAY,
        Reason.TOO_OLD,
        Reason.FROM_THE_FUTURE,
        Reason.CLOCK_NOT_SET,
        Reason.GPG_BUSY,
        Reason.GPG_FAILED,
        Reason.SIGNATURE_MISSING,
        Reason.SIGNATURE_BAD,
        Reason.SIGNER_NOT_ALLOWED,
    }
)
"""Reasons that somebody without a client's keys can cause again and again.

Who recorded one knock can send it; who has the router's public GPG key can make packets
that open.
"""

LISTED_PER_MINUTE = 10
"""Refusals listed for each of the repeatable reasons; what is beyond is only summed up."""


class Clock(Protocol):
    """Wall time for people, monotonic time for lifetimes."""

    def now(self) -> float:
        """Epoch seconds."""

    def monotonic(self) -> float:
        """Seconds of a clock that never jumps."""


class LastKnock(NamedTuple):
    """When a client knocked last (epoch seconds), and whether it got what it asked for."""

    time: float
    accepted: bool


class Reporting:
    """Makes events of what happened. ``list_rejected`` makes one of every packet."""

    def __init__(self, events: EventLog, clock: Clock, firewall: Firewall) -> None:
        self.events = events
        self.list_rejected = False
        self.firewall = firewall
        self._clock = clock
        self._tally = RejectedTally()
        self._listed: Counter[Reason] = Counter()
        self.knocked: Callable[[Stanza], None] = lambda _: None
        """Told of every client that got what it asked for."""
        self._last: dict[str, LastKnock] = {}
        self._knocks: dict[str, Counter[Reason]] = {}

    def knocks_of(self, stanza: Stanza) -> Mapping[Reason, int]:
        """What became of packets of the client, since the start; see `counted_as`."""
        return self._knocks.get(counted_as(stanza), {})

    def last_knock(self, stanza: Stanza) -> LastKnock | None:
        """Of a client with these keys, since the start; None when there was none."""
        return self._last.get(stanza.identity) if self._last else None

    def remember_only(self, stanzas: Collection[Stanza]) -> None:
        """These are the clients; what others did is nobody's business any more."""
        if self._knocks:
            known = {stanza.identity for stanza in stanzas}
            self._last = {name: last for name, last in self._last.items() if name in known}
            counted = set(map(counted_as, stanzas))
            self._knocks = {name: c for name, c in self._knocks.items() if name in counted}

    def epoch(self, monotonic: float) -> float:
        """A monotonic second as wall-clock time, for people."""
        return round(self._clock.now() - self._clock.monotonic() + monotonic, 3)

    # Verdicts

    def accept(self, packet: Packet, decision: Decision, detail: str = "") -> None:
        """A client got what it asked for; ``detail`` says if nothing came of it, and why."""
        self._count(decision.stanza, decision.reason)
        self._last[decision.stanza.identity] = LastKnock(self._clock.now(), accepted=True)
        self.knocked(decision.stanza)
        signed = {} if decision.signer is None else {"signer": decision.signer}
        self.events.record(
            EventKind.VERDICT,
            source=packet.source,
            client=decision.stanza.label,
            verdict="accept",
            reason=decision.reason,
            request=request_text(decision.message),
            detail=detail,
            **command_facts(decision),
            **signed,
        )

    def refuse(self, packet: Packet, refusal: Refusal) -> None:
        """A packet was refused; strangers' packets are only summed up."""
        self._count(refusal.stanza, refusal.reason)
        if refusal.stanza is not None and refusal.reason not in REPEATABLE:
            self._last[refusal.stanza.identity] = LastKnock(self._clock.now(), accepted=False)
        if not (self.list_rejected or self._worth_listing(refusal)):
            self._tally.add(refusal.reason, self._clock.monotonic())
            return
        self.events.record(
            EventKind.VERDICT,
            source=packet.source,
            client=refusal.stanza.label if refusal.stanza else None,
            verdict="refuse",
            reason=refusal.reason,
            request=request_text(refusal.message),
            detail=refusal.detail,
            **dict(refusal.facts),
        )

    def _count(self, stanza: Stanza | None, reason: Reason) -> None:
        self.events.count(reason)
        if stanza is not None:
            self._knocks.setdefault(counted_as(stanza), Counter())[reason] += 1

    def strangers(self, refusal: Refusal, count: int) -> None:
        """So many packets were refused for the same reason, and none is worth an event."""
        self.events.count(refusal.reason, count)
        self._tally.add(refusal.reason, self._clock.monotonic(), count)

    def _worth_listing(self, refusal: Refusal) -> bool:
        """Junk and floods of copies are summed up: they must not push real knocks out."""
        if refusal.stanza is None and refusal.reason is not Reason.REPLAY:
            return False
        if refusal.reason not in REPEATABLE:
            return True
        self._listed[refusal.reason] += 1
        self._tally.start(self._clock.monotonic())
        return self._listed[refusal.reason] <= LISTED_PER_MINUTE

    @property
    def summary_due(self) -> float | None:
        """Monotonic second at which `summarize` has something to say; None when never."""
        return self._tally.due

    def summarize(self) -> None:
        """One event per reason for the packets not listed since the last summary."""
        self._listed.clear()
        for reason, count in self._tally.take():
            self.events.record(
                EventKind.REJECTED,
                verdict="refuse",
                reason=reason,
                count=count,
                detail=f"{'1 packet' if count == 1 else f'{count} packets'} not listed one by one",
            )

    # Doors

    def grant(
        self,
        kind: EventKind,
        grant: Grant,
        why: str = "",
        *,
        cut: int | None = None,
        uncut: str = "",
        source: object = None,
    ) -> None:
        """A door opened, or closed for the reason ``why`` ("" when its time was over).

        ``cut`` are the connections that ended with it, None when they were to live on;
        ``uncut`` says which did all the same, and why.
        """
        expires = self.epoch(grant.expires)
        detail = grant_text(grant, expires)
        facts: dict[str, JsonValue] = {} if cut is None else {"cut": cut}
        if uncut:
            facts["uncut"] = uncut
        ended = "" if cut is None else f"{connections(cut)} cut"
        why = "; ".join(filter(None, (why, ended, uncut)))
        self.events.record(
            kind,
            source=source,
            client=grant.client,
            verdict=None,
            reason=None,
            request=f"{grant.door.who},{grant.door.what}",
            detail=f"{detail} ({why})" if why else detail,
            expires=expires,
            place=self.firewall.place(grant.door),
            **facts,
        )


def counted_as(stanza: Stanza) -> str:
    """What a client's knocks are added up by: its name, so that no other keys make them fewer.

    A client without a name is known by its keys: its number may be another one's tomorrow.
    """
    return stanza.old_keys_of or stanza.name or stanza.identity


def request_text(message: SpaMessage | None) -> str | None:
    """What the packet asked for, as its own text; the caller makes it safe to print."""
    if message is None:
        return None
    asked = message.message.decode("latin-1")
    if message.nat_access is not None:
        asked += f" -> {message.nat_access.decode('latin-1')}"
    return asked


def command_facts(decision: Decision) -> dict[str, JsonValue]:
    """What is run for an accepted knock, and as whom; nothing when it only opens doors."""
    if isinstance(decision, AccessDecision):
        return {}
    if isinstance(decision, CommandDecision):
        return _run_facts(decision.command)
    closing = decision.closing
    if closing is None:
        return {**_run_facts(decision.opening), "closing": None}
    later: dict[str, JsonValue] = {"closing": printable(closing.text)}
    return {**_run_facts(decision.opening), **later, "closes_in": decision.lifetime}


def _run_facts(command: Command) -> dict[str, JsonValue]:
    return {"command": printable(command.text), "account": printable(command.account)}


def grant_text(grant: Grant, expires: float) -> str:
    """The C daemon's words for a rule, less the verb."""
    door = grant.door
    target = door.nat or door.destination or "0.0.0.0/0"
    # The web page shows these words in the reader's language, and the time in its own way.
    rule = f"{door_kind(door)} rule for {door.who} -> {target} {door.what}"
    return f"{rule}, expires at {int(expires)}"


def door_kind(door: Door) -> str:
    """The C daemon's word for the most telling rule of a door."""
    if door.port is None:
        return "DNAT ALL" if door.redirects else "FORWARD ALL"
    if door.nat is None:
        return "access"
    if not door.translate:
        return "FORWARD"
    return "local NAT" if door.local else "DNAT"
