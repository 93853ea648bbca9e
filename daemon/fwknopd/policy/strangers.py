"""The quick way out for packets of strangers, which are nearly all packets of a flood.

`Authorizer` comes to the same verdict, `NO_MATCH`, by way of everything else it knows of a
packet. Here only what decides is looked at: size, alphabet, and every client's HMAC. It is
for a handful of clients that all take packets from everywhere and all have an HMAC key:
with more, to ask first whether this very text was used before is the quicker way.
"""

from __future__ import annotations

from collections.abc import Sequence

from fwknopd.policy.candidates import Candidate
from fwknopd.policy.settings import PolicySettings
from fwknopd.spa.packet import is_wire_text

FEW_CLIENTS = 8


class Strangers:
    """Knows the HMAC keys of all clients, or that it can't help with these."""

    __slots__ = ("_matches",)

    def __init__(self, candidates: Sequence[Candidate], settings: PolicySettings) -> None:
        usual = all(
            candidate.matches is not None and candidate.sources is None and not candidate.stanza.gpg
            for candidate in candidates
        )
        helps = usual and len(candidates) <= FEW_CLIENTS and not settings.enable_spa_over_http
        self._matches = tuple(c.matches for c in candidates if c.matches) if helps else ()

    def sent(self, payload: bytes) -> bool:
        """No client made this, and it is well-formed; False says nothing."""
        if not self._matches or not is_wire_text(payload):
            return False
        for matches in self._matches:  # noqa: SIM110 - a generator costs as much as an HMAC
            if matches(payload):
                return False
        return True
