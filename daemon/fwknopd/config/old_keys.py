"""Former keys of clients that have new ones: ``access`` sections with ``old_keys_of``. Pure.

A client that gets new keys may go on with its old ones for a while. They are a section of
their own, so that every reader of UCI understands them; their end is ACCESS_EXPIRE_EPOCH.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fwknopd.config.directive import Directive, Findings
from fwknopd.config.uci_model import UciPackage
from fwknopd.policy.stanza import Stanza

OPTION = "old_keys_of"


def follow_clients(
    stanzas: Sequence[Stanza], package: UciPackage, file: str, findings: Findings
) -> tuple[Stanza, ...]:
    """Old keys count only while their client is there and enabled; else it got in by them."""
    enabled = {s.name for s in stanzas if s.name and s.enabled and not s.old_keys_of}
    sections = package.of_type("access")
    followed = []
    for stanza in stanzas:
        if stanza.enabled and stanza.old_keys_of and stanza.old_keys_of not in enabled:
            section = sections[stanza.number - 1]
            option = section.option(OPTION)
            line = option.line if option else section.line
            findings.warn(
                Directive(OPTION, stanza.old_keys_of, file, line, section.id),
                "there is no client of this name that is enabled: its old keys are refused",
                "Write the client's name, or delete this section.",
            )
            stanza = replace(stanza, enabled=False)
        followed.append(stanza)
    return tuple(followed)
