"""Packet to verdict: which client sent this, was it used before, may it have what it asks?

Cheap tests first: size and alphabet, then whether any client may knock from this
address, then whether this very text was used before; then client by client one HMAC
each, and only a packet whose HMAC fits is decrypted.

A client that can't grant is skipped and the next one tried, for one key may serve
several stanzas. When all are skipped, people are told what the client said that got
furthest: an authenticated refusal beats "no client matched". Clients that are
disabled, expired or meant for another destination come last of all, only so that
their owners learn why.

Every packet that a client's keys open is remembered at once, before policy looks at
it, so that what was refused today can't be sent again when the rules have changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address

from fwknopd.policy.addresses import plain
from fwknopd.policy.candidates import Candidate
from fwknopd.policy.packet import Packet
from fwknopd.policy.rules import Knock, decide, utc
from fwknopd.policy.settings import PolicySettings
from fwknopd.policy.spa_refusals import refusal_of, unreadable
from fwknopd.policy.stanza import Stanza
from fwknopd.policy.verdict import Reason, Refusal, Verdict
from fwknopd.replay import ReplayCache, ReplayCacheFull, ReplayEntry
from fwknopd.spa.errors import SpaError
from fwknopd.spa.message import SpaMessage
from fwknopd.spa.packet import WireText, classify, decode, replay_key

__all__ = ["Authorizer", "PolicySettings"]

_NO_MATCH = Refusal(Reason.NO_CLIENT_MATCHED, "no client's keys fit this packet")

_FINAL = frozenset({Reason.REPLAY, Reason.REPLAY_CACHE_FULL, Reason.CLOCK_NOT_SET})
"""Reasons that hold whichever client opened the packet; no further client is asked."""

_PROGRESS = {
    reason: step
    for step, reason in enumerate(
        (
            Reason.NO_CLIENT_MATCHED,
            Reason.WRONG_LENGTH,
            Reason.DECRYPT_FAILED,
            Reason.NOT_SUPPORTED,
            Reason.MALFORMED,
            Reason.TOO_OLD,
            Reason.FROM_THE_FUTURE,
            Reason.ADDRESS_REQUIRED,
            Reason.USERNAME_MISMATCH,
            Reason.NAT_NOT_ENABLED,
            Reason.COMMAND_NOT_ALLOWED,
            Reason.PORT_NOT_ALLOWED,
            Reason.NAT_TARGET_INVALID,
        )
    )
}
"""How far a packet got with a client, by the reason it was refused."""


@dataclass(slots=True)
class _Attempt:
    """One packet on its way through the clients."""

    packet: Packet
    wire: WireText
    digest: str
    now: int
    clock_problem: str
    entry: ReplayEntry | None = None


class Authorizer:
    """Judges packets by a fixed set of clients and settings.

    It keeps no state but the replay cache, which outlives it: a reload makes a new
    Authorizer with the same cache.
    """

    def __init__(
        self, stanzas: Sequence[Stanza], settings: PolicySettings, replay: ReplayCache
    ) -> None:
        self._settings = settings
        self._replay = replay
        if stanzas:
            replay.max_age = settings.max_age
        self._candidates = tuple(map(Candidate, stanzas))
        self._by_label = {stanza.label: stanza for stanza in stanzas}
        self._any_source = all(candidate.sources is None for candidate in self._candidates)

    def judge(self, packet: Packet, now: int, clock_problem: str = "") -> Verdict:
        """The verdict on one packet; never raises, whatever the payload.

        ``now`` is epoch seconds. ``clock_problem`` says why ``now`` can't be believed;
        then nothing is granted for which the time matters.
        """
        settings = self._settings
        try:
            wire = classify(
                packet.payload,
                http=settings.enable_spa_over_http,
                allow_any_user_agent=settings.allow_any_user_agent,
                x_forwarded_for=settings.enable_x_forwarded_for,
            )
        except SpaError as error:
            return unreadable(error)
        candidates = self._heard(plain(packet.source))
        if not candidates:
            return Refusal(Reason.SOURCE_NOT_ALLOWED, f"no client's SOURCE covers {packet.source}")
        attempt = _Attempt(packet, wire, wire.reference_digest, now, clock_problem)
        return self._used(attempt.digest, packet) or self._ask(candidates, attempt)

    def _heard(self, source: IPv4Address | IPv6Address) -> Sequence[Candidate]:
        if self._any_source:
            return self._candidates
        return [candidate for candidate in self._candidates if candidate.hears(source)]

    def _ask(self, candidates: Sequence[Candidate], attempt: _Attempt) -> Verdict:
        furthest = _NO_MATCH
        barred: list[tuple[Candidate, Reason]] = []
        text, destination, now = attempt.wire.text, plain(attempt.packet.destination), attempt.now
        for candidate in candidates:
            if candidate.conditional and (bar := candidate.barred(destination, now)):
                barred.append((candidate, bar))
            elif candidate.matches is None or candidate.matches(text):
                verdict = self._try(candidate, attempt)
                if not isinstance(verdict, Refusal) or verdict.reason in _FINAL:
                    return verdict
                furthest = _further(furthest, verdict)
        if furthest.stanza is None:
            return self._explain_barred(barred, attempt) or furthest
        return furthest

    def _try(self, candidate: Candidate, attempt: _Attempt) -> Verdict:
        """What this client, whose MAC fits or who has none, says to the packet."""
        stanza = candidate.stanza
        try:
            message = self._open(candidate, attempt)
        except SpaError as error:
            return refusal_of(error, stanza, authenticated=candidate.matches is not None)
        unfit = self._clock_unset(stanza, message, attempt) or self._remember(
            stanza, message, attempt
        )
        if unfit is not None:
            return unfit
        verdict = decide(self._knock(stanza, message, attempt))
        if isinstance(verdict, Refusal):
            return verdict
        return replace(verdict, replay_entry=attempt.entry)

    def _open(self, candidate: Candidate, attempt: _Attempt) -> SpaMessage:
        return decode(
            attempt.wire,
            candidate.stanza.keys,
            authenticator=candidate.authenticator,
            any_length=candidate.stanza.enable_cmd_exec,
        )

    def _knock(self, stanza: Stanza, message: SpaMessage, attempt: _Attempt) -> Knock:
        return Knock(
            stanza,
            message,
            attempt.packet,
            attempt.wire.forwarded_for,
            self._settings,
            attempt.now,
        )

    def _clock_unset(
        self, stanza: Stanza, message: SpaMessage, attempt: _Attempt
    ) -> Refusal | None:
        if not attempt.clock_problem or not self._settings.enable_spa_packet_aging:
            return None
        detail = f"{attempt.clock_problem}; the packet's clock says {utc(message.timestamp)}"
        return Refusal(Reason.CLOCK_NOT_SET, detail, stanza, message)

    # Replay

    def _used(self, name: str | bytes, packet: Packet) -> Refusal | None:
        """The refusal of a packet that was seen under this name before."""
        if not self._settings.enable_digest_persistence:
            return None
        entry = self._replay.seen(name)
        if entry is None:
            return None
        detail = f"this packet was used before, on {utc(entry.seen)} from {entry.source}"
        facts = (
            ("destination", f"{packet.protocol}/{packet.destination_port or 0}"),
            ("original_source", str(entry.source)),
            ("original_destination", f"{entry.protocol}/{entry.destination_port or 0}"),
            ("first_seen", entry.seen),
        )
        return Refusal(Reason.REPLAY, detail, self._by_label.get(entry.client), facts=facts)

    def _remember(self, stanza: Stanza, message: SpaMessage, attempt: _Attempt) -> Refusal | None:
        """Note the packet as used, once; a refusal when it was used or can't be noted."""
        if not self._settings.enable_digest_persistence or attempt.entry is not None:
            return None
        key = replay_key(attempt.wire, stanza.keys)
        known = self._used(key, attempt.packet) or self._forgotten(stanza, message)
        if known is not None:
            return replace(known, stanza=known.stanza or stanza, message=message)
        attempt.entry = _entry(key, stanza, message, attempt)
        return self._store(attempt.entry, stanza, message, attempt.now)

    def _forgotten(self, stanza: Stanza, message: SpaMessage) -> Refusal | None:
        blind = self._replay.blind_before
        if blind is None or message.timestamp >= blind:
            return None
        detail = (
            f"the list of used packets was lost, so packets made before {utc(blind)} "
            f"are refused; this one was made {utc(message.timestamp)}. Knock again"
        )
        return Refusal(Reason.REPLAY, detail, stanza)

    def _store(
        self, entry: ReplayEntry, stanza: Stanza, message: SpaMessage, now: int
    ) -> Refusal | None:
        # A packet too old can never be accepted, so it needs no place, and an attacker
        # with a store of old packets can't push anything out.
        if self._settings.test or not self._replay.still_acceptable(message.timestamp, now):
            return None
        try:
            self._replay.add(entry, now)
        except ReplayCacheFull:
            detail = f"{len(self._replay)} used packets are remembered already, and no more fit"
            return Refusal(Reason.REPLAY_CACHE_FULL, detail, stanza, message)
        return None

    # Clients that can't grant

    def _explain_barred(
        self, barred: Sequence[tuple[Candidate, Reason]], attempt: _Attempt
    ) -> Refusal | None:
        """The refusal of the first barred client whose packet this is."""
        for candidate, reason in barred:
            if candidate.matches is not None and not candidate.matches(attempt.wire.text):
                continue
            try:
                message = self._open(candidate, attempt)
            except SpaError:
                continue
            stanza = candidate.stanza
            return Refusal(reason, _why_barred(reason, stanza, attempt.packet), stanza, message)
        return None


def _why_barred(reason: Reason, stanza: Stanza, packet: Packet) -> str:
    if reason is Reason.DESTINATION_NOT_ALLOWED:
        return f"sent to {packet.destination}, which this client's DESTINATION does not cover"
    if reason is Reason.CLIENT_DISABLED:
        return "this client is switched off"
    return f"this client's access ended on {utc(stanza.access_expire or 0)}"


def _further(one: Refusal, other: Refusal) -> Refusal:
    """The refusal that came later on the way; the first client's when both came as far."""
    if (one.stanza is None) != (other.stanza is None):
        return one if one.stanza is not None else other
    return other if _PROGRESS[other.reason] > _PROGRESS[one.reason] else one


def _entry(key: bytes, stanza: Stanza, message: SpaMessage, attempt: _Attempt) -> ReplayEntry:
    packet = attempt.packet
    return ReplayEntry(
        digest=attempt.digest,
        key=key,
        seen=attempt.now,
        timestamp=message.timestamp,
        protocol=packet.protocol,
        source=packet.source,
        source_port=packet.source_port,
        destination=packet.destination,
        destination_port=packet.destination_port,
        client=stanza.label,
    )
