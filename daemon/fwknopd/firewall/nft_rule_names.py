"""What people call the rule that decides: by its name in OpenWrt's configuration. Pure."""

from __future__ import annotations

import re
from enum import StrEnum

from fwknopd.firewall.nft_strangers import Fate

LONGEST = 120
"""Characters of a rule that are quoted."""

_FW4 = "inet fw4 "
_COMMENT = re.compile(r' comment "!fw4: (?P<name>[^"]*)"$')
_ZONE = re.compile(r"(?:accept|reject|drop)_(?:from|to)_(?P<zone>\S+)")


class How(StrEnum):
    """What decides: a rule, a redirect or a zone of fw4's configuration, another rule as it is
    listed, what a chain does with the rest, or nothing at all."""

    RULE = "rule"
    REDIRECT = "redirect"
    ZONE = "zone"
    TEXT = "text"
    POLICY = "policy"
    NOTHING = "nothing"


def named(fate: Fate) -> tuple[How, str]:
    """What decides, and its name: of a chain's policy the chain's, "" for nothing."""
    if not fate.rule:
        return (How.POLICY, fate.chain) if fate.chain else (How.NOTHING, "")
    comment = _COMMENT.search(fate.rule)
    if comment is None or not fate.chain.startswith(_FW4):
        return How.TEXT, _shortened(fate.rule)
    zone = _ZONE.fullmatch(fate.chain.removeprefix(_FW4))
    if zone is not None:
        return How.ZONE, zone["zone"]
    return (How.REDIRECT if fate.target else How.RULE), _shortened(comment["name"])


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
