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

_LED = FORWARDED | LOCAL


def doors_of_knock(
    knock: Knock, ports: tuple[PortSpec, ...], target: NatTarget | HostName | None
) -> tuple[Door, ...] | Refusal:
    """The doors for ``ports`` (each once), or why there are none. ``target`` as of `target_of`.

    A door whose target is a host name leads to 0.0.0.0 or :: until `resolved` is told.
    """
    # Two addresses of one network are one door once it is widened.
    if target is None and not _forwards_all(knock.stanza):
        opened = [_opened(knock, address, port) for address in knock.addresses for port in ports]
        return tuple(dict.fromkeys(opened))
    if isinstance(target, HostName):
        target = target.placeholder(knock.address)
    fitting = [a for a in knock.addresses if target is None or a.version == target.address.version]
    if not fitting and target is not None:
        return knock.refuse(Reason.NAT_TARGET_INVALID, _other_family(knock.address, target))
    # NAT sends one outside port to one inside port, so only the first counts.
    return tuple(dict.fromkeys(_led(knock, address, ports[0], target) for address in fitting))


def target_of(knock: Knock) -> NatTarget | HostName | Refusal | None:
    """Where connections are to be sent; None without NAT, a refusal when it can't be."""
    stanza, target = knock.stanza, _target(knock)
    if isinstance(target, str):
        return knock.refuse(Reason.NAT_TARGET_INVALID, target)
    if target is None:
        return _no_way_through(knock) if _forwards_all(stanza) else None
    if isinstance(target, HostName) or _is_local(knock):
        return target
    if stanza.forward_all:
        target = NatTarget(target.address, 0)
    refused = "" if forced(stanza) else not_allowed(stanza, target)
    return knock.refuse(Reason.NAT_TARGET_INVALID, refused) if refused else target


def _no_way_through(knock: Knock) -> Refusal | None:
    """What keeps FORWARD_ALL without a target from leading wherever the client connects to."""
    if not knock.settings.enable_ipt_forwarding:
        return knock.refuse(
            Reason.NAT_NOT_ENABLED,
            "FORWARD_ALL needs forwarding, which is off (ENABLE_IPT_FORWARDING)",
        )
    if knock.stanza.nat_targets is not None:
        return knock.refuse(
            Reason.NAT_TARGET_INVALID,
            "FORWARD_ALL leads everywhere, but this client may be led to its nat_targets only",
        )
    return None


def resolved(decision: AccessDecision, address: Address) -> AccessDecision | Refusal:
    """``decision`` with the address its host name stands for, or why it can't be that one."""
    first = decision.doors[0]
    if first.nat is None:
        return decision
    target = NatTarget(address, first.nat.port)
    refused = not_a_target(address) or not_allowed(decision.stanza, target)
    if not refused and address.version != first.address.version:
        refused = _other_family(first.address, target)
    if refused:
        detail = f"{decision.lookup} is {address}: {refused}"
        return Refusal(Reason.NAT_TARGET_INVALID, detail, decision.stanza, decision.message)
    doors = tuple(replace(door, nat=target) for door in decision.doors)
    return replace(decision, doors=doors, lookup="")


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
    if nat is None or knock.message.message_type not in _LED or _forwards_all(stanza):
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
