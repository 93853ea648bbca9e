"""Which ports of a client nobody else should get in at, for each kind of access."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from fwknopd.policy.outside_ports import Led, is_same_place, outside_ports
from fwknopd.policy.settings import PolicySettings
from fwknopd.policy.stanza import NatTarget, SourceNat, Stanza
from fwknopd.spa.packet import SpaKeys
from fwknopd.spa.request import PortSpec, Protocol

NOW = 1_800_000_000.0
SSH, DNS, NULL = PortSpec(Protocol.TCP, 22), PortSpec(Protocol.UDP, 53), PortSpec(Protocol.TCP, 0)
HOST, ROUTER = NatTarget(ip_address("192.168.1.5"), 443), NatTarget(ip_address("192.0.2.1"), 22)
CLIENT = Stanza(1, SpaKeys(encryption_key=b"k" * 16), open_ports=frozenset({SSH, DNS, NULL}))
FORWARDS = PolicySettings(enable_ipt_forwarding=True)


def test_ports_of_a_client_are_those_it_may_open() -> None:
    assert outside_ports(CLIENT, NOW) == {SSH, DNS}
    assert outside_ports(replace(CLIENT, force_nat=HOST), NOW) == {SSH, DNS}
    assert outside_ports(replace(CLIENT, force_snat=SourceNat(), disable_dnat=True), NOW)
    assert outside_ports(replace(CLIENT, cmd_cycle_open="NONE"), NOW) == {SSH, DNS}


@pytest.mark.parametrize(
    "client",
    [
        replace(CLIENT, enabled=False),
        replace(CLIENT, access_expire=int(NOW) - 1),
        replace(CLIENT, open_ports=None),
        replace(CLIENT, old_keys_of="phone"),
        replace(CLIENT, cmd_cycle_open="/bin/true"),
        replace(CLIENT, forward_all=True, force_nat=HOST),
        replace(CLIENT, forward_all=True, force_snat=SourceNat()),
        replace(CLIENT, disable_dnat=True, force_nat=HOST),
    ],
)
def test_others_have_none(client: Stanza) -> None:
    assert outside_ports(client, NOW) == frozenset()


def test_whose_port_is_open_to_anybody_has_no_door_to_hide_behind() -> None:
    for led in (None, Led(HOST.address, 22), Led(None, None)):
        assert is_same_place(CLIENT, SSH, led, FORWARDS)


def test_who_is_led_to_a_host_is_hidden_unless_others_are_led_to_it_too() -> None:
    client = replace(CLIENT, force_nat=HOST)
    assert is_same_place(client, SSH, Led(HOST.address, 443), FORWARDS)
    assert is_same_place(
        replace(client, force_nat=NatTarget(HOST.address, 0)), SSH, Led(HOST.address, 22), FORWARDS
    )
    for led in (None, Led(HOST.address, 22), Led(ROUTER.address, 443), Led(None, 443, here=True)):
        assert not is_same_place(client, SSH, led, FORWARDS)


def test_without_forwarding_all_are_led_to_the_router() -> None:
    client = replace(CLIENT, force_nat=ROUTER)
    assert is_same_place(client, DNS, Led(None, 22, here=True), PolicySettings())
    assert not is_same_place(client, DNS, Led(None, 53, here=True), PolicySettings())
    assert not is_same_place(client, DNS, None, PolicySettings())
