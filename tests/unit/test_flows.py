"""Which connections are a door's, one table of cases; and the index against the plain rule."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwknopd.flows import DoorIndex, Flow, Passage, Way, passage_through
from fwknopd.grants import Door
from fwknopd.policy.stanza import Address, SourceNat
from tests.unit.firewall.doors import DOOR_LISTS, door

PHONE, OTHER = "198.51.100.7", "198.51.100.8"
ROUTER, ROUTER_LAN, HOST, NEIGHBOUR = "198.51.100.1", "192.168.1.1", "192.168.1.100", "192.168.1.9"
PHONE6, ROUTER6, HOST6 = "2001:db8:1::7", "2001:db8:1::1", "2001:db8:100::100"
OWN = frozenset(map(ip_address, (ROUTER, ROUTER_LAN, ROUTER6, "127.0.0.1")))
TCP, UDP, ICMP, GRE = 6, 17, 1, 47


def is_local(address: Address) -> bool:
    return address in OWN


def way(source: str, destination: str, protocol: int = TCP) -> Way:
    """``198.51.100.7 50000`` and so on; no port is 0."""
    ends = [[*end.split(), "0"][:2] for end in (source, destination)]
    (source_address, source_port), (address, port) = ends
    return Way(
        ip_address(source_address), ip_address(address), protocol, int(source_port), int(port)
    )


def flow(source: str, destination: str, answered_by: str = "", to: str = "", p: int = TCP) -> Flow:
    """From, to, and where they differ: who answers, and whom."""
    return Flow(way(source, destination, p), way(answered_by or destination, to or source, p))


SSH = door(PHONE, "tcp/22")
TO_HOST = door(PHONE, "tcp/2222", f"{HOST}:22")
TO_SELF = door(PHONE, "tcp/2222", f"{ROUTER_LAN}:80", local=True)
EVERYWHERE = Door(ip_address(PHONE), None)
ALL_TO_HOST = Door(ip_address(PHONE), None, TO_HOST.nat)
UNTRANSLATED = replace(TO_HOST, translate=False)
NETWORK = replace(SSH, prefix=24)
ON_WAN = replace(SSH, destination=ip_address(ROUTER))
P = f"{PHONE} 50000"

BELONGS: dict[str, tuple[Door, Flow]] = {
    "to the port": (SSH, flow(P, f"{ROUTER} 22")),
    "to another address of the router": (SSH, flow(P, f"{ROUTER_LAN} 22")),
    "over IPv6": (door(PHONE6, "tcp/22"), flow(f"{PHONE6} 50000", f"{ROUTER6} 22")),
    "over UDP": (door(PHONE, "udp/53"), flow(P, f"{ROUTER} 53", p=UDP)),
    "that somebody else translated": (SSH, flow(P, f"{ROUTER} 8022", f"{ROUTER_LAN} 22")),
    "taken up from the server's side": (SSH, flow(f"{ROUTER} 22", P)),
    "from the network": (NETWORK, flow(f"{OTHER} 50000", f"{ROUTER} 22")),
    "to the address named": (ON_WAN, flow(P, f"{ROUTER} 22")),
    "translated to the host": (TO_HOST, flow(P, f"{ROUTER} 2222", f"{HOST} 22")),
    "translated, and its source too": (
        replace(TO_HOST, source_nat=SourceNat()),
        flow(P, f"{ROUTER} 2222", f"{HOST} 22", f"{ROUTER_LAN} 50000"),
    ),
    "translated, from the server's side": (
        TO_HOST,
        flow(f"{HOST} 22", P, P, f"{ROUTER} 2222"),
    ),
    "translated to the router": (TO_SELF, flow(P, f"{ROUTER} 2222", f"{ROUTER_LAN} 80")),
    "to the host without translation": (UNTRANSLATED, flow(P, f"{HOST} 22")),
    "to the host, translated by others": (UNTRANSLATED, flow(P, f"{ROUTER} 9", f"{HOST} 22")),
    "anything that passes": (EVERYWHERE, flow(P, f"{NEIGHBOUR} 443")),
    "anything that passes, without ports": (EVERYWHERE, flow(PHONE, NEIGHBOUR, p=GRE)),
    "anything for the host": (ALL_TO_HOST, flow(P, f"{ROUTER} 1", f"{HOST} 1", p=UDP)),
    "a ping for the host": (ALL_TO_HOST, flow(PHONE, ROUTER, HOST, p=ICMP)),
}
BELONGS_NOT: dict[str, tuple[Door, Flow]] = {
    "from another address": (SSH, flow(f"{OTHER} 50000", f"{ROUTER} 22")),
    "to another port": (SSH, flow(P, f"{ROUTER} 23")),
    "from the port": (SSH, flow(f"{PHONE} 22", f"{ROUTER} 50000")),
    "of the other protocol": (SSH, flow(P, f"{ROUTER} 22", p=UDP)),
    "a ping": (SSH, flow(PHONE, ROUTER, p=ICMP)),
    "sent on by the router": (SSH, flow(P, f"{HOST} 22")),
    "translated to a host": (SSH, flow(P, f"{ROUTER} 22", f"{HOST} 22")),
    "a LAN host's own, to the same port": (
        door(HOST, "tcp/22"),
        flow(f"{HOST} 50000", f"{PHONE} 22", to=f"{ROUTER} 50000"),
    ),
    "the LAN's to the phone": (SSH, flow(f"{HOST} 50000", f"{PHONE} 22")),
    "to an address the door doesn't name": (ON_WAN, flow(P, f"{ROUTER_LAN} 22")),
    "from outside the network": (NETWORK, flow("198.51.101.7 50000", f"{ROUTER} 22")),
    "translated elsewhere by an earlier door": (
        TO_HOST,
        flow(P, f"{ROUTER} 2222", f"{NEIGHBOUR} 22"),
    ),
    "translated to another port": (TO_HOST, flow(P, f"{ROUTER} 2222", f"{HOST} 23")),
    "to the inside port, past the outside port": (TO_HOST, flow(P, f"{HOST} 22")),
    "from another outside port": (TO_HOST, flow(P, f"{ROUTER} 22", f"{HOST} 22")),
    "to the router, which is not all that passes": (EVERYWHERE, flow(P, f"{ROUTER} 22")),
    "the LAN's, which is no answer": (EVERYWHERE, flow(f"{HOST} 50000", f"{PHONE} 443")),
    "to another host": (ALL_TO_HOST, flow(P, f"{ROUTER} 1", f"{NEIGHBOUR} 1")),
}


@pytest.mark.parametrize("case", BELONGS)
def test_comes_in_by_the_door(case: str) -> None:
    item, tracked = BELONGS[case]
    assert passage_through(tracked, item, is_local) is not None
    assert [found for found, _ in DoorIndex([item], is_local).passages(tracked)] == [item]


@pytest.mark.parametrize("case", BELONGS_NOT)
def test_does_not_come_in_by_the_door(case: str) -> None:
    item, tracked = BELONGS_NOT[case]
    assert passage_through(tracked, item, is_local) is None
    assert DoorIndex([item], is_local).passages(tracked) == []


def test_a_passage_is_seen_from_where_it_comes_in_whoever_began() -> None:
    begun = Passage(way(P, f"{ROUTER} 2222"), way(P, f"{HOST} 22"))
    assert passage_through(flow(P, f"{ROUTER} 2222", f"{HOST} 22"), TO_HOST, is_local) == begun
    taken_up = flow(f"{HOST} 22", P, P, f"{ROUTER} 2222")
    assert passage_through(taken_up, TO_HOST, is_local) == begun


def test_addresses_are_known_as_long_as_each_door_is_for_one() -> None:
    index = DoorIndex([SSH, TO_HOST, door(PHONE6, "tcp/22")], is_local)
    assert index.addresses(4) == [ip_address(PHONE)]
    assert index.addresses(6) == [ip_address(PHONE6)]
    assert index.versions == {4, 6}
    index = DoorIndex([SSH, NETWORK], is_local)
    assert index.addresses(4) is None
    assert index.addresses(6) == []
    assert index.versions == {4}


def test_nothing_is_in_an_empty_index() -> None:
    index = DoorIndex([], is_local)
    assert not index
    assert not index.versions
    assert not index.knows()(ip_address(PHONE).packed)


ADDRESSES = st.sampled_from([PHONE, OTHER, ROUTER, ROUTER_LAN, HOST, PHONE6, ROUTER6, HOST6])
PORTS = st.sampled_from([0, 22, 80, 2222, 50000])
WAYS = st.builds(
    Way,
    ADDRESSES.map(ip_address),
    ADDRESSES.map(ip_address),
    st.sampled_from([TCP, UDP, ICMP]),
    PORTS,
    PORTS,
)
FLOWS = st.builds(
    lambda original, reply: Flow(original, replace(reply, protocol=original.protocol)), WAYS, WAYS
)
DOORS = st.lists(
    st.one_of(
        st.sampled_from([case[0] for case in (*BELONGS.values(), *BELONGS_NOT.values())]),
        DOOR_LISTS.map(lambda doors: doors[0]),
        st.builds(
            lambda item, prefix: replace(item, prefix=prefix),
            st.sampled_from([SSH, TO_HOST, EVERYWHERE]),
            st.integers(0, 32),
        ),
    )
)


@given(DOORS, FLOWS)
def test_an_index_finds_what_a_look_at_every_door_finds(doors: list[Door], tracked: Flow) -> None:
    index = DoorIndex(doors, is_local)
    expected = {item for item in doors if passage_through(tracked, item, is_local)}
    assert {item for item, _ in index.passages(tracked)} == expected
    if expected:
        ends = (tracked.original.source, tracked.original.destination, tracked.reply.source)
        assert any(index.knows()(end.packed) for end in ends)


@given(DOORS, FLOWS)
def test_a_passage_comes_in_from_somebody_the_door_is_for(doors: list[Door], tracked: Flow) -> None:
    for item, passage in DoorIndex(doors, is_local).passages(tracked):
        assert passage.outside.source in item.network
        assert item.port is None or passage.inside.protocol == item.port.protocol.number
