"""Reading from fw4's listing whether it accepts the mark."""

from __future__ import annotations

from pathlib import Path

import pytest

from fwknopd.firewall.fw4 import accepts_mark, judge_chains

RULESETS = Path(__file__).parents[2] / "data" / "fw4"
MARK = 0x40000000


def listed_chain(scenario: str, chain: str) -> str:
    """One chain of a recorded listing, as `nft list chain` prints it."""
    listing = (RULESETS / scenario / "listed.nft").read_text()
    body = listing.split(f"\tchain {chain} {{\n")[1].split("\n\t}\n")[0]
    return f"table inet fw4 {{\n\tchain {chain} {{\n{body}\n\t}}\n}}\n"


@pytest.mark.parametrize("chain", ["input", "forward"])
def test_recorded_rulesets_are_told_apart(chain: str) -> None:
    assert accepts_mark(listed_chain("default-with-includes", chain), MARK)
    assert not accepts_mark(listed_chain("default", chain), MARK)


@pytest.mark.parametrize(
    "rule",
    [
        "meta mark & 0x40000000 != 0x00000000 accept",
        "meta mark and 0x40000000 != 0 accept",
        "meta mark & 0x40000000 == 0x40000000 accept",
        'meta mark & 0x40000000 != 0x00000000 accept comment "anything"',
        "meta mark & 0xc0000000 != 0x00000000 accept",
    ],
)
def test_rules_that_accept_the_mark(rule: str) -> None:
    assert accepts_mark(f"\t\t{rule}\n", MARK)


@pytest.mark.parametrize(
    "rule",
    [
        "meta mark & 0x40000000 != 0x00000000 drop",
        "meta mark & 0x40000000 == 0x00000000 accept",
        "meta mark & 0x20000000 != 0x00000000 accept",
        "meta mark & 0xc0000000 == 0xc0000000 accept",
        'iifname "br-lan" meta mark & 0x40000000 != 0x00000000 accept',
        "meta mark & 0x40000000 != 0x00000000 tcp dport 22 accept",
        'drop comment "meta mark & 0x40000000 != 0 accept"',
        "",
    ],
)
def test_rules_that_do_not(rule: str) -> None:
    assert not accepts_mark(f"\t\t{rule}\n", MARK)


def test_a_missing_include_is_named_with_its_remedy() -> None:
    listings: dict[str, str | None] = {
        "input": listed_chain("default-with-includes", "input"),
        "forward": listed_chain("default", "forward"),
    }
    diagnosis = judge_chains(listings, MARK)
    assert not diagnosis.ready
    assert "chain-pre/forward/20-fwknopd.nft" in diagnosis.detail
    assert "chain-pre/input" not in diagnosis.detail
    assert "fw4 reload" in diagnosis.detail


def test_a_system_without_fw4_is_told_which_rule_to_add() -> None:
    diagnosis = judge_chains({"input": None, "forward": None}, MARK)
    assert not diagnosis.ready
    assert "meta mark & 0x40000000 != 0 accept" in diagnosis.detail
