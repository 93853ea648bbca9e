"""Was this packet used before? What policy asks of the replay cache, and what it notes there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from fwknopd.policy.packet import Packet
from fwknopd.policy.rules import utc
from fwknopd.policy.settings import PolicySettings
from fwknopd.policy.stanza import Stanza
from fwknopd.policy.verdict import Reason, Refusal
from fwknopd.replay import ReplayCache, ReplayCacheFull, ReplayEntry
from fwknopd.spa.message import SpaMessage


class ReplayCheck:
    """The replay rules over one cache. Only `store` changes it, and not in test mode."""

    __slots__ = ("_by_label", "_cache", "_settings", "enabled")

    def __init__(
        self, stanzas: Iterable[Stanza], settings: PolicySettings, cache: ReplayCache
    ) -> None:
        self.enabled = settings.enable_digest_persistence
        self._settings = settings
        self._cache = cache
        self._by_label = {stanza.label: stanza for stanza in stanzas}

    def used(self, name: str | bytes, packet: Packet) -> Refusal | None:
        """The refusal of a packet that was seen under this name (digest or key) before."""
        if not self.enabled:
            return None
        entry = self._cache.seen(name)
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

    def known(
        self, key: bytes, stanza: Stanza, message: SpaMessage, packet: Packet
    ) -> Refusal | None:
        """The refusal of a packet these keys opened, if it was used or may have been."""
        known = (
            self.used(key, packet)
            or self._forgotten(stanza, message)
            or self._from_before(stanza, message)
        )
        if known is None:
            return None
        return replace(known, stanza=known.stanza or stanza, message=message)

    def no_room(self, stanza: Stanza, message: SpaMessage, now: int) -> Refusal | None:
        """The refusal of a packet that could not be remembered; nothing changes."""
        if self._too_old(message, now) or self._cache.has_room(now):
            return None
        return self._full(stanza, message)

    def store(
        self, entry: ReplayEntry, stanza: Stanza, message: SpaMessage, now: int
    ) -> Refusal | None:
        """Note a packet as used, if it `keeps`; the refusal when there is no room for it."""
        try:
            self._cache.add(entry, now)
        except ReplayCacheFull:
            return self._full(stanza, message)
        return None

    def keeps(self, message: SpaMessage, now: int) -> bool:
        """Is this packet to be noted? Not in test mode, nor one too old."""
        return not (self._settings.test or self._too_old(message, now))

    def _too_old(self, message: SpaMessage, now: int) -> bool:
        # A packet too old can never be accepted, so it needs no place, and an attacker
        # with a store of old packets can't push anything out.
        return not self._cache.still_acceptable(message.timestamp, now)

    def _forgotten(self, stanza: Stanza, message: SpaMessage) -> Refusal | None:
        blind = self._cache.blind_before
        if blind is None or message.timestamp >= blind:
            return None
        detail = (
            f"the list of used packets was lost, so packets made before {utc(blind)} "
            f"are refused; this one was made {utc(message.timestamp)}. "
            "Knock again after that time"
        )
        return Refusal(Reason.REPLAY, detail, stanza)

    def _from_before(self, stanza: Stanza, message: SpaMessage) -> Refusal | None:
        """Nobody knocks at a machine that is off; and its last packets may be on no list."""
        booted = self._cache.booted_at
        if booted is None or message.timestamp >= booted or not self.enabled:
            return None
        detail = (
            f"this packet was made {utc(message.timestamp)}, before this machine was started "
            f"at {utc(booted)}, so it may have been used already. Knock again; if that does not "
            "help, set the clock of the device that knocks"
        )
        return Refusal(Reason.REPLAY, detail, stanza)

    def _full(self, stanza: Stanza, message: SpaMessage) -> Refusal:
        detail = f"{len(self._cache)} used packets are remembered already, and no more fit"
        return Refusal(Reason.REPLAY_CACHE_FULL, detail, stanza, message)
