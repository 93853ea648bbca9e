"""Copies of used packets, known by their very bytes: in a flood each costs a look, not a hash.

What is in here was found in the replay cache once, and a packet never becomes unused again.
So this can only refuse; when it forgets, the replay cache is asked.
"""

from __future__ import annotations

from fwknopd.policy.packet import Packet
from fwknopd.policy.verdict import Refusal

LIMIT = 512
"""Packets remembered, some 300 KiB; with one more all are forgotten, and learned anew."""


class Copies:
    """Refusals of used packets, by payload and by where it was sent to, which they tell."""

    __slots__ = ("_refusals",)

    def __init__(self) -> None:
        self._refusals: dict[tuple[bytes, int, int | None], Refusal] = {}

    def refusal_of(self, packet: Packet) -> Refusal | None:
        """What was said to an earlier copy of this packet; None if none is remembered."""
        return self._refusals.get((packet.payload, packet.protocol, packet.destination_port))

    def note(self, packet: Packet, refusal: Refusal) -> Refusal:
        """Remember that this packet was used before; returns ``refusal``."""
        if len(self._refusals) >= LIMIT:
            self._refusals.clear()
        self._refusals[packet.payload, packet.protocol, packet.destination_port] = refusal
        return refusal
