"""Base chains in which a stranger's connection may fail though his packet was let in. Pure.

That is where the router's answers go out, and packets that are passed on. Nobody walks them
here: a chain in which something may be stopped is one of which nothing is sure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from fwknopd.firewall.nft_listing import ListedChain, Ruleset

_QUOTED = re.compile(r'"[^"]*"')
_GOES_TO = re.compile(r"\b(?:jump|goto) (?P<chain>[^\s,}]+)")
# What stops a packet, or is not listed as what it does.
_STOPS = re.compile(r"\b(?:drop|reject|queue|xt|synproxy|tproxy)\b|\bvmap @")
_RENAMES = re.compile(r"\bsnat\b")
# Behind this everything is for packets that are no answers.
_ANSWERS = re.compile(
    r"ct state (?:established,related|related,established|\{ established, related \})"
    r"(?: counter packets \d+ bytes \d+)? accept(?: comment |$)"
    r"|ct state vmap \{[^}]*\bestablished : accept\b"
)


def unsafe_bases(ruleset: Ruleset, hook: str) -> list[ListedChain]:
    """Those of ``hook``: output or postrouting, or input for what is renamed there."""
    return [base for base in ruleset.bases(hook) if _may_fail(base, ruleset)]


def _may_fail(base: ListedChain, ruleset: Ruleset) -> bool:
    if base.hook == "input":
        return base.kind == "nat" and any(map(_RENAMES.search, _reached(base.rules, base, ruleset)))
    first = list(_until_answers(base)) if base.hook == "output" else list(base.rules)
    if base.policy == "drop" and len(first) == len(base.rules):
        return True
    return any(map(_STOPS.search, _reached(first, base, ruleset)))


def _until_answers(base: ListedChain) -> Iterator[str]:
    for rule in base.rules:
        if _ANSWERS.match(rule):
            return
        yield rule


def _reached(first: Iterable[str], base: ListedChain, ruleset: Ruleset) -> Iterator[str]:
    """Rules that packets may meet, without what is quoted in them."""
    chains, known = ruleset.neighbours(base), {base.name}
    todo = [tuple(first)]
    while todo:
        for rule in todo.pop():
            text = _QUOTED.sub("", rule)
            yield text
            new = {match["chain"] for match in _GOES_TO.finditer(text)} - known
            known |= new
            todo += [chains[name].rules for name in new if name in chains]
