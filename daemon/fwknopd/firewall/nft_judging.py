"""Does everybody else's ruleset let marked packets in, and leave our bit alone? Pure.

An accept in our table opens nothing: every chain that refuses what no rule of its own
accepts has to accept the mark. On OpenWrt that is fw4, with this package's includes;
elsewhere the admin's own chains.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fwknopd.firewall import Diagnosis
from fwknopd.firewall.nft_listing import ListedChain, Ruleset
from fwknopd.firewall.nft_marks import (
    Effect,
    asks_for,
    effect_on_connection,
    effect_on_mark,
    may_restore,
    may_save,
    wanted_bit,
)
from fwknopd.firewall.nft_ruleset import EVERY_DEVICE, PRIORITY
from fwknopd.firewall.nft_walk import Outcome, Place, Walk

INPUT = "input"
FORWARD = "forward"
FW4 = "inet fw4"
OWN_TABLE = "inet fwknopd"
INCLUDES = {
    chain: f"/usr/share/nftables.d/chain-pre/{chain}/20-fwknopd.nft" for chain in (INPUT, FORWARD)
}
# Where a packet can be marked before the question is whether it gets in.
_EARLY = ("ingress", "prerouting", INPUT, FORWARD)
# A rule is quoted up to here.
_LONGEST = 120


@dataclass(frozen=True, slots=True)
class Ways:
    """What is to get in: marked how, on which devices, and through this router too or not."""

    mark: int
    devices: Sequence[str]
    forwards: bool = True
    table: str = OWN_TABLE

    @property
    def rule(self) -> str:
        """The rule that everybody has to have."""
        return f"meta mark & {self.mark:#010x} != 0 accept"


def judge(listing: str, ways: Ways) -> Diagnosis:
    """Judge all rules of this machine by what ``nft list ruleset`` prints."""
    ruleset = Ruleset(listing)
    hooks = (INPUT, FORWARD) if ways.forwards else (INPUT,)
    faults = [fault for hook in hooks for fault in _faults(ruleset, hook, ways)]
    doubts = (doubt for hook in hooks for doubt in _doubts(ruleset, hook, ways))
    warnings = tuple(dict.fromkeys([*_clashes(ruleset, ways), *_returns(ruleset, ways), *doubts]))
    if faults:
        return Diagnosis(False, "; ".join(dict.fromkeys(faults)), warnings)
    guards = [guard for hook in hooks for guard in _guards(ruleset, hook, ways)]
    if not guards:
        return Diagnosis(
            True,
            "no chain of nftables refuses connections here: whoever tries gets in, with or "
            "without a door",
            warnings,
        )
    titles = list(dict.fromkeys(guard.title for guard in guards))
    what = (
        f"chain {titles[0]} accepts"
        if len(titles) == 1
        else f"chains {' and '.join(titles)} accept"
    )
    return Diagnosis(True, f"the {what} packets with mark {ways.mark:#010x}", warnings)


def guards_input(listing: str, mark: int) -> bool:
    """Whether rules made with nft, not iptables, decide what comes in.

    They do if they refuse what no rule accepts, or if somebody told them to accept ``mark``.
    """
    bases = _native_bases(Ruleset(listing))
    return bool(refusing_unmarked(listing, mark)) or any(
        rule.endswith("accept") and wanted_bit(rule) == mark
        for base in bases
        if base.table != OWN_TABLE
        for rule in base.rules
    )


def refusing_unmarked(listing: str, mark: int) -> list[str]:
    """Titles of the chains made with nft, not iptables, that refuse packets without ``mark``."""
    ruleset = Ruleset(listing)
    return [
        base.title
        for base in _native_bases(ruleset)
        if any(_refuses(ruleset, base, walk) for walk in _walks(base, Ways(mark, ())))
    ]


def _native_bases(ruleset: Ruleset) -> list[ListedChain]:
    return [base for base in ruleset.bases(INPUT) if not base.is_by_iptables]


# Chains that refuse


def _guards(ruleset: Ruleset, hook: str, ways: Ways) -> list[ListedChain]:
    """Chains that refuse a packet, with the mark or without."""
    return [
        base
        for base in ruleset.bases(hook)
        if base.table != ways.table
        and any(
            _refuses(ruleset, base, walk)
            for marked in (False, True)
            for walk in _walks(base, ways, marked=marked)
        )
    ]


def _refuses(ruleset: Ruleset, base: ListedChain, walk: Walk) -> bool:
    return walk.through(base, ruleset.neighbours(base)) is Outcome.REFUSED


def _walks(base: ListedChain, ways: Ways, *, marked: bool = False) -> list[Walk]:
    devices = [None if device == EVERY_DEVICE else device for device in ways.devices] or [None]
    return [
        Walk(device, version, ways.mark, marked) for version in base.versions for device in devices
    ]


def _faults(ruleset: Ruleset, hook: str, ways: Ways) -> Iterator[str]:
    for guard in _guards(ruleset, hook, ways):
        if guard.priority <= PRIORITY:
            yield (
                f"the chain {guard.title} refuses packets before fwknopd can mark them: give "
                f"it a priority above {PRIORITY}, such as filter"
            )
            continue
        for walk in _walks(guard, ways, marked=True):
            _pass_earlier(ruleset, guard, walk, ways)
            if _refuses(ruleset, guard, walk):
                yield _fault(guard, walk, ways)
                break


def _doubts(ruleset: Ruleset, hook: str, ways: Ways) -> Iterator[str]:
    """Rules that take the mark away from packets of some kind before it is accepted."""
    for guard in _guards(ruleset, hook, ways):
        for walk in _walks(guard, ways, marked=True):
            _pass_earlier(ruleset, guard, walk, ways)
            _refuses(ruleset, guard, walk)
            if walk.doubted_by:
                yield (
                    f"the rule {_told_of(walk.doubted_by)} takes mark {ways.mark:#010x} away "
                    f"from some packets before {guard.title} can accept it: give fwknopd a bit "
                    "that it leaves alone (option mark), or let that rule keep other bits"
                )


def _pass_earlier(ruleset: Ruleset, guard: ListedChain, walk: Walk, ways: Ways) -> None:
    """Let the packet pass the chains between ours and ``guard``, which may change its mark."""
    for base in ruleset.bases(guard.hook):
        if base.table != ways.table and PRIORITY < base.priority < guard.priority:
            walk.through(base, ruleset.neighbours(base))


def _fault(guard: ListedChain, walk: Walk, ways: Ways) -> str:
    if walk.cleared_by:
        return (
            f"the rule {_told_of(walk.cleared_by)} takes away mark {ways.mark:#010x} before "
            f"{guard.title} can accept it: give fwknopd a bit that it leaves alone (option "
            "mark), or let that rule keep other bits"
        )
    late = next((rule for rule in guard.rules if _accepts(rule, ways.mark)), "")
    if guard.table == FW4:
        return _late_in_fw4(guard, walk, ways) if late else _fault_of_fw4(guard, ways)
    if late:
        return (
            f"the chain {guard.title} accepts mark {ways.mark:#010x} too late or not always "
            f"(`{_short(late)}`): make `{ways.rule}` its first rule"
        )
    return (
        f"the chain {guard.title} refuses what no rule accepts ({_short(walk.refused_by)}): "
        f"put `{ways.rule}` first into it, or no door will let anybody in" + _instead(guard, ways)
    )


def _fault_of_fw4(guard: ListedChain, ways: Ways) -> str:
    file = INCLUDES.get(guard.name, "")
    other = _other_mark(guard, ways)
    if other:
        return (
            f"fw4's {guard.name} chain accepts mark {other:#010x}, not {ways.mark:#010x}: set "
            f"the option mark to {other:#x} and restart fwknopd, or write {ways.mark:#010x} "
            f"into {file} and run `fw4 reload`"
        )
    return (
        f"fw4's {guard.name} chain does not accept mark {ways.mark:#010x}: check that {file} "
        "is there and names this mark, and that auto_includes in the section defaults of "
        "/etc/config/firewall is not 0, then run `fw4 reload`"
    )


def _late_in_fw4(guard: ListedChain, walk: Walk, ways: Ways) -> str:
    """fw4 reads the files of a folder by their names, and somebody's may come before ours."""
    file = INCLUDES.get(guard.name, "")
    return (
        f"fw4's {guard.name} chain refuses packets (`{_short(walk.refused_by)}`) before it "
        f"accepts mark {ways.mark:#010x}, or does not accept it always: {file} has to hold "
        f"`{ways.rule}`, and what refuses has to come after it; then run `fw4 reload`"
    )


def _instead(guard: ListedChain, ways: Ways) -> str:
    other = _other_mark(guard, ways)
    return f" (it accepts mark {other:#010x} instead)" if other else ""


def _other_mark(guard: ListedChain, ways: Ways) -> int:
    bits = (wanted_bit(rule) for rule in guard.rules if _ends_in_accept(rule))
    return next((bit for bit in bits if bit and bit != ways.mark), 0)


def _accepts(rule: str, mark: int) -> bool:
    return _ends_in_accept(rule) and wanted_bit(rule) == mark


def _ends_in_accept(rule: str) -> bool:
    return rule.partition(" comment ")[0].endswith("accept")


# Others who use the bit


def _clashes(ruleset: Ruleset, ways: Ways) -> Iterator[str]:
    """What other rules do with our bit, each with what to do about it."""
    for chain in ruleset.reached_from(_EARLY):
        for rule in chain.rules if chain.table != ways.table else ():
            if effect_on_mark(rule, ways.mark, by_iptables=chain.is_by_iptables) is Effect.SET:
                yield _told(chain, rule, ways, "sets", "whatever it marks gets in without a knock")
            elif effect_on_connection(rule, ways.mark) is Effect.SET:
                yield _told(chain, rule, ways, "keeps", "a connection that gets it back gets in")
            elif asks_for(rule, ways.mark) and not _ends_in_accept(rule):
                yield _told(
                    chain, rule, ways, "asks for", "it takes what a door lets in for its own"
                )


def _returns(ruleset: Ruleset, ways: Ways) -> Iterator[str]:
    """Rules that give packets our bit since an earlier one of their connection had it."""
    savers = [
        (rule, chain.title)
        for chain in (
            *ruleset.reached_from((INPUT, FORWARD), since=PRIORITY),
            *ruleset.reached_from(("postrouting",)),
        )
        for rule in (chain.rules if chain.table != ways.table else ())
        if may_save(rule, ways.mark)
    ]
    for chain in ruleset.reached_from(_EARLY) if savers else ():
        for rule in chain.rules if chain.table != ways.table else ():
            if may_restore(rule, ways.mark, by_iptables=chain.is_by_iptables):
                yield (
                    f"the rule {_told_of((rule, chain.title))} gives packets the mark of their "
                    f"connection, where {_told_of(savers[0])} may have kept {ways.mark:#010x}, "
                    "the bit of fwknopd: whatever belongs to a connection that a door let in "
                    "once gets in then, door or not. Let either of them leave that bit alone, "
                    "or give fwknopd another (the option mark, and the rule that accepts it)"
                )


def _told(chain: ListedChain, rule: str, ways: Ways, does: str, so: str) -> str:
    return (
        f"the rule {_told_of((rule, chain.title))} {does} mark {ways.mark:#010x}, the bit of "
        f"fwknopd: {so}. Give one of them another bit (for fwknopd: the option mark, and the "
        "rule that accepts it)"
    )


def _told_of(place: Place) -> str:
    rule, title = place
    return f"`{_short(rule)}` in {title}"


def _short(rule: str) -> str:
    return rule if len(rule) <= _LONGEST else f"{rule[:_LONGEST]}..."
