"""Does the router's own firewall let marked packets in? Reads nft's listing. Pure."""

from __future__ import annotations

import re

from fwknopd.firewall import Diagnosis

INPUT = "input"
FORWARD = "forward"
CHAINS = (INPUT, FORWARD)
INCLUDES = {chain: f"/usr/share/nftables.d/chain-pre/{chain}/20-fwknopd.nft" for chain in CHAINS}

# Listings of different versions say "&" or "and", and write 0 in one or in ten places.
_ACCEPT = re.compile(
    r"meta mark (?:&|and) 0x(?P<mask>[0-9a-f]{1,8}) "
    r"(?:!= 0x0+|!= 0|== 0x(?P<value>[0-9a-f]{1,8})) accept(?: comment \".*\")?",
    re.ASCII,
)


def accepts_mark(listing: str, mark: int) -> bool:
    """Whether a listed chain has a rule of its own that accepts ``mark``.

    A rule with any other condition doesn't count: it may not hold for the packet.
    """
    rules = (_ACCEPT.fullmatch(line.strip()) for line in listing.splitlines())
    return any(rule is not None and _tests_bit(rule, mark) for rule in rules)


def _tests_bit(rule: re.Match[str], mark: int) -> bool:
    mask, value = int(rule["mask"], 16), rule["value"]
    # "== value" demands every bit of the mask, which only one bit can give alone.
    return mask == mark == int(value, 16) if value else bool(mask & mark)


def judge_chains(listings: dict[str, str | None], mark: int) -> Diagnosis:
    """Judge fw4's chains by their listings; None is a chain that isn't there."""
    if all(listing is None for listing in listings.values()):
        return Diagnosis(
            False,
            "this system has no fw4: add the rule "
            f"`meta mark & {mark:#010x} != 0 accept` to the start of your own input and "
            "forward chains, or no door will let anybody in",
        )
    missing = [chain for chain, text in listings.items() if not accepts_mark(text or "", mark)]
    if not missing:
        return Diagnosis(True, f"fw4 accepts packets with mark {mark:#010x}")
    files = " and ".join(INCLUDES[chain] for chain in missing)
    return Diagnosis(
        False,
        f"fw4's {' and '.join(missing)} chain does not accept mark {mark:#010x}: "
        f"check that {files} is there and names this mark, then run `fw4 reload`",
    )
