"""Text of our own nftables table, and of nothing else. Pure: no process, no socket.

An accept in one table can't overrule a drop in another, so this table accepts
nothing. It puts one bit into the mark of a packet that opens a connection through
an open door; one constant rule in fw4's input and forward chains accepts that bit.

What is open lives in sets and maps whose elements the kernel times out. Loading
the text again replaces the rules and leaves those elements alone, so neither a
restart of the daemon nor a reload shuts a door.

Only tokens made here, checked device names and integers ever become text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from fwknopd.config.device_names import DEVICE_NAME_RULE, is_device_name
from fwknopd.firewall import FirewallError

DEFAULT_TABLE = "fwknopd"
# Above the bits that mwan3 and policy routing use.
DEFAULT_MARK = 0x40000000
# libpcap's word for a capture on every device.
EVERY_DEVICE = "any"
# A flowtable is what nft means by "devices", so that word can't name a set.
CAPTURED = "captured"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,30}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Family:
    """Names of one address family: nft's keyword and type, and our sets."""

    header: str
    address_type: str
    opened: str
    redirected: str
    forwarded: str
    local: str


IPV4 = Family("ip", "ipv4_addr", "open4", "redirect4", "forward4", "local4")
IPV6 = Family("ip6", "ipv6_addr", "open6", "redirect6", "forward6", "local6")
FAMILIES = (IPV4, IPV6)


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


def setup_script(table: str, devices: Iterable[str], mark: int) -> str:
    """One transaction that makes the table, or renews its rules and keeps its elements.

    ``devices`` are those whose packets may pass a door; ``any`` among them means all.
    Raises FirewallError for a name or mark that must not become text.
    """
    name = f"inet {check_table(table)}"
    bit = f"{check_mark(mark):#010x}"
    # Each name once, in a fixed order: the same devices always give the same text.
    captured = [check_device(device) for device in sorted(set(devices))]
    on_device = "" if EVERY_DEVICE in captured else f"iifname @{CAPTURED} "
    lines = [
        f"add table {name}",
        *_sets(name),
        *_chains(name),
        f"flush table {name}",
        *_captured(name, captured),
        *_rules(name, on_device, bit),
    ]
    return "\n".join(lines) + "\n"


def replace_script(table: str, devices: Iterable[str], mark: int) -> str:
    """As ``setup_script``, but from nothing: what an older version left there goes.

    Adding a table that is there is no error to nft, so the deletion can't fail.
    """
    setup = setup_script(table, devices, mark)
    return f"add table inet {table}\ndelete table inet {table}\n{setup}"


def _sets(name: str) -> list[str]:
    lines = [f"add set {name} {CAPTURED} {{ type ifname; }}"]
    for family in FAMILIES:
        address = family.address_type
        door = f"{address} . inet_proto . inet_service"
        inside = f"{address} . {address} . inet_proto . inet_service"
        lines += [
            f"add set {name} {family.opened} {{ type {door}; flags timeout; }}",
            f"add map {name} {family.redirected} "
            f"{{ type {door} : {address} . inet_service; flags timeout; }}",
            f"add set {name} {family.forwarded} {{ type {inside}; flags timeout; }}",
            f"add set {name} {family.local} {{ type {inside}; flags timeout; }}",
        ]
    return lines


def _chains(name: str) -> list[str]:
    # Ahead of fw4's chains of the same hooks: its filter rules must find the mark
    # set, and the first destination NAT to match a connection is the one that counts.
    return [
        f"add chain {name} input {{ type filter hook input priority filter - 10; policy accept; }}",
        f"add chain {name} forward "
        "{ type filter hook forward priority filter - 10; policy accept; }",
        f"add chain {name} prerouting "
        "{ type nat hook prerouting priority dstnat - 10; policy accept; }",
        f"add chain {name} mark_input",
        f"add chain {name} mark_forward",
    ]


def _captured(name: str, devices: list[str]) -> list[str]:
    lines = [f"flush set {name} {CAPTURED}"]
    if devices:
        quoted = ", ".join(f'"{device}"' for device in devices)
        lines.append(f"add element {name} {CAPTURED} {{ {quoted} }}")
    return lines


def _rules(name: str, on_device: str, bit: str) -> list[str]:
    # Packets of known connections leave after one rule; fw4 accepts them by state.
    rule = f"add rule {name}"
    lines = [
        f"{rule} input {on_device}ct state new jump mark_input",
        f"{rule} forward {on_device}ct state new jump mark_forward",
    ]
    for family in FAMILIES:
        lines += [f"{rule} {tail}" for tail in _family_rules(family, on_device, bit)]
    return lines


def _family_rules(family: Family, on_device: str, bit: str) -> list[str]:
    header = family.header
    door = f"{header} saddr . meta l4proto . th dport"
    inside = f"{header} saddr . {header} daddr . meta l4proto . th dport"
    # With OR, because other bits of the mark belong to other programs.
    mark = f"meta mark set meta mark | {bit}"
    # A translated door is open to connections that were translated, to no others:
    # knowing the inside address must not be a way past the outside port.
    return [
        f"mark_input {door} @{family.opened} {mark}",
        f"mark_input ct status dnat {inside} @{family.local} {mark}",
        f"mark_forward ct status dnat {inside} @{family.forwarded} {mark}",
        f"prerouting {on_device}meta l4proto {{ tcp, udp }} "
        f"dnat {header} to {door} map @{family.redirected}",
    ]
