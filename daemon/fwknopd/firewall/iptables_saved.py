"""What iptables-save printed, and the batch that makes it what it should be. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from fwknopd.config.ipt_chain import IptChain
from fwknopd.firewall.iptables_reading import expiry_of, parse_rule
from fwknopd.firewall.iptables_rules import (
    TRANSLATING,
    DoorRule,
    IptablesSettings,
    Role,
    Rules,
    print_rule,
)

_TRANSLATING_TABLE = "nat"
_REMOVING = ("-D ", "-F ", "-X ")


@dataclass(slots=True)
class Saved:
    """The rules of each chain, by (table, chain), as text without the chain."""

    chains: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    _read: dict[tuple[Role, str], DoorRule | None] = field(default_factory=dict)

    def rule(self, text: str, role: Role, chain: IptChain) -> DoorRule | None:
        """A line of a chain as a rule of that role, None if it isn't one."""
        # Asked for again and again, and there can be thousands.
        if (role, text) not in self._read:
            self._read[role, text] = parse_rule(text, role, chain)
        return self._read[role, text]

    def rules(self, role: Role, chain: IptChain) -> Iterator[DoorRule]:
        """The rules of ours in a chain."""
        for text in self.chains.get((chain.table, chain.chain), ()):
            rule = self.rule(text, role, chain)
            if rule is not None:
                yield rule

    def position(self, chain: IptChain) -> int | None:
        """The number of the rule that jumps to ``chain``, None without one."""
        parent = self.chains.get((chain.table, chain.parent), [])
        jump = f"-j {chain.chain}"
        return parent.index(jump) + 1 if jump in parent else None

    def holds(self, chain: IptChain) -> bool:
        """Whether ``chain`` is there, and asked."""
        return (chain.table, chain.chain) in self.chains and self.position(chain) is not None

    def ours(self, settings: IptablesSettings) -> Rules:
        """The rules of ours in all chains."""
        chains = ((role, settings.chain(role)) for role in Role)
        return Counter(rule for role, chain in chains for rule in self.rules(role, chain))


def parse_saved(text: str) -> Saved:
    """Read the output of iptables-save; lines it can't have printed are passed over."""
    saved = Saved()
    table = ""
    for line in text.split("\n"):
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith(":"):
            saved.chains.setdefault((table, line[1:].partition(" ")[0]), [])
        elif line.startswith("-A "):
            chain, _, rule = line[3:].partition(" ")
            saved.chains.setdefault((table, chain), []).append(rule)
    return saved


class Batch:
    """Commands for iptables-restore, table by table."""

    def __init__(self) -> None:
        self._tables: dict[str, list[str]] = {}

    def add(self, table: str, command: str) -> None:
        """Append a command, such as ``-A CHAIN rule``."""
        self._tables.setdefault(table, []).append(command)

    def __bool__(self) -> bool:
        return bool(self._tables)

    def __str__(self) -> str:
        return "".join(
            "\n".join((f"*{table}", *commands, "COMMIT\n")) for table, commands in self._commits()
        )

    def _commits(self) -> Iterator[tuple[str, list[str]]]:
        """Tables are committed one after the other.

        A translation alone opens nothing, so what adds one comes first; and what takes one
        away comes last, or the way would be open for a moment without it.
        """
        others = [(t, c) for t, c in sorted(self._tables.items()) if t != _TRANSLATING_TABLE]
        translating = self._tables.get(_TRANSLATING_TABLE, [])
        last = [c for c in translating if c.startswith(_REMOVING)] if others else []
        if first := [c for c in translating if c not in last]:
            yield _TRANSLATING_TABLE, first
        yield from others
        if last:
            yield _TRANSLATING_TABLE, last


def change_batch(
    removed: Iterable[DoorRule],
    added: Sequence[DoorRule],
    settings: IptablesSettings,
    *,
    known: bool = False,
) -> Batch:
    """The short way: take rules out and put others in, provided all is as we left it.

    A chain without its jump, or a rule that is gone, fails the batch, and nothing of that
    table is changed. With a jump checked by ``-C`` it needn't be moved. Where jumps are
    ``known`` to be there nothing is checked: iptables-nft would read all rules for that.
    """
    batch = Batch()
    checked = (*settings.standing(), *(rule.role for rule in added))
    if known or not added:
        checked = ()
    tables = {settings.chain(rule.role).table for rule in added}
    for chain in dict.fromkeys(settings.chain(role) for role in checked):
        if chain.table in tables:
            batch.add(chain.table, f"-C {chain.parent} -j {chain.chain}")
    for rule in removed:
        _command(batch, "-D", rule, settings)
    for rule in added:
        _command(batch, _adding(rule, settings), rule, settings)
    return batch


@dataclass(slots=True)
class Repair:
    """What makes the kernel's rules those wanted.

    ``next_end`` is the epoch second at which a rule that stays, though not wanted, is
    over by its own comment; None when there is none.
    """

    batch: Batch = field(default_factory=Batch)
    next_end: int | None = None

    def keep(self, end: int | None) -> None:
        """Leave a rule that isn't ours, until its end if it has one."""
        if end is not None:
            self.next_end = min(end, self.next_end or end)


def repair(
    saved: Saved,
    wanted: Rules,
    doomed: Rules,
    settings: IptablesSettings,
    now: int,
    standing: Iterable[Role] = (),
) -> Repair:
    """The long way: make ``saved`` hold each of ``wanted``, and none of ``doomed``.

    Chains and jumps are put back, those of ``standing`` even without a rule. Rules whose
    comment names a second that is over go, as in the C daemon whoever made them; rules
    without such a comment are left alone.
    """
    found = Repair()
    roles = dict.fromkeys((*standing, *(rule.role for rule in wanted)))
    for chain in dict.fromkeys(settings.chain(role) for role in roles):
        _stand(found.batch, saved, chain)
    missing, unwanted = Counter(wanted), Counter(doomed)
    for (table, name), texts in _ours(saved, settings):
        for text in texts:
            readings = _readings(saved, text, (table, name), settings)
            end = expiry_of(text)
            if _take(readings, missing):
                continue
            if _take(readings, unwanted) or (end is not None and end <= now):
                found.batch.add(table, f"-D {name} {text}")
            else:
                found.keep(end)
    for rule in missing.elements():
        _command(found.batch, _adding(rule, settings), rule, settings)
    return found


def _adding(rule: DoorRule, settings: IptablesSettings) -> str:
    if rule.role in TRANSLATING:
        # The first that fits decides: what is for one port must come before what is for all.
        return "-I" if rule.port is not None else "-A"
    return "-I" if settings.rule_prepend else "-A"


def _ours(
    saved: Saved, settings: IptablesSettings
) -> Iterator[tuple[tuple[str, str], Sequence[str]]]:
    chains = (settings.chain(role) for role in Role)
    for place in dict.fromkeys((chain.table, chain.chain) for chain in chains):
        yield place, saved.chains.get(place, ())


def _readings(
    saved: Saved, text: str, place: tuple[str, str], settings: IptablesSettings
) -> list[DoorRule]:
    """What the text may be: roles that share a chain can have rules that look alike."""
    chains = ((role, settings.chain(role)) for role in Role)
    read = (saved.rule(text, r, c) for r, c in chains if (c.table, c.chain) == place)
    return [rule for rule in read if rule is not None]


def _take(readings: Sequence[DoorRule], rules: Rules) -> bool:
    """Whether one of ``rules`` is accounted for."""
    for rule in readings:
        if rules[rule] > 0:
            rules[rule] -= 1
            return True
    return False


def _stand(batch: Batch, saved: Saved, chain: IptChain) -> None:
    if (chain.table, chain.chain) not in saved.chains:
        batch.add(chain.table, f"-N {chain.chain}")
    if saved.position(chain) is None:
        # Beyond its end a chain takes no insertion.
        end = len(saved.chains.get((chain.table, chain.parent), ())) + 1
        place = min(chain.position, end)
        batch.add(chain.table, f"-I {chain.parent} {place} -j {chain.chain}")


def flush_batch(saved: Saved, settings: IptablesSettings) -> Batch:
    """Take our rules away, and our chains with their jumps.

    A chain that rules of somebody else's jump to can't be deleted, and is only emptied. One
    that holds rules of somebody else's stays as it is but for ours.
    """
    batch = Batch()
    for chain in dict.fromkeys(settings.chain(role) for role in Role):
        texts = saved.chains.get((chain.table, chain.chain))
        if texts is None:
            continue
        ours = [text for text in texts if expiry_of(text) is not None]
        if len(ours) < len(texts):
            for text in ours:
                batch.add(chain.table, f"-D {chain.chain} {text}")
            continue
        if saved.position(chain) is not None:
            batch.add(chain.table, f"-D {chain.parent} -j {chain.chain}")
        batch.add(chain.table, f"-F {chain.chain}")
        if _references(saved.chains, chain) == 0:
            batch.add(chain.table, f"-X {chain.chain}")
    return batch


def _references(chains: Mapping[tuple[str, str], Sequence[str]], chain: IptChain) -> int:
    """Rules that jump to ``chain``, without our own jump."""
    jump = re.compile(rf"(?:^| )-[jg] {chain.chain}(?: |\Z)")
    count = sum(
        1
        for (table, _), rules in chains.items()
        if table == chain.table
        for text in rules
        if jump.search(text)
    )
    ours = f"-j {chain.chain}" in chains.get((chain.table, chain.parent), ())
    return count - ours


def _command(batch: Batch, verb: str, rule: DoorRule, settings: IptablesSettings) -> None:
    chain = settings.chain(rule.role)
    batch.add(chain.table, f"{verb} {chain.chain} {print_rule(rule, chain)}")
