"""Explaining real packets as they come, for somebody who sets up a phone and waits.

Off most of the time, and bounded when on: in time, in packets explained, and in what is kept
of each, because anybody may send packets meanwhile. Strangers' packets have places of their
own, one for each address and reason, so that junk can't hide the knock that is waited for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fwknopd.engine import Engine
from fwknopd.engine_edges import Clock
from fwknopd.policy.explanation import explain, verdict_json
from fwknopd.policy.packet import Packet
from fwknopd.policy.verdict import Reason, Verdict
from fwknopd.replay import ReplayCache

Json = dict[str, Any]

MOST_KNOWN = 10
"""Packets explained at most that a client's keys fit."""

MOST_STRANGERS = 10
"""Addresses of which one packet is explained that nobody's keys fit."""

FOREIGN_SHOWN = 5
"""Clients listed at most for a packet that isn't theirs."""

_REPLAYED = (Reason.REPLAY, Reason.REPLAY_CACHE_FULL)


@dataclass(slots=True)
class Seen:
    """One explained packet; ``count`` also has those like it that came later."""

    told: Json
    known: bool
    key: tuple[str, str]
    count: int = 1


class PacketWatch:
    """Explains what the engine judges, from now on for ``seconds``."""

    def __init__(self, engine: Engine, clock: Clock, seconds: int) -> None:
        self._engine = engine
        self._clock = clock
        self._end = clock.monotonic() + seconds
        self._until = clock.now() + seconds
        self._seen: list[Seen] = []
        self._more = 0
        self._before: Callable[[Packet, Verdict], None] | None = engine.judged
        self._hook = self._judged
        engine.judged = self._hook

    def stop(self) -> None:
        """Watch no more; what was seen stays."""
        if self._engine.judged == self._hook:
            self._engine.judged = self._before
        self._end = 0.0

    def as_json(self) -> Json:
        """Newest first; times are epoch seconds, ``more`` packets came and aren't explained."""
        if self._clock.monotonic() >= self._end:
            self.stop()
        packets = [{**seen.told, "count": seen.count} for seen in reversed(self._seen)]
        return {
            "now": self._clock.now(),
            "until": self._until,
            "packets": packets,
            "more": self._more,
        }

    def _judged(self, packet: Packet, verdict: Verdict) -> None:
        if self._before is not None:
            self._before(packet, verdict)
        if self._clock.monotonic() >= self._end:
            self.stop()
            return
        known, key = verdict.stanza is not None, (str(packet.source), str(verdict.reason))
        if not known and self._counted(key):
            return
        room = MOST_KNOWN if known else MOST_STRANGERS
        if sum(1 for seen in self._seen if seen.known is known) >= room:
            self._more += 1
            return
        try:
            self._seen.append(Seen(self._told(packet, verdict), known, key))
        except Exception:  # a fault in telling must not keep a knock from being acted on
            self._more += 1

    def _counted(self, key: tuple[str, str]) -> bool:
        alike = next((seen for seen in self._seen if not seen.known and seen.key == key), None)
        if alike is None:
            return False
        alike.count += 1
        return True

    def _told(self, packet: Packet, verdict: Verdict) -> Json:
        return {
            "time": self._clock.now(),
            "source": str(packet.source),
            "port": packet.destination_port,
            "via": packet.via,
            "bytes": len(packet.payload),
            **_shortened(self._explained(packet, verdict)),
            # The real one: an explanation doesn't wait for gpg.
            "verdict": verdict_json(verdict),
        }

    def _explained(self, packet: Packet, verdict: Verdict) -> Json:
        engine, clock = self._engine, self._clock
        now, settings = clock.now(), engine.settings
        # The packet has been judged: by now the true memory calls every packet used.
        replay = engine.replay if verdict.reason in _REPLAYED else ReplayCache()
        return explain(
            packet,
            settings.stanzas,
            settings.policy,
            replay,
            int(now),
            clock.problem(),
            clock.utc_offset(now),
        ).as_json()


def _shortened(explanation: Json) -> Json:
    """Of clients whose packet it isn't only a few, and only why."""
    own = [client for client in explanation["clients"] if client["outcome"] != "foreign"]
    foreign = [client for client in explanation["clients"] if client["outcome"] == "foreign"]
    left_out = explanation["clients_left_out"] + len(foreign[FOREIGN_SHOWN:])
    brief = [{**client, "steps": client["steps"][-1:]} for client in foreign[:FOREIGN_SHOWN]]
    return {**explanation, "clients": [*own[:1], *brief], "clients_left_out": left_out}
