"""A knock over TCP that two captures saw: the sniffer its segment, the listener its text.

It is one knock. Judged twice, the second time would be reported as a replay, which is an
alarm for nothing. The same goes for a segment that TCP itself sent again. So of the same
bytes on the same connection only those that come first count; a copy that somebody else
sends is on a connection of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fwknopd.capture.link_layer import TCP
from fwknopd.policy.packet import Packet

LISTENER = "tcp"
"""What a packet of the listener says it came in on."""

REMEMBERED_SECONDS = 10.0
"""Longer than the listener keeps a connection."""

REMEMBERED = 512
"""Beyond that the oldest are forgotten; whoever floods sees replays, and opens nothing."""


class Twins:
    """Remembers for a moment what came over connections to the listener's port."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._seen: dict[int, float] = {}

    def first_ones(self, packets: Sequence[Packet], port: int | None) -> list[Packet]:
        """``packets`` without those that came already; ``port`` is the listener's, if any."""
        return [packet for packet in packets if self._is_first(packet, port)]

    def _is_first(self, packet: Packet, port: int | None) -> bool:
        if packet.protocol != TCP:
            return True
        if packet.via != LISTENER and (port is None or packet.destination_port != port):
            return True
        self._forget()
        key = hash((packet.source, packet.source_port, packet.payload))
        if key in self._seen:
            return False
        self._seen[key] = self._monotonic() + REMEMBERED_SECONDS
        return True

    def _forget(self) -> None:
        now = self._monotonic()
        while self._seen:
            oldest = next(iter(self._seen))
            if self._seen[oldest] > now and len(self._seen) < REMEMBERED:
                return
            del self._seen[oldest]
