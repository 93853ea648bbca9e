"""Text of our own nftables table, and of nothing else. Pure: no process, no socket.

An accept in one table can't overrule a drop in another, so this table accepts
nothing. It puts one bit into the mark of a packet that opens a connection through
an open door; one constant rule in fw4's input and forward chains accepts that bit.

What is open lives in sets and maps whose elements the kernel times out. Loading
the text again replaces the rules and leaves those elements alone, so neither a
restart of the daemon nor a reload shuts a door.

Only tokens made here, checked device names and integers ever become text. It is what nft
1.0.2 and later read, and needs of the kernel, 5.10 or later: hash sets of concatenations
with timeouts, ct, and for doors that translate NAT in the inet family, with iifname in
postrouting.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from fwknopd.config.device_names import DEVICE_NAME_RULE, is_device_name
from fwknopd.firewall import FirewallError
from fwknopd.firewall.nft_lookups import Chain, Lookup

DEFAULT_TABLE = "fwknopd"
# Above the bits that mwan3 and policy routing use.
DEFAULT_MARK = 0x40000000
# Just before fw4's chains of the same hooks, whose priority is 0: they must find the mark.
# And after those of the table before there was a set for each kind of door, at -10. A packet
# can be between two chains of a hook at the moment a new table takes the old one's place:
# coming from the new chain, which had no rules yet, to the old one, which has none any more,
# it would meet a shut door. So a table whose sets differ needs chains one later than these.
PRIORITY = -9
# libpcap's word for a capture on every device.
EVERY_DEVICE = "any"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,30}", re.ASCII)
# The first NAT rule to match a connection is the one that counts.
_BASE_CHAINS = {
    Chain.INPUT: ("input", "filter", "filter", "ct state new "),
    Chain.FORWARD: ("forward", "filter", "filter", "ct state new "),
    Chain.TRANSLATE: ("prerouting", "nat", "dstnat", ""),
    Chain.MASK: ("postrouting", "nat", "srcnat", ""),
}


def check_mark(mark: int) -> int:
    """The mark itself, if it is exactly one bit of 32. Raises FirewallError."""
    if 0 < mark < 1 << 32 and mark.bit_count() == 1:
        return mark
    raise FirewallError(
        f"packet mark {mark:#x} is not exactly one bit of 32: use one that nothing else "
        f"on this router uses, such as {DEFAULT_MARK:#x}"
    )


def check_table(name: str) -> str:
    """The name itself, if nft reads it as one plain word. Raises FirewallError."""
    if _NAME.fullmatch(name):
        return name
    raise FirewallError(
        f"{name!r} can't name an nftables table: use letters, digits and _, 31 at most"
    )


def check_device(name: str) -> str:
    """The name itself, if it can safely stand in quotes. Raises FirewallError."""
    if is_device_name(name):
        return name
    raise FirewallError(
        f"network device {name!r}: expected {DEVICE_NAME_RULE}. "
        "Name the device as `ip link` shows it"
    )


def setup_script(table: str, devices: Iterable[str], mark: int, lookups: Collection[Lookup]) -> str:
    """One transaction that makes the table, or renews its rules and keeps its elements.

    ``devices`` are those whose packets may pass a door; ``any`` among them means all.
    Raises FirewallError for a name or mark that must not become text.
    """
    name = f"inet {check_table(table)}"
    rules = rules_of(devices, mark, lookups)
    lines = [
        f"add table {name}",
        *(lookup.declaration(name) for lookup in _sorted(lookups)),
        *_chains(name, lookups),
        f"flush table {name}",
        *(f"add rule {name} {rule}" for rule in rules),
    ]
    return "\n".join(lines) + "\n"


def replace_script(
    table: str,
    devices: Iterable[str],
    mark: int,
    lookups: Collection[Lookup],
    commands: Iterable[str],
) -> str:
    """As ``setup_script``, but from nothing, with the elements that ``commands`` add.

    Adding a table that is there is no error to nft, so the deletion can't fail.
    """
    setup = setup_script(table, devices, mark, lookups)
    elements = "".join(f"{command}\n" for command in commands)
    return f"add table inet {table}\ndelete table inet {table}\n{setup}{elements}"


def rules_of(devices: Iterable[str], mark: int, lookups: Collection[Lookup]) -> list[str]:
    """The rules, each with its chain in front. Raises FirewallError."""
    # Each name once, in a fixed order: the same devices always give the same text.
    captured = [check_device(device) for device in sorted(set(devices))]
    # With OR, because other bits of the mark belong to other programs.
    set_mark = f"meta mark set meta mark | {check_mark(mark):#010x}"
    return [
        *_jumps(captured, lookups),
        *(lookup.rule(set_mark) for lookup in _sorted(lookups)),
    ]


def _jumps(captured: list[str], lookups: Collection[Lookup]) -> list[str]:
    if not captured:
        return []
    quoted = ", ".join(f'"{device}"' for device in captured)
    on_device = "" if EVERY_DEVICE in captured else f"iifname {{ {quoted} }} "
    # Packets of known connections leave after one rule; fw4 accepts them by state.
    return [
        f"{hook} {on_device}{state}jump {chain.value}"
        for chain, (hook, _, _, state) in _used(lookups)
    ]


def _chains(name: str, lookups: Collection[Lookup]) -> list[str]:
    return [
        line
        for chain, (hook, kind, priority, _) in _used(lookups)
        for line in (
            f"add chain {name} {hook} "
            f"{{ type {kind} hook {hook} priority {priority} - {-PRIORITY}; policy accept; }}",
            f"add chain {name} {chain.value}",
        )
    ]


def _used(lookups: Collection[Lookup]) -> list[tuple[Chain, tuple[str, str, str, str]]]:
    used = {lookup.kind.chain for lookup in lookups}
    return [(chain, base) for chain, base in _BASE_CHAINS.items() if chain in used]


def _sorted(lookups: Iterable[Lookup]) -> list[Lookup]:
    return sorted(lookups, key=lambda lookup: lookup.precedence)
