"""Doors as iptables rules, and back. Pure.

The rules have the C daemon's shapes, so that whatever reads `iptables -S` today finds
what it looks for. iptables has no timeouts: each rule names the second of its end in a
comment, which is how the next daemon knows what an earlier one left.

Only typed values become text: addresses, numbers, and names checked by the configuration.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address

from fwknopd.config.ipt_chain import (
    DNAT_CHAIN,
    FORWARD_CHAIN,
    INPUT_CHAIN,
    OUTPUT_CHAIN,
    IptChain,
)
from fwknopd.firewall import FirewallError, port_of
from fwknopd.grants import Door
from fwknopd.policy.stanza import Address, NatTarget
from fwknopd.spa.request import PortSpec, Protocol


class Role(StrEnum):
    """What a rule is for. Translation first: alone it opens nothing."""

    DNAT = "dnat"
    FORWARD = "forward"
    INPUT = "input"
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class IptablesSettings:
    """The variables of the iptables family, with fwknopd's defaults but for the flush at start."""

    input: IptChain = INPUT_CHAIN
    output: IptChain = OUTPUT_CHAIN
    forward: IptChain = FORWARD_CHAIN
    dnat: IptChain = DNAT_CHAIN
    enable_output: bool = False
    enable_nat: bool = False
    rule_prepend: bool = False
    flush_at_init: bool = False
    flush_at_exit: bool = True
    comment_check: bool = True

    def chain(self, role: Role) -> IptChain:
        """Where the rules of a role go."""
        return {
            Role.DNAT: self.dnat,
            Role.FORWARD: self.forward,
            Role.INPUT: self.input,
            Role.OUTPUT: self.output,
        }[role]

    def standing(self) -> tuple[Role, ...]:
        """The roles whose chains stand from the start on."""
        output = (Role.OUTPUT,) if self.enable_output else ()
        nat = (Role.DNAT, Role.FORWARD) if self.enable_nat else ()
        return (*nat, Role.INPUT, *output)


@dataclass(frozen=True, slots=True)
class DoorRule:
    """One rule. ``address`` is the client's, ``expiry`` the epoch second of its end."""

    role: Role
    address: Address
    port: PortSpec
    expiry: int
    target: NatTarget | None = None


Rules = Counter[DoorRule]
"""Rules with how many copies: two doors may need the same, and each has its own."""


def rules_of(door: Door, expiry: int, settings: IptablesSettings) -> tuple[DoorRule, ...]:
    """All that has to be in the kernel for ``door`` to be open. Raises FirewallError."""
    # A scope, as in fe80::1%eth0, means nothing in a rule.
    address, port = ip_address(door.address.packed), port_of(door)
    if door.nat is None:
        return _accepting(Role.INPUT, address, port, expiry, settings)
    if door.nat.address.version != address.version:
        raise FirewallError(
            f"connections of {address} can't be sent on to {door.nat}: "
            "one is IPv4, the other IPv6. Let the client knock over the other family"
        )
    translating = DoorRule(Role.DNAT, address, port, expiry, door.nat)
    inside = PortSpec(port.protocol, door.nat.port)
    role = Role.INPUT if door.local else Role.FORWARD
    return (translating, *_accepting(role, address, inside, expiry, settings))


def _accepting(
    role: Role, address: Address, port: PortSpec, expiry: int, settings: IptablesSettings
) -> tuple[DoorRule, ...]:
    rule = DoorRule(role, address, port, expiry)
    if role is Role.INPUT and settings.enable_output:
        return (rule, DoorRule(Role.OUTPUT, address, port, expiry))
    return (rule,)


def print_rule(rule: DoorRule, chain: IptChain) -> str:
    """The rule as iptables prints and reads it, without its chain."""
    protocol = rule.port.protocol.value
    out = rule.role is Role.OUTPUT
    text = (
        f"{'-d' if out else '-s'} {rule.address}/{rule.address.max_prefixlen} "
        f"-p {protocol} -m {protocol} {'--sport' if out else '--dport'} {rule.port.port} "
        f"-m comment --comment _exp_{rule.expiry} -j {chain.target}"
    )
    if rule.target is None:
        return text
    return f"{text} --to-destination {_print_host(rule.target.address)}:{rule.target.port}"


def _print_host(address: Address) -> str:
    return f"{address}" if address.version == 4 else f"[{address}]"


_RULE = re.compile(
    r"-(?P<side>[sd]) (?P<address>[0-9a-f.:]{2,45})/(?:32|128) "
    r"-p (?P<protocol>tcp|udp) -m (?P=protocol) --(?P<end>[sd])port (?P<port>\d{1,5}) "
    r'-m comment --comment "?_exp_(?P<expiry>\d{1,12})"? -j (?P<target>\w+)'
    r"(?: --to-destination \[?(?P<host>[0-9a-f.:]{2,45}?)\]?:(?P<inside>\d{1,5}))?",
    re.ASCII,
)
_EXPIRY = re.compile(r'--comment "?_exp_(\d{1,12})"?(?: |\Z)', re.ASCII)


def parse_rule(text: str, role: Role, chain: IptChain) -> DoorRule | None:
    """A line of iptables-save, without its chain, as a rule of that role; None if it isn't one."""
    found = _RULE.fullmatch(text)
    if found is None or found["target"] != chain.target:
        return None
    if (found["side"], found["end"]) != (("d", "s") if role is Role.OUTPUT else ("s", "d")):
        return None
    if (role is Role.DNAT) is not (found["host"] is not None):
        return None
    try:
        return _rule(found, role)
    except ValueError:
        return None


def _rule(found: re.Match[str], role: Role) -> DoorRule:
    port = PortSpec(Protocol(found["protocol"]), int(found["port"]))
    target = None
    if found["host"] is not None:
        host = ip_address(found["host"])
        target = NatTarget(host, int(found["inside"]))
    return DoorRule(role, ip_address(found["address"]), port, int(found["expiry"]), target)


def expiry_of(text: str) -> int | None:
    """The end that any rule names in its comment, ours or not; None without one."""
    found = _EXPIRY.search(text)
    return int(found[1]) if found else None


def doors_of(rules: Iterable[DoorRule]) -> Iterator[tuple[Door, int]]:
    """The doors that rules stand for, with their ends. Rules that make no door are left out.

    When one client has a forwarded and a local door to the same port with the same end,
    the rules don't tell which is which: forwarded is taken first.
    """
    found = Counter(rules)
    translating = [rule for rule in found.elements() if rule.role is Role.DNAT]
    for rule in translating:
        door = _translated_door(rule, found)
        if door is not None:
            yield door, rule.expiry
    for rule in found.elements():
        if rule.role is Role.INPUT:
            yield Door(rule.address, rule.port), rule.expiry


def _translated_door(rule: DoorRule, found: Rules) -> Door | None:
    if rule.target is None:
        return None
    inside = PortSpec(rule.port.protocol, rule.target.port)
    for role, local in ((Role.FORWARD, False), (Role.INPUT, True)):
        admission = DoorRule(role, rule.address, inside, rule.expiry)
        if found[admission] > 0:
            found[admission] -= 1
            return Door(rule.address, rule.port, rule.target, local)
    return None
