"""Packet to verdict: which client sent this, was it used before, may it have what it asks?

Cheap tests first: size and alphabet, then whether any client may knock from this
address, then whether this very text was used before; then client by client one HMAC
each, and only a packet whose HMAC fits is decrypted.

GPG takes long, so it isn't asked here: a packet that may be a GPG client's gets no verdict
but a question, and is judged again, from the start, when the answer is known.

A client that can't grant is skipped and the next one tried, for one key may serve
several stanzas. When all are skipped, people are told what the client said that got
furthest: an authenticated refusal beats "no client matched". Clients that are
disabled, expired or meant for another destination come last of all, only so that
their owners learn why.

Every packet that a client's keys open is remembered at once, before policy looks at
it, so that what was refused today can't be sent again when the rules have changed. The
verdict carries what a journal has to hold of it. Left out are packets too old to ever be
accepted, and those that came while the clock was not set: nobody knows their age.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address

from fwknopd.policy.addresses import plain
from fwknopd.policy.candidates import Candidate, Opened, Unopened, candidates_of, why_barred
from fwknopd.policy.copies import Copies
from fwknopd.policy.gpg_questions import UNKNOWN, GpgFacts, NeedsGpg
from fwknopd.policy.knock import Knock
from fwknopd.policy.packet import Packet
from fwknopd.policy.progress import further
from fwknopd.policy.replay_check import ReplayCheck
from fwknopd.policy.rules import clock_unset, decide
from fwknopd.policy.settings import PolicySettings
from fwknopd.policy.spa_refusals import refusal_of, unreadable
from fwknopd.policy.stanza import Stanza
from fwknopd.policy.strangers import Strangers
from fwknopd.policy.verdict import Reason, Refusal, Verdict
from fwknopd.replay import ReplayCache, ReplayEntry
from fwknopd.spa.errors import SpaError
from fwknopd.spa.message import SpaMessage
from fwknopd.spa.packet import MIN_GPG_TEXT, WireText, classify

__all__ = ["NO_MATCH", "Authorizer", "PolicySettings"]

NO_MATCH = Refusal(Reason.NO_CLIENT_MATCHED, "no client's keys fit this packet")
"""The verdict on all packets of strangers, this very object: most packets of a flood get it."""
_TOO_SHORT = Refusal(
    Reason.WRONG_LENGTH,
    f"clients here use GPG, whose packets have {MIN_GPG_TEXT} characters or more",
)

_FINAL = frozenset({Reason.REPLAY, Reason.REPLAY_CACHE_FULL})
"""Reasons that hold whichever client opened the packet; no further client is asked."""


@dataclass(slots=True)
class _Attempt:
    """One packet on its way through the clients."""

    packet: Packet
    wire: WireText
    digest: str
    now: int
    clock_problem: str
    utc_offset: int
    facts: GpgFacts
    spent: tuple[ReplayEntry, Stanza, SpaMessage] | None = None
    kept: ReplayEntry | None = None


class Authorizer:
    """Judges packets by a fixed set of clients and settings.

    It keeps no state but the replay cache, which outlives it: a reload makes a new
    Authorizer with the same cache.
    """

    def __init__(
        self, stanzas: Sequence[Stanza], settings: PolicySettings, replay: ReplayCache
    ) -> None:
        self._settings = settings
        self._replay = ReplayCheck(stanzas, settings, replay)
        if stanzas and replay.max_age != settings.max_age:
            replay.max_age = settings.max_age
        self.candidates = tuple(way for stanza in stanzas for way in candidates_of(stanza))
        self._strangers = Strangers(self.candidates, settings)
        self._copies = Copies()
        self._has_gpg = any(stanza.gpg for stanza in stanzas)
        self._any_source = all(candidate.sources is None for candidate in self.candidates)

    def judge(
        self,
        packet: Packet,
        now: int,
        clock_problem: str = "",
        utc_offset: int = 0,
        facts: GpgFacts = UNKNOWN,
    ) -> Verdict | NeedsGpg:
        """The verdict on one packet; never raises, whatever the payload.

        ``now`` is epoch seconds. ``clock_problem`` says why ``now`` can't be believed;
        then nothing is granted for which the time matters. ``utc_offset`` is how many
        seconds the router's wall clock is ahead of UTC. A packet that needs gpg is to be
        judged again with its answer among the ``facts``, and as of its arrival.
        """
        if (copy := self._copies.refusal_of(packet)) is not None:
            return copy
        if self._strangers.sent(packet.payload):
            return NO_MATCH
        try:
            wire = read_wire(packet.payload, self._settings)
        except SpaError as error:
            return unreadable(error)
        candidates = self._heard(plain(packet.source))
        if not candidates:
            return not_heard(packet)
        attempt = _Attempt(
            packet, wire, wire.reference_digest, now, clock_problem, utc_offset, facts
        )
        used = self._replay.used(attempt.digest, packet)
        if used is not None:
            return self._copies.note(packet, used)
        verdict = self._ask(candidates, attempt)
        # Not before the verdict is there: a packet judged again must not find itself.
        if attempt.spent is None or isinstance(verdict, NeedsGpg):
            return verdict
        return self._spend(*attempt.spent, attempt, verdict)

    def _spend(
        self,
        entry: ReplayEntry,
        stanza: Stanza,
        message: SpaMessage,
        attempt: _Attempt,
        verdict: Verdict,
    ) -> Verdict:
        """Note as used what a client's keys opened; the verdict says so, or that it can't be."""
        if attempt.kept is None:
            return self._replay.no_room(stanza, message, attempt.now) or verdict
        refused = self._replay.store(entry, stanza, message, attempt.now)
        if refused is not None:
            return refused
        return verdict if verdict.replay_entry is entry else replace(verdict, replay_entry=entry)

    def _heard(self, source: IPv4Address | IPv6Address) -> Sequence[Candidate]:
        if self._any_source:
            return self.candidates
        return [candidate for candidate in self.candidates if candidate.hears(source)]

    def _ask(self, candidates: Sequence[Candidate], attempt: _Attempt) -> Verdict | NeedsGpg:
        barred: list[tuple[Candidate, Reason]] = []
        text, destination, now = attempt.wire.text, plain(attempt.packet.destination), attempt.now
        furthest = NO_MATCH
        if self._has_gpg:
            candidates = [way for way in candidates if way.takes(attempt.wire)]
            furthest = furthest if candidates else _TOO_SHORT
        for candidate in candidates:
            if candidate.conditional and (bar := candidate.barred(destination, now)):
                barred.append((candidate, bar))
            elif candidate.matches is None or candidate.matches(text):
                verdict = self._try(candidate, attempt)
                if not isinstance(verdict, Refusal) or verdict.reason in _FINAL:
                    return verdict
                furthest = further(furthest, verdict)
        if furthest.stanza is None:
            return self._explain_barred(barred, attempt) or furthest
        return furthest

    def _try(self, candidate: Candidate, attempt: _Attempt) -> Verdict | NeedsGpg:
        """What this client, whose MAC fits or who has none, says to the packet."""
        stanza = candidate.stanza
        try:
            opened = candidate.open(attempt.wire, attempt.facts)
        except SpaError as error:
            return refusal_of(error, stanza, authenticated=candidate.matches is not None)
        if isinstance(opened, Unopened):
            return self._ask_gpg(candidate, opened, attempt)
        knock = self._knock(stanza, opened, attempt)
        unfit = clock_unset(knock, attempt.clock_problem) or self._remember(stanza, opened, attempt)
        if unfit is not None:
            return unfit
        return decide(knock, attempt.kept)

    def _ask_gpg(
        self, candidate: Candidate, unopened: Unopened, attempt: _Attempt
    ) -> Refusal | NeedsGpg:
        """Whatever already stands against the packet, so that no gpg runs for nothing."""
        stanza, authenticated = candidate.stanza, candidate.matches is not None
        used = self._replay.used(unopened.key, attempt.packet)
        if used is not None:
            return replace(used, stanza=used.stanza or stanza)
        settings = self._settings
        if attempt.clock_problem and settings.wait_for_clock and settings.enable_spa_packet_aging:
            whose = stanza if authenticated else None
            return Refusal(Reason.CLOCK_NOT_SET, attempt.clock_problem, whose)
        return NeedsGpg(unopened.question, stanza, authenticated)

    def _knock(self, stanza: Stanza, opened: Opened, attempt: _Attempt) -> Knock:
        return Knock(
            stanza,
            opened.message,
            attempt.packet,
            attempt.wire.forwarded_for,
            self._settings,
            attempt.now,
            attempt.utc_offset,
            opened.signer,
        )

    def _remember(self, stanza: Stanza, opened: Opened, attempt: _Attempt) -> Refusal | None:
        """Have the packet noted as used, once; the refusal of one that was used before."""
        if not self._replay.enabled or attempt.spent is not None:
            return None
        message = opened.message
        known = self._replay.known(opened.key, stanza, message, attempt.packet)
        if known is None:
            entry = _entry(opened.key, stanza, message, attempt)
            attempt.spent = (entry, stanza, message)
            attempt.kept = entry if self._replay.keeps(message, attempt.now) else None
        return known

    # Clients that can't grant

    def _explain_barred(
        self, barred: Sequence[tuple[Candidate, Reason]], attempt: _Attempt
    ) -> Refusal | NeedsGpg | None:
        """The refusal of the first barred client whose packet this is."""
        for candidate, reason in barred:
            if candidate.matches is not None and not candidate.matches(attempt.wire.text):
                continue
            try:
                opened = candidate.open(attempt.wire, attempt.facts)
            except SpaError:
                continue
            if isinstance(opened, Unopened):
                return self._ask_gpg(candidate, opened, attempt)
            stanza = candidate.stanza
            why = why_barred(reason, stanza, attempt.packet)
            # Spent all the same: this client may be allowed again in a minute.
            self._remember(stanza, opened, attempt)
            return Refusal(reason, why, stanza, opened.message)
        return None


def read_wire(payload: bytes, settings: PolicySettings) -> WireText:
    """The wire text of a payload, by what the settings allow. Raises `SpaError`."""
    return classify(
        payload,
        http=settings.enable_spa_over_http,
        allow_any_user_agent=settings.allow_any_user_agent,
        x_forwarded_for=settings.enable_x_forwarded_for,
    )


def not_heard(packet: Packet) -> Refusal:
    """The refusal of a packet from where no client may knock."""
    return Refusal(Reason.SOURCE_NOT_ALLOWED, f"no client's SOURCE covers {packet.source}")


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
