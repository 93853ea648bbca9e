"""The chains of a ruleset, as ``nft list ruleset`` prints them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

# What a block holds is indented, and its end is not. So one that has no end is given up where
# the next begins.
_TABLE = re.compile(
    r"^table (?P<name>\S+ \S+) \{[^\n]*\n(?P<body>(?:\t[^\n]*\n|\n)*)\}", re.MULTILINE
)
_DORMANT = re.compile(r"^\tflags [^\n]*\bdormant\b", re.MULTILINE)
# A chain without a name, in the rule that leads to it.
_OPENS = re.compile(r"\b(?:jump|goto) \{$")
_CHAIN = re.compile(
    r"^\tchain (?P<name>\S+) \{[^\n]*\n(?P<body>(?:\t\t[^\n]*\n|\n)*)\t\}", re.MULTILINE
)
_BASE = re.compile(
    r"type (?P<type>\w+) hook (?P<hook>\w+) .*?priority (?P<priority>[^;]+);"
    r"(?: policy (?P<policy>\w+);)?"
)
_PRIORITY = re.compile(r"(?P<name>[a-z]+)?(?: ?(?P<sign>[+-]) ?)?(?P<number>\d{1,10})?")
_PRIORITIES = {
    "raw": -300,
    "mangle": -150,
    "dstnat": -100,
    "filter": 0,
    "security": 50,
    "srcnat": 100,
}
_GOES_TO = re.compile(r"\b(?:jump|goto) (?P<chain>[^\s,}]+)")
# Names of what iptables makes; its rules are printed with less than they do.
_BY_IPTABLES = re.compile(r"ip6? (?:filter|mangle|nat|raw|security)")


@dataclass(frozen=True, slots=True)
class ListedChain:
    """One chain. ``hook`` is "" for one that packets only get to by a jump.

    ``kind`` is its type: "filter", "nat" or "route".
    """

    table: str
    name: str
    hook: str
    priority: int
    policy: str
    rules: tuple[str, ...]
    kind: str = "filter"

    @property
    def title(self) -> str:
        """Its name with its table's."""
        return f"{self.table} {self.name}"

    @property
    def is_by_iptables(self) -> bool:
        """It is one of those that the iptables programs make, or looks like it."""
        return self.name.isupper() and _BY_IPTABLES.fullmatch(self.table) is not None

    @property
    def versions(self) -> tuple[int, ...]:
        """The IP versions whose packets it sees."""
        return {"ip": (4,), "ip6": (6,), "inet": (4, 6)}.get(self.table.split()[0], ())


class Ruleset:
    """All chains of a listing, but for those of tables that are dormant: they do nothing."""

    def __init__(self, listing: str) -> None:
        self._tables: dict[str, dict[str, ListedChain]] = {}
        for table in _TABLE.finditer(listing):
            if _DORMANT.search(table["body"]):
                continue
            chains = (_chain(table["name"], found) for found in _CHAIN.finditer(table["body"]))
            self._tables[table["name"]] = {chain.name: chain for chain in chains}

    def __iter__(self) -> Iterator[ListedChain]:
        return iter([chain for chains in self._tables.values() for chain in chains.values()])

    def neighbours(self, chain: ListedChain) -> Mapping[str, ListedChain]:
        """The chains that ``chain`` can jump to, by name."""
        return self._tables[chain.table]

    def bases(self, hook: str) -> list[ListedChain]:
        """The base chains of a hook in which packets can be refused, first comes first."""
        bases = (chain for chain in self if chain.hook == hook and chain.versions)
        return sorted(bases, key=lambda chain: chain.priority)

    def reached_from(self, hooks: Iterable[str], *, since: int | None = None) -> list[ListedChain]:
        """The base chains of these hooks, and all chains to which packets get from there.

        ``since``: only those of that priority, or that come later.
        """
        found: dict[str, ListedChain] = {}
        bases = [base for hook in hooks for base in self.bases(hook)]
        todo = [base for base in bases if since is None or base.priority >= since]
        while todo:
            chain = todo.pop()
            if chain.title not in found:
                found[chain.title] = chain
                names = {m["chain"] for rule in chain.rules for m in _GOES_TO.finditer(rule)}
                todo += [c for name, c in self.neighbours(chain).items() if name in names]
        return [chain for chain in self if chain.title in found]


def _chain(table: str, found: re.Match[str]) -> ListedChain:
    lines = list(_lines(found["body"]))
    base = next((match for line in lines if (match := _BASE.match(line))), None)
    rules = tuple(line for line in lines if line and not _BASE.match(line))
    if base is None:
        return ListedChain(table, found["name"], "", 0, "", rules)
    policy = base["policy"] or "accept"
    priority = _priority(base["priority"])
    return ListedChain(table, found["name"], base["hook"], priority, policy, rules, base["type"])


def _lines(body: str) -> Iterator[str]:
    """The rules, each in a line; one that leads to a chain without a name has that within it."""
    lines = iter(body.splitlines())
    for line in lines:
        text = line.strip()
        if _OPENS.search(line):
            end = line[: len(line) - len(line.lstrip())] + "}"
            for inner in lines:
                text += f" {inner.strip()}"
                if inner.startswith(end):
                    break
        yield text


def _priority(text: str) -> int:
    match = _PRIORITY.fullmatch(text.strip())
    if match is None:
        return 0
    number = int(match["number"] or 0)
    return _PRIORITIES.get(match["name"] or "", 0) + (-number if match["sign"] == "-" else number)
