"""Which doors an authorised request opens: for whom, to where, by which way.

Rules: behaviour notes 7 and 8 (iptables rules, NAT decisions). On purpose different from
the C daemon: a target is an address before it becomes a rule, a client can be limited to
some targets, and FORWARD_ALL without a target translates nothing instead of sending
connections to 0.0.0.0.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_network

from fwknopd.grants import Door
from fwknopd.policy.addresses import (
    HostName,
    local_target,
    nat_target,
    not_a_target,
    plain,
)
from fwknopd.policy.knock import FORWARDED, LOCAL, Knock
from fwknopd.policy.stanza import NatTarget, SourceNat, Stanza
from fwknopd.policy.verdict import AccessDecision, Reason, Refusal
from fwknopd.spa.request import PortSpec

Address = IPv4Address | IPv6Address


def doors_of_knock(knock: Knock, ports: tuple[PortSpec, ...]) -> tuple[Door, ...] | Refusal:
    """The doors for ``ports`` (each once), or why there are none.

    A door whose target is a host name leads to 0.0.0.0 or :: until `resolved` is told.
    """
    target = target_of(knock)
    if isinstance(target, Refusal):
        return target
    if target is None and not _forwards_all(knock.stanza):
        return tuple(_opened(knock, address, port) for address in knock.addresses for port in ports)
    if isinstance(target, HostName):
        return (_led(knock, knock.address, ports[0], target.placeholder(knock.address)),)
    fitting = [a for a in knock.addresses if target is None or a.version == target.address.version]
    if not fitting and target is not None:
        return knock.refuse(Reason.NAT_TARGET_INVALID, _other_family(knock.address, target))
    # NAT sends one outside port to one inside port, so only the first counts.
    return tuple(_led(knock, address, ports[0], target) for address in fitting)


def target_of(knock: Knock) -> NatTarget | HostName | Refusal | None:
    """Where connections are to be sent; None without NAT, a refusal when it can't be."""
    target = _target(knock)
    if isinstance(target, str):
        return knock.refuse(Reason.NAT_TARGET_INVALID, target)
    if isinstance(target, NatTarget) and not _is_local(knock) and not forced(knock.stanza):
        refused = not_allowed(knock.stanza, target)
        if refused:
            return knock.refuse(Reason.NAT_TARGET_INVALID, refused)
    return target


def resolved(decision: AccessDecision, address: Address) -> AccessDecision | Refusal:
    """``decision`` with the address its host name stands for, or why it can't be that one."""
    (door,) = decision.doors
    if door.nat is None:
        return decision
    target = NatTarget(address, door.nat.port)
    refused = not_a_target(address) or not_allowed(decision.stanza, target)
    if not refused and address.version != door.address.version:
        refused = _other_family(door.address, target)
    if refused:
        detail = f"{decision.lookup} is {address}: {refused}"
        return Refusal(Reason.NAT_TARGET_INVALID, detail, decision.stanza, decision.message)
    return replace(decision, doors=(replace(door, nat=target),), lookup="")


def not_allowed(stanza: Stanza, target: NatTarget) -> str:
    """Why this client may not be led to ``target``; "" when it may."""
    if stanza.nat_targets is None or any(r.covers(target) for r in stanza.nat_targets):
        return ""
    allowed = ", ".join(map(str, stanza.nat_targets)) or "nothing"
    return f"{target} is not among this client's forwarding targets ({allowed})"


def forced(stanza: Stanza) -> bool:
    """Where this client's connections go is for the server to say, whatever it asks for."""
    return stanza.force_nat is not None or _forwards_all(stanza)


def _forwards_all(stanza: Stanza) -> bool:
    """FORWARD_ALL with a forced source but no target: everything, to wherever it goes."""
    return stanza.forward_all and stanza.force_snat is not None and stanza.force_nat is None


def _is_local(knock: Knock) -> bool:
    if knock.stanza.force_nat is not None:
        # Without forwarding the forced target can only be the router itself.
        return not knock.settings.enable_ipt_forwarding
    return knock.message.message_type in LOCAL


def _target(knock: Knock) -> NatTarget | HostName | str | None:
    stanza, nat = knock.stanza, knock.message.nat
    if stanza.force_nat is not None:
        return stanza.force_nat
    if _forwards_all(stanza) or nat is None or knock.message.message_type not in FORWARDED | LOCAL:
        return None
    if _is_local(knock):
        return local_target(nat, knock.packet)
    return nat_target(nat, names=knock.settings.enable_nat_dns)


def _other_family(address: Address, target: NatTarget) -> str:
    return (
        f"connections of {address} can't be sent on to {target}: one is IPv4, the other IPv6. "
        "Knock over the other family, or name the target's other address"
    )


# Doors


def _opened(knock: Knock, address: Address, port: PortSpec) -> Door:
    return _widened(knock.stanza, Door(address, port, destination=_destination(knock, address)))


def _led(knock: Knock, address: Address, port: PortSpec, target: NatTarget | None) -> Door:
    """A door through this router, or to it under another port."""
    stanza, local = knock.stanza, target is not None and _is_local(knock)
    everything = stanza.forward_all and not local
    if everything and target is not None:
        target = NatTarget(target.address, 0)
    door = Door(
        address,
        None if everything else port,
        target,
        local,
        translate=target is not None and not stanza.disable_dnat,
        source_nat=None if local else _source_nat(knock, address),
        destination=_destination(knock, address),
    )
    return _widened(stanza, door)


def _source_nat(knock: Knock, address: Address) -> SourceNat | None:
    """FORCE_SNAT and FORCE_MASQUERADE, else ENABLE_IPT_SNAT with SNAT_TRANSLATE_IP."""
    chosen = knock.stanza.force_snat
    if chosen is None and knock.settings.enable_ipt_snat:
        chosen = SourceNat(knock.settings.snat_translate_ip)
    if chosen is None or chosen.address is None or chosen.address.version == address.version:
        return chosen
    # An IPv4 address can't stand for an IPv6 client; the router's own can.
    return SourceNat()


def _destination(knock: Knock, address: Address) -> Address | None:
    """ENABLE_DESTINATION_RULE: where the knock was sent to."""
    sent_to = plain(knock.packet.destination)
    if not knock.settings.enable_destination_rule or sent_to.version != address.version:
        return None
    return None if sent_to.is_unspecified else sent_to


def _widened(stanza: Stanza, door: Door) -> Door:
    prefix = stanza.widen_ipv4 if door.address.version == 4 else stanza.widen_ipv6
    if prefix is None or prefix == door.address.max_prefixlen:
        return door
    network = ip_network((door.address.packed, prefix), strict=False)
    return replace(door, address=network.network_address, prefix=prefix)
