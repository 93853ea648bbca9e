"""One knock that two captures saw.

A knock over TCP is seen by the sniffer, as a segment, and by the listener, as text. A packet
that comes in through a bridge or a VLAN is seen on the device below and on the one above;
``any`` sees both. It is one knock each time. Judged twice, the second time would be reported
as a replay, which is an alarm for nothing. So what comes again from the same sender, to the
same bit, counts only once:

- over connections to the listener's port, for as long as a connection may last: TCP itself
  may send a segment again;
- of other packets, for a moment, and only if another capture saw it first, such as the one
  that a reload replaces. What comes again on the same device is a copy that somebody sent.

A copy from elsewhere, or from another port, is judged, and found to be a replay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fwknopd.capture.device import ANY_DEVICE
from fwknopd.capture.link_layer import TCP
from fwknopd.policy.packet import Packet

LISTENER = "tcp"
"""What a packet of the listener says it came in on."""

CONNECTION_SECONDS = 10.0
"""Longer than the listener keeps a connection."""

MOMENT_SECONDS = 1.0
"""Longer than a packet needs from one device to the next, and waits to be read."""

REMEMBERED = 1024
"""Beyond that the oldest are forgotten; whoever floods sees replays, and opens nothing."""


class Twins:
    """Remembers for a moment what came, and which capture saw it."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._seen: dict[int, tuple[float, object]] = {}

    def first_ones(
        self, packets: Sequence[Packet], seer: object, port: int | None, *, several: bool
    ) -> Sequence[Packet]:
        """``packets``, which the capture ``seer`` saw, without those that came already.

        ``port`` is the listener's, if any; ``several``: there may be other captures, or
        ``seer`` watches more than one device.
        """
        if port is None and not several:
            return packets
        now = self._monotonic()
        self._forget(now)
        return [p for p in packets if self._is_first(p, seer, now, port, several=several)]

    def _is_first(
        self, packet: Packet, seer: object, now: float, port: int | None, *, several: bool
    ) -> bool:
        connection = packet.via == LISTENER or (
            packet.protocol == TCP and packet.destination_port == port
        )
        if not connection and not several:
            return True
        key = _key(packet)
        if key in self._seen:
            when, first = self._seen.pop(key)
            elsewhere = first is not seer or packet.via == ANY_DEVICE
            moment = MOMENT_SECONDS if elsewhere else 0.0
            if now < when + (CONNECTION_SECONDS if connection else moment):
                self._seen[key] = (when, first)
                return False
        self._seen[key] = (now, seer)
        return True

    def _forget(self, now: float) -> None:
        # In order of their time, but for copies put back: those may go a little early.
        while self._seen:
            oldest = next(iter(self._seen))
            if now < self._seen[oldest][0] + CONNECTION_SECONDS and len(self._seen) < REMEMBERED:
                return
            del self._seen[oldest]


def _key(packet: Packet) -> int:
    sender = (packet.source, packet.source_port)
    return hash((packet.payload, sender, packet.protocol, packet.destination_port))
