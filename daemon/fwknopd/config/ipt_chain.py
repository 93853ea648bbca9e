"""The value of an IPT_*_ACCESS variable: where the rules of one kind go. Pure.

Six fields separated by commas, as in fwknopd: target, table, the chain that jumps,
the position of the jump, our own chain, and a rule position that nothing uses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from fwknopd.config.invalid import InvalidValue, shown

TABLES = ("filter", "nat", "mangle", "raw", "security")
BUILT_IN = frozenset({"INPUT", "OUTPUT", "FORWARD", "PREROUTING", "POSTROUTING"})
REFUSING = frozenset({"DROP", "REJECT", "RETURN"})
TRANSLATIONS = {
    "IPT_DNAT_ACCESS": "DNAT",
    "IPT_SNAT_ACCESS": "SNAT",
    "IPT_MASQUERADE_ACCESS": "MASQUERADE",
}
"""The one target that goes with a variable about translation, and with no other."""


# 28 is the most iptables takes.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,27}", re.ASCII)
_POSITION = re.compile(r"[0-9]{1,5}", re.ASCII)
_SHAPE = "target, table, chain, position of the jump, own chain, position"


@dataclass(frozen=True, slots=True)
class IptChain:
    """Our ``chain`` in ``table``, asked by rule number ``position`` of ``parent``.

    ``target`` is what its rules do with a packet that may pass.
    """

    target: str
    table: str
    parent: str
    position: int
    chain: str

    def __str__(self) -> str:
        return f"{self.target}, {self.table}, {self.parent}, {self.position}, {self.chain}, 1"


INPUT_CHAIN = IptChain("ACCEPT", "filter", "INPUT", 1, "FWKNOP_INPUT")
OUTPUT_CHAIN = IptChain("ACCEPT", "filter", "OUTPUT", 1, "FWKNOP_OUTPUT")
FORWARD_CHAIN = IptChain("ACCEPT", "filter", "FORWARD", 1, "FWKNOP_FORWARD")
DNAT_CHAIN = IptChain("DNAT", "nat", "PREROUTING", 1, "FWKNOP_PREROUTING")
SNAT_CHAIN = IptChain("SNAT", "nat", "POSTROUTING", 1, "FWKNOP_POSTROUTING")
MASQUERADE_CHAIN = IptChain("MASQUERADE", "nat", "POSTROUTING", 1, "FWKNOP_MASQUERADE")


def parse_ipt_chain(text: str, variable: str = "") -> IptChain:
    """Read the six fields of ``variable``. Raises InvalidValue."""
    fields = [field.strip() for field in text.split(",")]
    if len(fields) != 6:
        raise InvalidValue(
            f"{shown(text)} has {len(fields)} fields, not six",
            f"Write {_SHAPE}, separated by commas.",
        )
    target, table, parent, position, chain, last = fields
    for name in (target, parent, chain):
        _check_name(name)
    if table not in TABLES:
        raise InvalidValue(f"{shown(table)} is no table", f"Write one of {', '.join(TABLES)}.")
    _check_position(last, 0)
    _check_roles(variable, target, chain)
    return IptChain(target, table, parent, _check_position(position, 1), chain)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidValue(
            f"{shown(name)} can't name a chain or target",
            "Use letters, digits and _, 28 at most.",
        )


def _check_position(text: str, minimum: int) -> int:
    if not _POSITION.fullmatch(text) or int(text) < minimum:
        raise InvalidValue(
            f"{shown(text)} is no position in a chain", f"Write a number from {minimum} on."
        )
    return int(text)


def _check_roles(variable: str, target: str, chain: str) -> None:
    if chain in BUILT_IN:
        # Our chain is emptied and deleted when the daemon stops.
        raise InvalidValue(
            f"{chain} is a chain of the kernel, and the fifth field names a chain of fwknopd's own",
            f"Write a name such as FWKNOP_{chain}.",
        )
    if target in REFUSING:
        raise InvalidValue(
            f"the target {target} lets nobody in", "Write ACCEPT, or a chain of yours."
        )
    proper = TRANSLATIONS.get(variable)
    if proper is not None and target != proper:
        raise InvalidValue(
            f"the target {target} does not go with this variable", f"Write {proper} in {variable}."
        )
    if proper is None and target in TRANSLATIONS.values():
        raise InvalidValue(
            f"the target {target} does not go with this variable",
            "It translates, and lets nobody in. Write ACCEPT, or a chain of yours.",
        )
