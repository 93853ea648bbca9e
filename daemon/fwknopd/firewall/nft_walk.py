"""What becomes of a new connection in somebody's chain, as far as its listing tells. Pure.

The packet is only known by its device, IP version and our bit of its mark. A rule that asks
for anything else may match or not; what it would do does not count. So a blocklist refuses
nobody here, and a policy of drop refuses everybody.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from fwknopd.firewall.nft_listing import ListedChain
from fwknopd.firewall.nft_marks import SETS, TEST, Effect, effect_on_mark, is_met

# As deep as the kernel lets chains jump, and more rules than any packet should have to pass.
DEPTH = 16
LONGEST_WAY = 20_000
NEUTRAL = re.compile(
    r'counter packets \d+ bytes \d+|counter(?: name "[^"]*")?(?= |$)|comment "[^"]*"'
    r'|log(?: prefix "[^"]*"| level \w+| flags [\w ,]+?(?= |$)| group \d+| snaplen \d+'
    r"| queue-threshold \d+)*(?= |$)"
)
_DEVICE = re.compile(r'(?:iifname|iif) (?P<not>!= )?(?P<values>\{[^}]*\}|"[^"]*"|[^\s{]+)')
_STATE = re.compile(r"ct state (?P<not>!= )?(?P<values>\{[^}]*\}|[a-z,]+)(?= |$)")
_VERSION = re.compile(r"meta nfproto ipv(?P<version>[46])")
_VMAP = re.compile(r"(?P<key>ct state|iifname|iif) vmap \{(?P<entries>[^}]*)\}")
_GO = re.compile(r"(?P<how>jump|goto) (?P<chain>[^\s,}]+)")
_VERDICT = re.compile(r"(?P<word>accept|drop|reject|return)(?= |$)")
_WORD = re.compile(r'"[^"]*"|\S+')


Place = tuple[str, str]
"""A rule, and the chain it stands in."""


class Outcome(Enum):
    """How far a packet gets."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    GOES_ON = "goes on"


@dataclass
class Walk:
    """One packet on its way.

    ``marked`` may change: ``cleared_by`` says by which rule, and ``doubted_by`` which rule
    changes it for packets of some kind; each with the chain it stands in.
    """

    device: str | None
    version: int
    bit: int
    marked: bool
    cleared_by: Place | None = None
    doubted_by: Place | None = None
    refused_by: str = ""
    _here: Place = field(default=("", ""), repr=False)
    _passed: int = field(default=0, repr=False)
    _depth: int = field(default=0, repr=False)
    _known: dict[tuple[str, bool], tuple[Outcome, bool]] = field(default_factory=dict, repr=False)

    def through(self, base: ListedChain, chains: Mapping[str, ListedChain]) -> Outcome:
        """The fate of the packet in a base chain."""
        outcome = self._chain(base, chains)
        if outcome is not Outcome.GOES_ON:
            return outcome
        self.refused_by = f"policy {base.policy}"
        return Outcome.REFUSED if base.policy == "drop" else Outcome.ACCEPTED

    def _chain(self, chain: ListedChain, chains: Mapping[str, ListedChain]) -> Outcome:
        for rule in chain.rules:
            outcome = self._rule(rule, chain, chains)
            if outcome is None:
                break
            if outcome is not Outcome.GOES_ON:
                return outcome
        return Outcome.GOES_ON

    def _rule(
        self, rule: str, chain: ListedChain, chains: Mapping[str, ListedChain]
    ) -> Outcome | None:
        """What the rule does to the packet; None sends it back to where the chain was called."""
        self._here = (rule, chain.title)
        self._passed += 1
        action = self._action(rule, chain) if self._passed <= LONGEST_WAY else ""
        if action in ("drop", "reject"):
            self.refused_by = rule
            return Outcome.REFUSED
        if action == "accept":
            return Outcome.ACCEPTED
        if action == "return":
            return None
        went = _GO.fullmatch(action)
        target = chains.get(went["chain"]) if went else None
        if went is None or target is None or self._depth >= DEPTH:
            return Outcome.GOES_ON
        outcome = self._jump(target, chains)
        return None if went["how"] == "goto" and outcome is Outcome.GOES_ON else outcome

    def _jump(self, target: ListedChain, chains: Mapping[str, ListedChain]) -> Outcome:
        """The fate of the packet in a chain. The second time it is that of the first.

        Chains that each lead to the next by two jumps would take time without end.
        """
        state = (target.title, self.marked)
        if state not in self._known:
            self._depth += 1
            outcome = self._chain(target, chains)
            self._depth -= 1
            self._known[state] = outcome, self.marked
        outcome, self.marked = self._known[state]
        return outcome

    def _action(self, rule: str, chain: ListedChain) -> str:
        """The verdict that is certain to be passed on the packet; "" for none."""
        rest = rule
        while rest:
            verdict = _VERDICT.match(rest) or _GO.match(rest)
            if verdict:
                return verdict[0]
            mapped = _VMAP.match(rest)
            if mapped:
                return self._mapped(mapped)
            rest, met = self._statement(rest, chain)
            if met is None:
                self._doubt(rest, chain)
            if met is not True:
                return ""
        return ""

    def _doubt(self, rest: str, chain: ListedChain) -> None:
        """Note what a rule that may match or not would do to the mark."""
        effect = effect_on_mark(rest, self.bit, by_iptables=chain.is_by_iptables)
        if self.marked and effect in (Effect.CLEARED, Effect.UNKNOWN):
            self.doubted_by = self._here

    def _statement(self, rest: str, chain: ListedChain) -> tuple[str, bool | None]:
        """What follows the next statement, and whether the packet meets it."""
        for pattern, judge in _STATEMENTS:
            match = pattern.match(rest)
            if match:
                return rest[match.end() :].lstrip(), judge(self, match, chain)
        match = _WORD.match(rest)
        return (rest[match.end() :].lstrip() if match else ""), None

    def _mapped(self, match: re.Match[str]) -> str:
        wanted = "new" if match["key"] == "ct state" else self.device
        for entry in match["entries"].split(", "):
            key, _, verdict = entry.strip().partition(" : ")
            if key.strip('"') == wanted:
                return verdict.strip()
        return ""

    # Statements

    def _passes(self, _match: re.Match[str], _chain: ListedChain) -> bool | None:
        return True

    def _meets_device(self, match: re.Match[str], _chain: ListedChain) -> bool | None:
        if self.device is None:
            return None
        matches = any(_is_device(value, self.device) for value in _values(match["values"]))
        return matches is not bool(match["not"])

    def _meets_state(self, match: re.Match[str], _chain: ListedChain) -> bool | None:
        return ("new" in _values(match["values"])) is not bool(match["not"])

    def _meets_version(self, match: re.Match[str], _chain: ListedChain) -> bool | None:
        return int(match["version"]) == self.version

    def _meets_mark(self, match: re.Match[str], _chain: ListedChain) -> bool | None:
        if match["what"] == "ct mark":
            return None
        return is_met(match, self.bit, marked=self.marked)

    def _sets_mark(self, match: re.Match[str], chain: ListedChain) -> bool | None:
        effect = effect_on_mark(match[0], self.bit, by_iptables=chain.is_by_iptables)
        if effect in (Effect.CLEARED, Effect.UNKNOWN) and self.marked:
            self.marked, self.cleared_by = False, self._here
        return True


Judge = Callable[[Walk, re.Match[str], ListedChain], bool | None]
_STATEMENTS: tuple[tuple[re.Pattern[str], Judge], ...] = (
    (NEUTRAL, Walk._passes),
    (_DEVICE, Walk._meets_device),
    (_STATE, Walk._meets_state),
    (_VERSION, Walk._meets_version),
    (SETS, Walk._sets_mark),
    (TEST, Walk._meets_mark),
)


def _values(text: str) -> list[str]:
    return [value.strip().strip('"') for value in text.strip("{}").split(",")]


def _is_device(value: str, device: str) -> bool:
    return device.startswith(value[:-1]) if value.endswith("*") else value == device
