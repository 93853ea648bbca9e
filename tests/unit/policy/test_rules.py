"""What an authentic message may and may not have."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest

from fwknopd.policy.stanza import NatTarget
from fwknopd.policy.verdict import Reason
from fwknopd.spa.message import MessageType
from tests.unit.policy.knocks import NOW, Gate, client, knock, ports

NAT = MessageType.NAT_ACCESS
NAT_TIMEOUT = MessageType.CLIENT_TIMEOUT_NAT_ACCESS
LOCAL = MessageType.LOCAL_NAT_ACCESS
LOCAL_TIMEOUT = MessageType.CLIENT_TIMEOUT_LOCAL_NAT_ACCESS
TIMEOUT = MessageType.CLIENT_TIMEOUT_ACCESS
COMMAND = MessageType.COMMAND
INSIDE = NatTarget(IPv4Address("10.0.0.5"), 2222)

# Age


@pytest.mark.parametrize(
    ("behind", "reason"),
    [
        (0, Reason.ACCEPTED),
        (119, Reason.ACCEPTED),
        (120, Reason.ACCEPTED),
        (121, Reason.TOO_OLD),
        (86400, Reason.TOO_OLD),
        (NOW, Reason.TOO_OLD),
        (-119, Reason.ACCEPTED),
        (-120, Reason.ACCEPTED),
        (-121, Reason.FROM_THE_FUTURE),
        (NOW - 4294967295, Reason.FROM_THE_FUTURE),
    ],
)
def test_age_is_inclusive_both_ways(behind: int, reason: Reason) -> None:
    phone = client()
    assert Gate(phone).reason(knock(phone, timestamp=NOW - behind)) is reason


@pytest.mark.parametrize(("behind", "reason"), [(30, Reason.ACCEPTED), (31, Reason.TOO_OLD)])
def test_age_limit_is_configurable(behind: int, reason: Reason) -> None:
    phone = client()
    gate = Gate(phone, max_spa_packet_age=30)
    assert gate.reason(knock(phone, timestamp=NOW - behind)) is reason


def test_age_off() -> None:
    phone = client()
    gate = Gate(phone, enable_spa_packet_aging=False)
    assert gate.reason(knock(phone, timestamp=0)) is Reason.ACCEPTED


def test_age_says_both_clocks_the_difference_and_the_limit() -> None:
    phone = client()
    detail = Gate(phone).refusal(knock(phone, timestamp=NOW - 187)).detail
    assert detail == (
        "packet's clock 2027-01-15 07:56:53 UTC, router's clock 2027-01-15 08:00:00 UTC, "
        "187 s apart, limit 120 s"
    )


# Address


@pytest.mark.parametrize("source", ["198.51.100.9", "2001:db8::9"])
def test_zero_address_means_the_packets_source(source: str) -> None:
    phone = client()
    decision = Gate(phone).access(knock(phone, "0.0.0.0,tcp/22"), source=source)
    assert str(decision.doors[0].address) == source


def test_ipv4_source_in_ipv6_clothes_is_granted_as_ipv4() -> None:
    phone = client()
    decision = Gate(phone).access(knock(phone, "0.0.0.0,tcp/22"), source="::ffff:198.51.100.9")
    assert decision.doors[0].address == IPv4Address("198.51.100.9")


def test_address_in_the_packet_beats_its_source() -> None:
    phone = client()
    (door,) = Gate(phone).access(knock(phone, "203.0.113.5,tcp/22")).doors
    assert door.who == "203.0.113.5"


def test_required_address() -> None:
    phone = client(require_source_address=True)
    gate = Gate(phone)
    assert gate.reason(knock(phone, "0.0.0.0,tcp/22")) is Reason.ADDRESS_REQUIRED
    assert gate.reason(knock(phone, "203.0.113.5,tcp/22")) is Reason.ACCEPTED


@pytest.mark.parametrize(
    "address", ["224.0.0.1", "239.255.255.250", "255.255.255.255", "127.0.0.1", "0.0.0.1"]
)
def test_addresses_nobody_can_have_are_taken_as_the_c_daemon_takes_them(address: str) -> None:
    phone = client()
    assert Gate(phone).access(knock(phone, f"{address},tcp/22")).doors[0].who == address


def test_zero_address_from_an_unspecified_source_is_refused() -> None:
    phone = client()
    payload = knock(phone, "0.0.0.0,tcp/22")
    assert Gate(phone).reason(payload, source="::") is Reason.MALFORMED


# User


@pytest.mark.parametrize(
    ("user", "reason"),
    [
        ("alice", Reason.ACCEPTED),
        ("Alice", Reason.USERNAME_MISMATCH),
        ("alice2", Reason.USERNAME_MISMATCH),
    ],
)
def test_username_is_compared_exactly(user: str, reason: Reason) -> None:
    phone = client(require_username="alice")
    assert Gate(phone).reason(knock(phone, user=user)) is reason


def test_username_refusal_names_both() -> None:
    phone = client(require_username="bob")
    detail = Gate(phone).refusal(knock(phone)).detail
    assert "'alice'" in detail
    assert "'bob'" in detail


# Ports


@pytest.mark.parametrize(
    ("wish", "allowed", "restricted", "reason"),
    [
        ("tcp/22", None, "", Reason.ACCEPTED),
        ("tcp/22", "tcp/22", "", Reason.ACCEPTED),
        ("udp/22", "tcp/22", "", Reason.PORT_NOT_ALLOWED),
        ("tcp/22,tcp/23", "tcp/22", "", Reason.PORT_NOT_ALLOWED),
        ("tcp/22,tcp/80", "tcp/80,tcp/22,udp/53", "", Reason.ACCEPTED),
        ("tcp/22,tcp/22", "tcp/22", "", Reason.ACCEPTED),
        ("tcp/22", "tcp/22,tcp/22", "", Reason.ACCEPTED),
        ("tcp/22,tcp/23", "tcp/22,tcp/22", "", Reason.PORT_NOT_ALLOWED),
        ("tcp/80,tcp/22", None, "tcp/22", Reason.PORT_NOT_ALLOWED),
        ("tcp/80", None, "tcp/22", Reason.ACCEPTED),
        ("tcp/22", "tcp/22", "tcp/22", Reason.PORT_NOT_ALLOWED),
    ],
)
def test_port_lists_are_sets(
    wish: str, allowed: str | None, restricted: str, reason: Reason
) -> None:
    phone = client(
        open_ports=None if allowed is None else ports(allowed),
        restrict_ports=ports(restricted) if restricted else frozenset(),
    )
    assert Gate(phone).reason(knock(phone, f"203.0.113.5,{wish}")) is reason


def test_empty_open_ports_allow_nothing() -> None:
    phone = client(open_ports=frozenset())
    assert "nothing" in Gate(phone).refusal(knock(phone)).detail


def test_refused_ports_are_named_and_the_good_ones_are_not() -> None:
    phone = client(open_ports=ports("tcp/22,udp/53"))
    detail = Gate(phone).refusal(knock(phone, "203.0.113.5,tcp/22,tcp/23,udp/24")).detail
    assert detail == "not in this client's OPEN_PORTS (tcp/22, udp/53): tcp/23, udp/24"


def test_restricted_ports_are_named() -> None:
    phone = client(restrict_ports=ports("tcp/22"))
    detail = Gate(phone).refusal(knock(phone, "203.0.113.5,tcp/22,tcp/23")).detail
    assert detail == "in this client's RESTRICT_PORTS: tcp/22"


def test_a_long_list_of_allowed_ports_is_cut() -> None:
    phone = client(open_ports=ports(",".join(f"tcp/{port}" for port in range(100, 200))))
    assert "and 88 more" in Gate(phone).refusal(knock(phone)).detail


def test_a_port_asked_for_twice_is_one_door() -> None:
    phone = client()
    decision = Gate(phone).access(knock(phone, "203.0.113.5,tcp/22,tcp/22"))
    assert len(decision.doors) == 1


# Lifetime


@pytest.mark.parametrize(
    ("asked", "default", "cap", "lifetime"),
    [
        (0, 30, 300, 30),
        (60, 30, 300, 60),
        (300, 30, 300, 300),
        (301, 30, 300, 300),
        (5000, 30, 300, 300),
        (0, 600, 300, 300),
        (0, 30, 0, 1),
    ],
)
def test_every_lifetime_is_capped(asked: int, default: int, cap: int, lifetime: int) -> None:
    phone = client(fw_access_timeout=default, max_fw_timeout=cap)
    payload = knock(phone, kind=TIMEOUT if asked else MessageType.ACCESS, client_timeout=asked)
    assert Gate(phone).access(payload).lifetime == lifetime


# NAT


@pytest.mark.parametrize(
    ("kind", "forwarding", "local", "reason"),
    [
        (NAT, True, False, Reason.ACCEPTED),
        (NAT, False, True, Reason.NAT_NOT_ENABLED),
        (NAT_TIMEOUT, True, False, Reason.ACCEPTED),
        (NAT_TIMEOUT, False, True, Reason.NAT_NOT_ENABLED),
        (LOCAL, False, True, Reason.ACCEPTED),
        (LOCAL, True, False, Reason.NAT_NOT_ENABLED),
        (LOCAL_TIMEOUT, False, True, Reason.ACCEPTED),
        (LOCAL_TIMEOUT, True, False, Reason.NAT_NOT_ENABLED),
        (MessageType.ACCESS, False, False, Reason.ACCEPTED),
        (TIMEOUT, False, False, Reason.ACCEPTED),
    ],
)
def test_each_kind_of_nat_has_its_switch(
    kind: MessageType, forwarding: bool, local: bool, reason: Reason
) -> None:
    phone = client()
    nat = None if kind in (MessageType.ACCESS, TIMEOUT) else "10.0.0.5,2222"
    payload = knock(phone, kind=kind, nat_access=nat, client_timeout=60 if kind.has_timeout else 0)
    gate = Gate(phone, enable_ipt_forwarding=forwarding, enable_ipt_local_nat=local)
    assert gate.reason(payload) is reason


def test_forwarding_sends_the_first_port_to_the_inside_host() -> None:
    phone = client()
    payload = knock(phone, "203.0.113.5,tcp/40022,tcp/80", kind=NAT, nat_access="10.0.0.5,2222")
    decision = Gate(phone, enable_ipt_forwarding=True).access(payload)
    (door,) = decision.doors
    assert (str(door.port), door.nat, door.local) == ("tcp/40022", INSIDE, False)


def test_open_ports_are_compared_with_every_outside_port() -> None:
    phone = client(open_ports=ports("tcp/40022,tcp/2222"))
    gate = Gate(phone, enable_ipt_forwarding=True)
    inside: dict[str, Any] = {"kind": NAT, "nat_access": "10.0.0.5,22"}
    assert gate.reason(knock(phone, "203.0.113.5,tcp/40022", **inside)) is Reason.ACCEPTED
    refused = knock(phone, "203.0.113.5,tcp/40022,tcp/22", **inside)
    assert gate.reason(refused) is Reason.PORT_NOT_ALLOWED


@pytest.mark.parametrize(
    "host",
    [
        "host_lan",
        "-host.lan",
        "host..lan",
        "h" * 64,
        "999.1.1.1",
        "010.0.0.1",
        "10.0.0.1;id",
        "fd00::1",
        "",
        "10.1",
        "0.0.0.0",
        "127.0.0.1",
        "224.0.0.1",
        "255.255.255.255",
    ],
)
def test_forwarding_to_what_is_no_inside_host(host: str) -> None:
    phone = client()
    payload = knock(phone, kind=NAT, nat_access=f"{host},22")
    refusal = Gate(phone, enable_ipt_forwarding=True).refusal(payload)
    assert refusal.reason is Reason.NAT_TARGET_INVALID
    assert refusal.detail.isprintable()


def test_host_names_are_refused_when_they_are_off() -> None:
    phone = client()
    payload = knock(phone, kind=NAT, nat_access="host.lan,22")
    gate = Gate(phone, enable_ipt_forwarding=True, enable_nat_dns=False)
    assert gate.refusal(payload).detail == (
        "'host.lan' is a host name, and those are off (ENABLE_NAT_DNS)"
    )


@pytest.mark.parametrize("typed", ["127.0.0.1", "router.example.org", "10.0.0.5", "192.0.2.1"])
def test_local_nat_leads_to_the_router_whatever_the_client_typed(typed: str) -> None:
    phone = client()
    payload = knock(phone, "203.0.113.5,tcp/40022", kind=LOCAL, nat_access=f"{typed},22")
    decision = Gate(phone, enable_ipt_local_nat=True).access(payload)
    (door,) = decision.doors
    assert door.nat == NatTarget(IPv4Address("192.0.2.1"), 22)
    assert door.local


@pytest.mark.parametrize("destination", ["2001:db8::1", "0.0.0.0", "255.255.255.255", "::"])
def test_local_nat_needs_to_know_the_router(destination: str) -> None:
    phone = client()
    payload = knock(phone, kind=LOCAL, nat_access="10.0.0.5,22")
    gate = Gate(phone, enable_ipt_local_nat=True)
    refusal = gate.refusal(payload, destination=destination)
    assert refusal.reason is Reason.NAT_TARGET_INVALID


def test_an_ipv6_client_cannot_be_forwarded_to_an_ipv4_host() -> None:
    phone = client()
    payload = knock(phone, "0.0.0.0,tcp/22", kind=NAT, nat_access="10.0.0.5,22")
    gate = Gate(phone, enable_ipt_forwarding=True)
    refusal = gate.refusal(payload, source="2001:db8::9")
    assert refusal.reason is Reason.NAT_TARGET_INVALID
    assert "2001:db8::9" in refusal.detail


@pytest.mark.parametrize(
    ("kind", "nat"), [(MessageType.ACCESS, None), (NAT, "10.9.9.9,99"), (NAT, "host.lan,22")]
)
def test_force_nat_overrides_the_client(kind: MessageType, nat: str | None) -> None:
    phone = client(force_nat=INSIDE)
    payload = knock(phone, "203.0.113.5,tcp/22,tcp/80", kind=kind, nat_access=nat)
    decision = Gate(phone, enable_ipt_forwarding=True).access(payload)
    (door,) = decision.doors
    assert (door.what, door.nat, door.local) == ("tcp/22", INSIDE, False)


def test_force_nat_without_forwarding_is_local() -> None:
    phone = client(force_nat=INSIDE)
    assert Gate(phone, enable_ipt_local_nat=True).access(knock(phone)).doors[0].local


def test_force_nat_does_not_switch_on_what_is_off() -> None:
    phone = client(force_nat=INSIDE)
    payload = knock(phone, kind=NAT, nat_access="10.0.0.5,22")
    assert Gate(phone, enable_ipt_local_nat=True).reason(payload) is Reason.NAT_NOT_ENABLED


# Order


def test_reasons_come_in_the_c_daemons_order() -> None:
    rules: dict[str, Any] = {
        "require_source_address": True,
        "require_username": "bob",
        "open_ports": ports("tcp/80"),
    }
    wrong: dict[str, Any] = {"kind": NAT, "nat_access": "127.0.0.1,22"}
    phone = client(**rules)
    payload = knock(phone, "0.0.0.0,tcp/22", timestamp=NOW - 200, **wrong)
    assert Gate(phone).reason(payload) is Reason.TOO_OLD
    payload = knock(phone, "0.0.0.0,tcp/22", **wrong)
    assert Gate(phone).reason(payload) is Reason.ADDRESS_REQUIRED
    assert Gate(phone).reason(knock(phone, **wrong)) is Reason.USERNAME_MISMATCH
    assert Gate(phone).reason(knock(phone, user="bob", **wrong)) is Reason.NAT_NOT_ENABLED
    gate = Gate(phone, enable_ipt_forwarding=True)
    assert gate.reason(knock(phone, user="bob", **wrong)) is Reason.PORT_NOT_ALLOWED
    payload = knock(phone, "203.0.113.5,tcp/80", user="bob", **wrong)
    assert gate.reason(payload) is Reason.NAT_TARGET_INVALID
