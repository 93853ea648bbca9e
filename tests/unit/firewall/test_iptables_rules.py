"""The text of rules: the C daemon's shapes, and nothing but typed values in them."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwknopd.firewall import FirewallError
from fwknopd.firewall.iptables_rules import (
    DoorRule,
    IptablesSettings,
    Role,
    doors_of,
    expiry_of,
    parse_rule,
    print_rule,
    rules_of,
)
from fwknopd.grants import Door
from tests.unit.firewall.doors import DOOR_LISTS, PLAIN_DOORS, TRANSLATED_DOORS, door

PLAIN = IptablesSettings()
OUTPUT = IptablesSettings(enable_output=True)
END = 1795327253
DOORS = st.one_of(PLAIN_DOORS, TRANSLATED_DOORS)
# What any rule may be made of: words of ours, addresses and numbers.
WORD = re.compile(
    r"-[spdjm]|--(dport|sport|comment|to-destination)|tcp|udp|comment|ACCEPT|DNAT|_exp_\d+|\d+"
    r"|[0-9a-f.:]+/(32|128)|[0-9.]+:\d+|\[[0-9a-f:.]+\]:\d+"
)


def printed(item: Door, settings: IptablesSettings = PLAIN) -> list[str]:
    """The rules of a door as iptables-save prints them."""
    rules = rules_of(item, END, settings)
    chains = [settings.chain(rule.role) for rule in rules]
    return [f"-A {c.chain} {print_rule(r, c)}" for r, c in zip(rules, chains, strict=True)]


# Recorded from fwknopd 2.6.10 with iptables-save, but for the numbers.
END_COMMENT = f"-m comment --comment _exp_{END}"
ACCESS = f"-A FWKNOP_INPUT -s 198.51.100.7/32 -p tcp -m tcp --dport 22 {END_COMMENT} -j ACCEPT"
ACCESS_UDP = f"-A FWKNOP_INPUT -s 198.51.100.7/32 -p udp -m udp --dport 53 {END_COMMENT} -j ACCEPT"
ANSWER = f"-A FWKNOP_OUTPUT -d 198.51.100.7/32 -p tcp -m tcp --sport 22 {END_COMMENT} -j ACCEPT"
FORWARDING = [
    f"-A FWKNOP_PREROUTING -s 198.51.100.8/32 -p tcp -m tcp --dport 4000 {END_COMMENT} "
    "-j DNAT --to-destination 10.0.0.9:22",
    f"-A FWKNOP_FORWARD -s 198.51.100.8/32 -p tcp -m tcp --dport 22 {END_COMMENT} -j ACCEPT",
]
LOCAL = [
    f"-A FWKNOP_PREROUTING -s 198.51.100.9/32 -p tcp -m tcp --dport 4001 {END_COMMENT} "
    "-j DNAT --to-destination 127.0.0.1:2222",
    f"-A FWKNOP_INPUT -s 198.51.100.9/32 -p tcp -m tcp --dport 2222 {END_COMMENT} -j ACCEPT",
]


def test_access() -> None:
    assert printed(door("198.51.100.7", "tcp/22")) == [ACCESS]
    assert printed(door("198.51.100.7", "udp/53")) == [ACCESS_UDP]


def test_access_with_answers() -> None:
    assert printed(door("198.51.100.7", "tcp/22"), OUTPUT) == [ACCESS, ANSWER]


def test_forwarding_and_local_nat() -> None:
    assert printed(door("198.51.100.8", "tcp/4000", "10.0.0.9:22")) == FORWARDING
    assert printed(door("198.51.100.9", "tcp/4001", "127.0.0.1:2222", local=True)) == LOCAL


def test_ipv6() -> None:
    assert printed(door("2001:db8::7", "tcp/4000", "2001:db8:1::9:22")) == [
        f"-A FWKNOP_PREROUTING -s 2001:db8::7/128 -p tcp -m tcp --dport 4000 {END_COMMENT} "
        "-j DNAT --to-destination [2001:db8:1::9]:22",
        f"-A FWKNOP_FORWARD -s 2001:db8::7/128 -p tcp -m tcp --dport 22 {END_COMMENT} -j ACCEPT",
    ]


def test_a_translation_between_families_is_refused() -> None:
    with pytest.raises(FirewallError, match="one is IPv4, the other IPv6"):
        printed(door("2001:db8::7", "tcp/22", "10.0.0.9:22"))


@given(DOORS, st.integers(0, 10**12 - 1), st.sampled_from([PLAIN, OUTPUT]))
def test_rules_are_made_of_known_words_and_read_back(
    item: Door, end: int, settings: IptablesSettings
) -> None:
    rules = rules_of(item, end, settings)
    for rule in rules:
        chain = settings.chain(rule.role)
        text = print_rule(rule, chain)
        assert all(WORD.fullmatch(word) for word in text.split(" "))
        assert parse_rule(text, rule.role, chain) == rule
        assert expiry_of(text) == end
    assert list(doors_of(rules)) == [(item, end)]


@given(DOOR_LISTS)
def test_doors_are_told_apart(doors: list[Door]) -> None:
    ends = {item: 100 + number for number, item in enumerate(doors)}
    rules = [rule for item, end in ends.items() for rule in rules_of(item, end, PLAIN)]
    assert dict(doors_of(rules)) == ends


@pytest.mark.parametrize(
    "text",
    [
        "-s 198.51.100.7/32 -p tcp -m tcp --dport 22 -j ACCEPT",
        "-s 198.51.100.0/24 -p tcp -m tcp --dport 22 -m comment --comment _exp_1 -j ACCEPT",
        "-s 198.51.100.7/32 -i eth0 -p tcp -m tcp --dport 22 -m comment --comment _exp_1 -j ACCEPT",
        "-s 198.51.100.7/32 -p tcp -m tcp --dport 22 -m comment --comment _exp_1 -j DROP",
        "-s 198.51.100.7/32 -p tcp -m tcp --sport 22 -m comment --comment _exp_1 -j ACCEPT",
        "-s 1.2/32 -p tcp -m tcp --dport 22 -m comment --comment _exp_1 -j ACCEPT",
        "",
    ],
)
def test_rules_of_others_are_no_doors(text: str) -> None:
    assert parse_rule(text, Role.INPUT, PLAIN.input) is None


def test_an_end_is_read_only_from_a_comment_that_is_one() -> None:
    assert expiry_of('-p icmp -m comment --comment "_exp_77" -j ACCEPT') == 77
    assert expiry_of("-p icmp -m comment --comment _exp_77") == 77
    assert expiry_of('-m comment --comment "ask _exp_77 please" -j ACCEPT') is None
    assert expiry_of("-m comment --comment _exp_77x -j ACCEPT") is None


def test_half_a_door_is_none() -> None:
    translating, admitting = rules_of(door("192.0.2.7", "tcp/1", "10.0.0.9:22"), END, PLAIN)
    assert list(doors_of([translating])) == []
    assert list(doors_of([admitting])) == []


def test_equal_rules_of_two_doors_are_counted() -> None:
    one = door("192.0.2.7", "tcp/1", "10.0.0.9:22")
    two = door("192.0.2.7", "tcp/2", "10.0.0.9:22")
    rules: Counter[DoorRule] = Counter([*rules_of(one, END, PLAIN), *rules_of(two, END, PLAIN)])
    assert max(rules.values()) == 2
    assert sorted(str(item.port) for item, _ in doors_of(rules.elements())) == ["tcp/1", "tcp/2"]
