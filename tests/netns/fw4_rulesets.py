"""Rulesets the real fw4 printed, with this package's includes where fw4 puts them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

PROJECT = Path(__file__).parents[2]
RULESETS = PROJECT / "tests" / "data" / "fw4"
PACKAGE = PROJECT / "package" / "fwknop-wrt" / "files"
OUR_INCLUDES = {
    chain: PACKAGE / f"usr/share/nftables.d/chain-pre/{chain}/20-fwknopd.nft"
    for chain in ("input", "forward")
}


def printed_ruleset(scenario: str) -> str:
    """What fw4 printed for a recorded scenario."""
    return (RULESETS / scenario / "ruleset.nft").read_text()


def with_includes(ruleset: str, includes: Mapping[str, Path | str]) -> str:
    """``ruleset`` with an include line in each named chain, at fw4's place for chain-pre.

    In input and forward that is right before the rule that looks at connection states.
    """
    lines: list[str] = []
    chain = ""
    for line in ruleset.splitlines(keepends=True):
        words = line.split()
        if words[:1] == ["chain"]:
            chain = words[1]
        if chain in includes and line.startswith("\t\tct state vmap "):
            lines.append(f'\t\tinclude "{includes[chain]}"\n')
        lines.append(line)
    return "".join(lines)


def router_ruleset(scenario: str = "default") -> str:
    """What fw4 prints on a router with that configuration and this package."""
    return with_includes(printed_ruleset(scenario), OUR_INCLUDES)
