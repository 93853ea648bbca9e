"""Rulesets the real fw4 printed, with this package's two includes where fw4 puts them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.lab.errors import LabError

PROJECT = Path(__file__).resolve().parents[2]
SCENARIOS = PROJECT / "tests/data/fw4"
INCLUDES = PROJECT / "package/fwknop-wrt/files/usr/share/nftables.d/chain-pre"
INCLUDED_CHAINS = ("input", "forward")


def scenario_folder(scenario: str) -> Path:
    """Folder of a recorded scenario. Raises LabError naming those there are."""
    folder = SCENARIOS / scenario
    if not (folder / "ruleset.nft").is_file():
        known = ", ".join(sorted(path.parent.name for path in SCENARIOS.glob("*/ruleset.nft")))
        raise LabError(f"there is no fw4 scenario {scenario!r}", f"Choose one of: {known}.")
    return folder


def router_ruleset(scenario: str) -> str:
    """What ``fw4 print`` gives on a router with that configuration and our package installed."""
    ruleset = (scenario_folder(scenario) / "ruleset.nft").read_text()
    return "\n".join(_with_includes(ruleset.splitlines())) + "\n"


def _with_includes(lines: list[str]) -> Iterator[str]:
    chain = ""
    for line in lines:
        words = line.split()
        if words[:1] == ["include"]:
            # Another machine's includes: the user's own, or those of the recording.
            continue
        if words[:1] == ["chain"]:
            chain = words[1]
        yield line
        if chain in INCLUDED_CHAINS and _is_place_of_include(chain, words):
            yield f'\t\tinclude "{INCLUDES / chain}/20-fwknopd.nft"'
            chain = ""


def _is_place_of_include(chain: str, words: list[str]) -> bool:
    """fw4 puts chain-pre behind the loopback rule of input, and first in forward."""
    return words[:2] == (["iif", '"lo"'] if chain == "input" else ["type", "filter"])
