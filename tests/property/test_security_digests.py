"""A packet is told from others by a whole digest: of a part of one, a second could be found."""

from __future__ import annotations

from hypothesis import given

from fwknopd.spa.packet import SpaKeys, WireText, replay_key
from tests.property.spa_strategies import packets

WHOLE = 256 // 8
WHOLE_AS_TEXT = 43
"""Characters of base64 without padding."""


@given(packets())
def test_packets_are_known_by_whole_digests(packet: tuple[bytes, SpaKeys]) -> None:
    wire = WireText(packet[0])
    assert len(replay_key(wire, packet[1])) == WHOLE
    assert len(wire.reference_digest) == WHOLE_AS_TEXT
