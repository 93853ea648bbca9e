"""Which doors a request opens: for whom, to where, and by which way."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from fwknopd.policy.doors import resolved
from fwknopd.policy.stanza import NatRange, NatTarget, SourceNat
from fwknopd.policy.verdict import AccessDecision, Reason, Refusal
from fwknopd.spa.message import MessageType
from tests.unit.policy.knocks import Gate, client, knock

NAT = MessageType.NAT_ACCESS
LOCAL = MessageType.LOCAL_NAT_ACCESS
HERE = "192.0.2.1"
"""Where knocks are sent to."""

INSIDE = NatTarget(ip_address("10.0.0.5"), 22)
INSIDE6 = NatTarget(ip_address("fd00::5"), 22)


def masquerade() -> SourceNat:
    return SourceNat()


# Who


def test_the_packets_source_is_let_in_too_when_asked_for() -> None:
    phone = client(grant_source=True)
    decision = Gate(phone).access(knock(phone, "203.0.113.5,tcp/22,udp/53"))
    assert [(door.who, door.what) for door in decision.doors] == [
        ("203.0.113.5", "tcp/22"),
        ("203.0.113.5", "udp/53"),
        ("198.51.100.7", "tcp/22"),
        ("198.51.100.7", "udp/53"),
    ]


def test_the_packets_source_may_be_of_the_other_family() -> None:
    phone = client(grant_source=True)
    decision = Gate(phone).access(knock(phone, "203.0.113.5,tcp/22"), source="2001:db8::9")
    assert [door.who for door in decision.doors] == ["203.0.113.5", "2001:db8::9"]


def test_the_same_address_is_let_in_once() -> None:
    phone = client(grant_source=True)
    decision = Gate(phone).access(knock(phone, "0.0.0.0,tcp/22"), source="::ffff:203.0.113.5")
    assert [door.who for door in decision.doors] == ["203.0.113.5"]


@pytest.mark.parametrize(
    ("source", "network"),
    [("203.0.113.5", "203.0.113.0/24"), ("2001:db8:0:ff01::9", "2001:db8:0:ff00::/56")],
)
def test_a_door_is_widened_to_the_network_around(source: str, network: str) -> None:
    phone = client(widen_ipv4=24, widen_ipv6=56)
    decision = Gate(phone).access(knock(phone, "0.0.0.0,tcp/22"), source=source)
    (door,) = decision.doors
    assert door.who == network
    assert door.network == ip_network(network)


def test_widening_to_one_address_is_none() -> None:
    phone = client(widen_ipv4=32)
    (door,) = Gate(phone).access(knock(phone)).doors
    assert door.prefix is None


# At which of this router's addresses


def test_a_destination_rule_names_where_the_knock_was_sent() -> None:
    phone = client()
    gate = Gate(phone, enable_destination_rule=True)
    (door,) = gate.access(knock(phone)).doors
    assert door.destination == ip_address(HERE)


@pytest.mark.parametrize("destination", ["0.0.0.0", "2001:db8::1"])
def test_a_destination_nobody_can_connect_to_is_left_out(destination: str) -> None:
    phone = client()
    gate = Gate(phone, enable_destination_rule=True)
    (door,) = gate.access(knock(phone), destination=destination).doors
    assert door.destination is None


# To where


def test_an_ipv6_client_is_led_to_an_ipv6_host() -> None:
    phone = client()
    gate = Gate(phone, enable_ipt_forwarding=True)
    payload = knock(phone, "0.0.0.0,tcp/40022", kind=NAT, nat_access="fd00::5,22")
    (door,) = gate.access(payload, source="2001:db8::9").doors
    assert (door.who, door.nat) == ("2001:db8::9", INSIDE6)


def test_with_two_addresses_those_of_the_targets_family_are_led_there() -> None:
    phone = client(grant_source=True)
    gate = Gate(phone, enable_ipt_forwarding=True)
    payload = knock(phone, "203.0.113.5,tcp/40022", kind=NAT, nat_access="10.0.0.5,22")
    decision = gate.access(payload, source="2001:db8::9")
    assert [(door.who, door.nat) for door in decision.doors] == [("203.0.113.5", INSIDE)]


def test_an_address_with_a_zone_is_no_target() -> None:
    phone = client()
    payload = knock(phone, "0.0.0.0,tcp/22", kind=NAT, nat_access="fe80::1%eth0,22")
    refusal = Gate(phone, enable_ipt_forwarding=True).refusal(payload, source="2001:db8::9")
    assert "zone" in refusal.detail


def test_local_nat_over_ipv6_leads_to_the_routers_ipv6_address() -> None:
    phone = client()
    gate = Gate(phone, enable_ipt_local_nat=True)
    payload = knock(phone, "0.0.0.0,tcp/40022", kind=LOCAL, nat_access="router,22")
    decision = gate.access(payload, source="2001:db8::9", destination="2001:db8::1")
    (door,) = decision.doors
    assert (door.nat, door.local) == (NatTarget(ip_address("2001:db8::1"), 22), True)


@pytest.mark.parametrize(
    ("target", "allowed"),
    [
        ("10.0.0.5,22", True),
        ("10.0.0.5,23", False),
        ("10.0.1.9,80", True),
        ("10.0.2.9,80", False),
    ],
)
def test_a_client_may_be_limited_to_some_targets(target: str, allowed: bool) -> None:
    targets = (NatRange(ip_network("10.0.0.5"), 22), NatRange(ip_network("10.0.1.0/24")))
    phone = client(nat_targets=targets)
    gate = Gate(phone, enable_ipt_forwarding=True)
    reason = gate.reason(knock(phone, kind=NAT, nat_access=target))
    assert reason is (Reason.ACCEPTED if allowed else Reason.NAT_TARGET_INVALID)


def test_a_refused_target_is_told_with_those_allowed() -> None:
    targets = (NatRange(ip_network("10.0.0.5"), 22), NatRange(ip_network("fd00::/64"), 80))
    phone = client(nat_targets=targets)
    gate = Gate(phone, enable_ipt_forwarding=True)
    assert gate.refusal(knock(phone, kind=NAT, nat_access="10.0.0.6,22")).detail == (
        "10.0.0.6:22 is not among this client's forwarding targets (10.0.0.5:22, [fd00::/64]:80)"
    )


def test_the_limit_is_for_what_the_client_asks_and_not_for_force_nat() -> None:
    phone = client(nat_targets=(), force_nat=INSIDE)
    (door,) = Gate(phone, enable_ipt_forwarding=True).access(knock(phone)).doors
    assert door.nat == INSIDE


# Host names


def named(**rules: Any) -> AccessDecision:
    phone = client(**rules)
    gate = Gate(phone, enable_ipt_forwarding=True)
    return gate.access(knock(phone, kind=NAT, nat_access="nas.lan,22"))


def test_a_host_name_waits_for_its_address() -> None:
    decision = named()
    assert decision.lookup == "nas.lan"
    final = resolved(decision, ip_address("10.0.0.5"))
    assert isinstance(final, AccessDecision)
    assert final.lookup == ""
    assert [door.nat for door in final.doors] == [INSIDE]


@pytest.mark.parametrize("address", ["127.0.0.1", "224.0.0.1", "0.0.0.0", "fd00::5", "10.9.9.9"])
def test_a_host_name_can_stand_for_an_address_that_is_no_target(address: str) -> None:
    decision = named(nat_targets=(NatRange(ip_network("10.0.0.0/24")),))
    refusal = resolved(decision, ip_address(address))
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.NAT_TARGET_INVALID
    assert refusal.detail.startswith(f"nas.lan is {address}: ")


# By which way


def test_without_translation_the_way_is_open_to_the_target_itself() -> None:
    phone = client(disable_dnat=True)
    gate = Gate(phone, enable_ipt_forwarding=True)
    (door,) = gate.access(knock(phone, kind=NAT, nat_access="10.0.0.5,22")).doors
    assert (door.nat, door.translate, door.redirects, door.forwarded) == (
        INSIDE,
        False,
        False,
        True,
    )


def test_disable_dnat_changes_nothing_for_plain_access() -> None:
    phone = client(disable_dnat=True, forward_all=True)
    (door,) = Gate(phone).access(knock(phone)).doors
    assert (door.what, door.nat, door.forwarded) == ("tcp/22", None, False)


def test_forward_all_with_a_target_leads_everything_there() -> None:
    phone = client(forward_all=True)
    gate = Gate(phone, enable_ipt_forwarding=True)
    payload = knock(phone, "203.0.113.5,tcp/40022", kind=NAT, nat_access="10.0.0.5,22")
    (door,) = gate.access(payload).doors
    assert (door.what, str(door.nat), door.redirects) == ("all", "10.0.0.5", True)


def test_forward_all_with_a_forced_source_and_no_target_translates_no_destination() -> None:
    phone = client(forward_all=True, force_snat=masquerade())
    gate = Gate(phone, enable_ipt_forwarding=True)
    (door,) = gate.access(knock(phone)).doors
    assert (door.what, door.nat, door.redirects) == ("all", None, False)
    assert door.source_nat == masquerade()


@pytest.mark.parametrize(
    ("rules", "settings", "source_nat"),
    [
        ({}, {}, None),
        ({}, {"enable_ipt_snat": True}, SourceNat()),
        (
            {},
            {"enable_ipt_snat": True, "snat_translate_ip": ip_address("192.0.2.9")},
            SourceNat(ip_address("192.0.2.9")),
        ),
        (
            {"force_snat": SourceNat(ip_address("192.0.2.8"))},
            {},
            SourceNat(ip_address("192.0.2.8")),
        ),
        (
            {"force_snat": SourceNat()},
            {"enable_ipt_snat": True, "snat_translate_ip": ip_address("192.0.2.9")},
            SourceNat(),
        ),
    ],
)
def test_where_forwarded_connections_appear_to_come_from(
    rules: dict[str, Any], settings: dict[str, Any], source_nat: SourceNat | None
) -> None:
    phone = client(force_nat=INSIDE, **rules)
    (door,) = Gate(phone, enable_ipt_forwarding=True, **settings).access(knock(phone)).doors
    assert door.source_nat == source_nat


def test_an_ipv4_address_does_not_stand_for_an_ipv6_client() -> None:
    phone = client(force_nat=INSIDE6, force_snat=SourceNat(ip_address("192.0.2.8")))
    gate = Gate(phone, enable_ipt_forwarding=True)
    (door,) = gate.access(knock(phone, "0.0.0.0,tcp/22"), source="2001:db8::9").doors
    assert door.source_nat == SourceNat()


def test_nothing_is_masked_on_the_way_to_the_router_itself() -> None:
    phone = client(forward_all=True)
    gate = Gate(phone, enable_ipt_local_nat=True, enable_ipt_snat=True)
    payload = knock(phone, "203.0.113.5,tcp/40022", kind=LOCAL, nat_access="router,22")
    (door,) = gate.access(payload).doors
    assert (door.what, door.local, door.source_nat) == ("tcp/40022", True, None)


def test_forward_all_is_no_way_round_the_port_of_a_target() -> None:
    targets = (NatRange(ip_network("10.0.0.5"), 443),)
    phone = client(forward_all=True, nat_targets=targets)
    gate = Gate(phone, enable_ipt_forwarding=True)
    refusal = gate.refusal(knock(phone, kind=NAT, nat_access="10.0.0.5,443"))
    assert refusal.reason is Reason.NAT_TARGET_INVALID
    whole = client(forward_all=True, nat_targets=(NatRange(ip_network("10.0.0.5")),))
    gate = Gate(whole, enable_ipt_forwarding=True)
    assert gate.reason(knock(whole, kind=NAT, nat_access="10.0.0.5,443")) is Reason.ACCEPTED


@pytest.mark.parametrize(
    ("rules", "settings", "reason"),
    [
        ({}, {"enable_ipt_local_nat": True}, Reason.NAT_NOT_ENABLED),
        ({"nat_targets": ()}, {"enable_ipt_forwarding": True}, Reason.NAT_TARGET_INVALID),
    ],
)
def test_forward_all_without_a_target_needs_the_way_to_be_free(
    rules: dict[str, Any], settings: dict[str, Any], reason: Reason
) -> None:
    phone = client(forward_all=True, force_snat=masquerade(), **rules)
    assert Gate(phone, **settings).reason(knock(phone)) is reason


def test_two_addresses_of_one_widened_network_are_one_door() -> None:
    phone = client(grant_source=True, widen_ipv4=24)
    payload = knock(phone, "198.51.100.99,tcp/22,tcp/80")
    doors = Gate(phone).access(payload).doors
    assert [(door.who, door.what) for door in doors] == [
        ("198.51.100.0/24", "tcp/22"),
        ("198.51.100.0/24", "tcp/80"),
    ]


def test_a_named_host_is_for_the_packets_source_too() -> None:
    final = resolved(named(grant_source=True), ip_address("10.0.0.5"))
    assert isinstance(final, AccessDecision)
    assert [(door.who, door.nat) for door in final.doors] == [
        ("203.0.113.5", INSIDE),
        ("198.51.100.7", INSIDE),
    ]
