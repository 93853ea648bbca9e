"""Doors as iptables rules. Pure; `iptables_reading` is the way back.

The rules have the C daemon's shapes, so that whatever reads `iptables -S` today finds
what it looks for. iptables has no timeouts: each rule names the second of its end in a
comment, which is how the next daemon knows what an earlier one left.

On purpose narrower than the C daemon's: what is forwarded is forwarded to the target only,
and nobody's source address is translated but the client's.

Only typed values become text: addresses, numbers, and names checked by the configuration.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

from fwknopd.config.ipt_chain import (
    DNAT_CHAIN,
    FORWARD_CHAIN,
    INPUT_CHAIN,
    MASQUERADE_CHAIN,
    OUTPUT_CHAIN,
    SNAT_CHAIN,
    IptChain,
)
from fwknopd.firewall import FirewallError
from fwknopd.grants import Door
from fwknopd.policy.stanza import Address
from fwknopd.spa.request import PortSpec


class Role(StrEnum):
    """What a rule is for, each the name of a field of IptablesSettings."""

    DNAT = "dnat"
    SNAT = "snat"
    MASQUERADE = "masquerade"
    FORWARD = "forward"
    INPUT = "input"
    OUTPUT = "output"


TRANSLATING = frozenset({Role.DNAT, Role.SNAT, Role.MASQUERADE})
"""Roles whose rules change packets. The first that fits decides, unlike with accepts."""


@dataclass(frozen=True, slots=True)
class IptablesSettings:
    """The variables of the iptables family, with fwknopd's defaults but for the flush at start."""

    input: IptChain = INPUT_CHAIN
    output: IptChain = OUTPUT_CHAIN
    forward: IptChain = FORWARD_CHAIN
    dnat: IptChain = DNAT_CHAIN
    snat: IptChain = SNAT_CHAIN
    masquerade: IptChain = MASQUERADE_CHAIN
    enable_output: bool = False
    enable_nat: bool = False
    enable_snat: bool = False
    rule_prepend: bool = False
    flush_at_init: bool = False
    flush_at_exit: bool = True
    comment_check: bool = True

    def chain(self, role: Role) -> IptChain:
        """Where the rules of a role go."""
        chain: IptChain = getattr(self, role)
        return chain

    def standing(self) -> tuple[Role, ...]:
        """The roles whose chains stand from the start on."""
        output = (Role.OUTPUT,) if self.enable_output else ()
        nat = (Role.DNAT, Role.FORWARD) if self.enable_nat else ()
        snat = (Role.SNAT, Role.MASQUERADE) if self.enable_nat and self.enable_snat else ()
        return (*nat, *snat, Role.INPUT, *output)


@dataclass(frozen=True, slots=True)
class DoorRule:
    """One rule; ``expiry`` is the epoch second of its end.

    - ``address`` with so many ``bits`` is the client's; None is anybody, which only rules
      of the C daemon are for
    - ``port`` None is every port of every protocol
    - ``towards`` is the only destination, or, for answers, the only source
    - ``to`` and ``to_port`` are what a translation makes of an address and a port
    """

    role: Role
    address: Address | None
    bits: int
    port: PortSpec | None
    expiry: int
    towards: Address | None = None
    to: Address | None = None
    to_port: int = 0


Rules = Counter[DoorRule]
"""Rules with how many copies: two doors may need the same, and each has its own."""


def rules_of(door: Door, expiry: int, settings: IptablesSettings) -> tuple[DoorRule, ...]:
    """All that has to be in the kernel for ``door`` to be open. Raises FirewallError.

    Translation first: alone it opens nothing.
    """
    _check(door)
    if door.forwarded:
        return _forwarding(door, expiry)
    return _admitting(door, expiry, settings)


def _forwarding(door: Door, expiry: int) -> tuple[DoorRule, ...]:
    host, inside = door.nat.address if door.nat else None, _inside_port(door)
    way = _rule(Role.FORWARD, door, inside, expiry, host)
    if door.source_nat is None:
        return (*_redirecting(door, expiry), way)
    source = door.source_nat.address
    role = Role.MASQUERADE if source is None else Role.SNAT
    disguise = _rule(role, door, inside, expiry, host, source)
    return (*_redirecting(door, expiry), disguise, way)


def _admitting(door: Door, expiry: int, settings: IptablesSettings) -> tuple[DoorRule, ...]:
    towards = door.destination
    if door.redirects and door.nat is not None and towards is not None:
        # Here the destination is the translated one already.
        towards = door.nat.address
    inside = _inside_port(door)
    rules = (*_redirecting(door, expiry), _rule(Role.INPUT, door, inside, expiry, towards))
    if settings.enable_output:
        return (*rules, _rule(Role.OUTPUT, door, inside, expiry, towards))
    return rules


def _redirecting(door: Door, expiry: int) -> tuple[DoorRule, ...]:
    if door.nat is None or not door.translate:
        return ()
    target, towards = door.nat, door.destination
    return (_rule(Role.DNAT, door, door.port, expiry, towards, target.address, target.port),)


def _rule(
    role: Role,
    door: Door,
    port: PortSpec | None,
    expiry: int,
    towards: Address | None,
    to: Address | None = None,
    to_port: int = 0,
) -> DoorRule:
    who = door.network
    return DoorRule(role, who.network_address, who.prefixlen, port, expiry, towards, to, to_port)


def _inside_port(door: Door) -> PortSpec | None:
    if door.port is None or door.nat is None:
        return door.port
    return PortSpec(door.port.protocol, door.nat.port)


def _check(door: Door) -> None:
    """Raise FirewallError for a door that iptables has no rules for."""
    other = door.nat.address if door.nat else None
    if other is not None and other.version != door.address.version:
        raise FirewallError(
            f"connections of {door.who} can't be sent on to {door.nat}: "
            "one is IPv4, the other IPv6. Let the client knock over the other family"
        )
    source = door.source_nat.address if door.source_nat else None
    for address in (source, door.destination):
        if address is not None and address.version != door.address.version:
            raise FirewallError(
                f"a door for {door.who} can't have to do with {address}: "
                "one is IPv4, the other IPv6"
            )


def print_rule(rule: DoorRule, chain: IptChain) -> str:
    """The rule as iptables prints and reads it, without its chain."""
    client = "" if rule.address is None else f"{rule.address}/{rule.bits}"
    fixed = "" if rule.towards is None else f"{rule.towards}/{rule.towards.max_prefixlen}"
    out = rule.role is Role.OUTPUT
    source, destination = (fixed, client) if out else (client, fixed)
    text = f"-s {source} " if source else ""
    text += f"-d {destination} " if destination else ""
    if rule.port is not None:
        protocol = rule.port.protocol.value
        end = "--sport" if out else "--dport"
        text += f"-p {protocol} -m {protocol} {end} {rule.port.port} "
    return f"{text}-m comment --comment _exp_{rule.expiry} -j {chain.target}{_change(rule)}"


def _change(rule: DoorRule) -> str:
    if rule.to is None:
        return f" --to-ports {rule.to_port}" if rule.to_port else ""
    option = "--to-destination" if rule.role is Role.DNAT else "--to-source"
    if not rule.to_port:
        return f" {option} {rule.to}"
    host = f"{rule.to}" if rule.to.version == 4 else f"[{rule.to}]"
    return f" {option} {host}:{rule.to_port}"
