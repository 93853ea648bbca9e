"""What gpg is asked about a packet.

Running gpg takes long and is not policy's business. So a client asks a `GpgQuestion`,
and the packet is judged again when somebody has the answer. Clients that share a key ring
share the question. What few daemons need of this is in `gpg_candidate`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from fwknopd.policy.gpg import GpgHome
from fwknopd.policy.stanza import Stanza

if TYPE_CHECKING:
    from fwknopd.spa.gpg_report import Report
    from fwknopd.spa.openpgp import Envelope


@dataclass(frozen=True, slots=True)
class GpgQuestion:
    """Open this message with the keys of that ring."""

    home: GpgHome
    passphrase: bytes = field(repr=False)
    envelope: Envelope


@dataclass(frozen=True, slots=True)
class GpgFailure:
    """gpg gave no answer: it is missing, stuck or has too much to do. ``busy``: the latter."""

    detail: str
    busy: bool = False


GpgAnswer: TypeAlias = "Report | GpgFailure"


@dataclass(frozen=True, slots=True)
class GpgFacts:
    """What is known of gpg's world when a packet is judged.

    ``recipients`` are by key ring the ids of its secret keys; a ring that isn't there has
    not been read, and then every message may be for it.
    """

    answers: Mapping[GpgQuestion, GpgAnswer] = field(default_factory=dict)
    recipients: Mapping[GpgHome, frozenset[str]] = field(default_factory=dict)


UNKNOWN = GpgFacts()
"""Nothing is known, and every GPG client has to ask."""


@dataclass(frozen=True, slots=True)
class NeedsGpg:
    """No verdict yet: judge the packet again when gpg has answered.

    ``stanza`` is whose packet it may be; with ``authenticated`` its HMAC fitted.
    """

    question: GpgQuestion
    stanza: Stanza
    authenticated: bool
