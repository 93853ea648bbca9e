"""Clients with the same keys: whoever is shut out by one of them may get in by another. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from fwknopd.config.directive import Directive, Findings
from fwknopd.config.uci_model import UciPackage
from fwknopd.policy.stanza import Network, Stanza

MOST_COMPARED = 50
"""Of more clients with the same keys nobody wants to know each, and each looks at the others."""


def check_shared_keys(
    stanzas: Sequence[Stanza], package: UciPackage, file: str, findings: Findings
) -> None:
    """Warn of clients whose packets nothing tells apart.

    Access.conf may have such for good reasons, and the C daemon takes them without a word. In
    UCI each client stands for one phone, and to revoke one of two leaves both in.
    """
    sections = package.of_type("access")
    for stanza, twin in sharing(stanzas):
        section = sections[stanza.number - 1]
        findings.warn(
            Directive("name", "", file, section.line, section.id),
            f"{stanza.label} and {twin.label} have the same keys: whoever has them gets in while "
            "one of the two may",
            "Give one of them fresh keys.",
        )


def sharing(stanzas: Sequence[Stanza]) -> Iterator[tuple[Stanza, Stanza]]:
    """Each client that others have the keys of, with the first of those before it."""
    shared = {
        identity for identity, times in Counter(s.identity for s in stanzas).items() if times > 1
    }
    same: dict[str, list[Stanza]] = {}
    for stanza in stanzas if shared else ():
        if stanza.identity not in shared:
            continue
        others = same.setdefault(stanza.identity, [])
        twin = next((other for other in others if _are_alike(stanza, other)), None)
        if twin is not None:
            yield stanza, twin
        if len(others) < MOST_COMPARED:
            others.append(stanza)


def _are_alike(one: Stanza, other: Stanza) -> bool:
    """Not if they come from elsewhere, or go elsewhere; nor are old keys another client."""
    if (one.old_keys_of or one.label) == (other.old_keys_of or other.label):
        return False
    return _meet(one.sources, other.sources) and _meet(one.destinations, other.destinations)


def _meet(some: Sequence[Network] | None, others: Sequence[Network] | None) -> bool:
    if some is None or others is None:
        return True
    return any(
        network.version == other.version and network.overlaps(other)
        for network in some[:MOST_COMPARED]
        for other in others[:MOST_COMPARED]
    )
