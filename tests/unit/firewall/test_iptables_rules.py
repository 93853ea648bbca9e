"""The text of rules: the C daemon's shapes, and nothing but typed values in them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwknopd.firewall import FirewallError
from fwknopd.firewall.iptables_reading import FoundDoor, doors_of, expiry_of, parse_rule
from fwknopd.firewall.iptables_rules import (
    DoorRule,
    IptablesSettings,
    Role,
    print_rule,
    rules_of,
)
from fwknopd.grants import Door
from fwknopd.policy.stanza import SourceNat
from tests.unit.firewall.doors import DOOR_LISTS, door, target
from tests.unit.firewall.kinds import EVERY_DOOR, EVERY_DOOR_LISTS

PLAIN = IptablesSettings()
OUTPUT = IptablesSettings(enable_output=True)
END = 1795327253
# What any rule may be made of: words of ours, addresses and numbers.
WORD = re.compile(
    r"-[spdjm]|--(dport|sport|comment|to-destination|to-source)|tcp|udp|comment"
    r"|ACCEPT|DNAT|SNAT|MASQUERADE|_exp_\d+|\d+"
    r"|[0-9a-f.:]+(/\d+)?|[0-9.]+:\d+|\[[0-9a-f:.]+\]:\d+"
)


def printed(item: Door, settings: IptablesSettings = PLAIN) -> list[str]:
    """The rules of a door as iptables-save prints them."""
    rules = rules_of(item, END, settings)
    chains = [settings.chain(rule.role) for rule in rules]
    return [f"-A {c.chain} {print_rule(r, c)}" for r, c in zip(rules, chains, strict=True)]


def read(*lines: str) -> list[FoundDoor]:
    """The doors of rules as iptables-save prints them."""
    roles = {PLAIN.chain(role).chain: role for role in Role}
    rules = []
    for line in lines:
        name, _, text = line.removeprefix("-A ").partition(" ")
        rule = parse_rule(text, roles[name], PLAIN.chain(roles[name]))
        assert rule is not None, line
        rules.append(rule)
    return list(doors_of(rules))


def forward_all(nat: str = "", **changes: object) -> Door:
    """Everything of a client, forwarded."""
    everything = target(nat) if nat else None
    kept = Door(ip_address("198.51.100.8"), None, everything, translate=bool(nat))
    return replace(kept, **changes)  # type: ignore[arg-type]


# Recorded from fwknopd 2.6.10 with iptables-save, but for the numbers and for what is said.
END_COMMENT = f"-m comment --comment _exp_{END}"
ACCESS = f"-A FWKNOP_INPUT -s 198.51.100.7/32 -p tcp -m tcp --dport 22 {END_COMMENT} -j ACCEPT"
ACCESS_UDP = f"-A FWKNOP_INPUT -s 198.51.100.7/32 -p udp -m udp --dport 53 {END_COMMENT} -j ACCEPT"
ANSWER = f"-A FWKNOP_OUTPUT -d 198.51.100.7/32 -p tcp -m tcp --sport 22 {END_COMMENT} -j ACCEPT"
LEADING = (
    f"-A FWKNOP_PREROUTING -s 198.51.100.8/32 -p tcp -m tcp --dport 4000 {END_COMMENT} "
    "-j DNAT --to-destination 10.0.0.9:22"
)
# The C daemon's ways don't name the target, so that others are open too.
WAY_C = f"-A FWKNOP_FORWARD -s 198.51.100.8/32 -p tcp -m tcp --dport 22 {END_COMMENT} -j ACCEPT"
WAY = WAY_C.replace("-p tcp", "-d 10.0.0.9/32 -p tcp", 1)
FORWARDING = [LEADING, WAY]
# The C daemon hides whoever connects to the target, and from one port only.
HIDING_C = f"-A FWKNOP_POSTROUTING -d 10.0.0.9/32 -p tcp -m tcp --dport 22 {END_COMMENT}"
HIDING = HIDING_C.replace("-d", "-s 198.51.100.8/32 -d", 1)
MASQUERADING = HIDING.replace("POSTROUTING", "MASQUERADE")
MASQUERADING_C = HIDING_C.replace("POSTROUTING", "MASQUERADE")
ALL_LED = f"-A FWKNOP_PREROUTING -s 198.51.100.8/32 {END_COMMENT} -j DNAT --to-destination 10.0.0.9"
ALL = f"-A FWKNOP_FORWARD -s 198.51.100.8/32 {END_COMMENT} -j ACCEPT"
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


def test_forwarding_from_another_address() -> None:
    forwarded = door("198.51.100.8", "tcp/4000", "10.0.0.9:22")
    fixed = replace(forwarded, source_nat=SourceNat(ip_address("10.0.0.1")))
    assert printed(fixed) == [LEADING, f"{HIDING} -j SNAT --to-source 10.0.0.1", WAY]
    masked = replace(forwarded, source_nat=SourceNat())
    assert printed(masked) == [LEADING, f"{MASQUERADING} -j MASQUERADE", WAY]


def test_forwarding_without_a_translation() -> None:
    assert printed(replace(door("198.51.100.8", "tcp/4000", "10.0.0.9:22"), translate=False)) == [
        WAY
    ]


def test_a_target_without_a_port_keeps_the_port() -> None:
    assert printed(door("198.51.100.8", "tcp/4000", "10.0.0.9:0")) == [
        LEADING.replace("10.0.0.9:22", "10.0.0.9:4000"),
        WAY.replace("--dport 22", "--dport 4000"),
    ]


def test_everything_forwarded() -> None:
    assert printed(forward_all()) == [ALL]
    to_one = ALL.replace("198.51.100.8/32", "198.51.100.8/32 -d 10.0.0.9/32")
    assert printed(forward_all("10.0.0.9:0")) == [ALL_LED, to_one]
    masked = ALL.replace("FORWARD", "MASQUERADE").replace("ACCEPT", "MASQUERADE")
    assert printed(forward_all(source_nat=SourceNat())) == [masked, ALL]


def test_only_towards_one_address() -> None:
    access = replace(door("198.51.100.7", "tcp/22"), destination=ip_address("198.51.100.1"))
    assert printed(access, OUTPUT) == [
        ACCESS.replace("-p tcp", "-d 198.51.100.1/32 -p tcp", 1),
        ANSWER.replace("-d", "-s 198.51.100.1/32 -d", 1),
    ]
    local = door("198.51.100.9", "tcp/4001", "127.0.0.1:2222", local=True)
    assert printed(replace(local, destination=ip_address("198.51.100.1"))) == [
        LOCAL[0].replace("-p tcp", "-d 198.51.100.1/32 -p tcp", 1),
        LOCAL[1].replace("-p tcp", "-d 127.0.0.1/32 -p tcp", 1),
    ]


def test_a_network() -> None:
    carrier = replace(door("198.51.100.0", "tcp/22"), prefix=24)
    assert printed(carrier) == [ACCESS.replace("198.51.100.7/32", "198.51.100.0/24")]


def test_what_the_c_daemon_left_is_known() -> None:
    forwarded = door("198.51.100.8", "tcp/4000", "10.0.0.9:22")
    fixed, masked = SourceNat(ip_address("10.0.0.1")), SourceNat()
    hidden_all = ALL.replace("FORWARD", "POSTROUTING").removesuffix(" -j ACCEPT")
    left = {
        (LEADING, WAY_C): forwarded,
        (f"{HIDING_C} -j SNAT --to-source 10.0.0.1", LEADING, WAY_C): replace(
            forwarded, source_nat=fixed
        ),
        (f"{MASQUERADING_C} -j MASQUERADE --to-ports 4000", WAY_C, LEADING): replace(
            forwarded, source_nat=masked
        ),
        (ALL, ALL_LED): forward_all("10.0.0.9:0"),
        (ALL, ALL_LED, f"{hidden_all} -j SNAT --to-source 10.0.0.1"): forward_all(
            "10.0.0.9:0", source_nat=fixed
        ),
        (ALL, f"{hidden_all} -j SNAT --to-source 10.0.0.1"): forward_all(source_nat=fixed),
    }
    for lines, expected in left.items():
        (found,) = read(*lines)
        assert found.door == expected
        assert len(found.rules) == len(lines)
    # With DISABLE_DNAT it lets through to whatever host, and without a target to none.
    assert read(WAY_C, f"{HIDING_C} -j SNAT --to-source 10.0.0.1") == []
    (nowhere,) = read(ALL, ALL_LED.replace("10.0.0.9", "0.0.0.0"))
    assert nowhere.door == forward_all()


def test_ipv6() -> None:
    assert printed(door("2001:db8::7", "tcp/4000", "2001:db8:1::9:22")) == [
        f"-A FWKNOP_PREROUTING -s 2001:db8::7/128 -p tcp -m tcp --dport 4000 {END_COMMENT} "
        "-j DNAT --to-destination [2001:db8:1::9]:22",
        "-A FWKNOP_FORWARD -s 2001:db8::7/128 -d 2001:db8:1::9/128 -p tcp -m tcp --dport 22 "
        f"{END_COMMENT} -j ACCEPT",
    ]
    everything = Door(ip_address("2001:db8::7"), None, target("2001:db8:1::9:0"))
    assert printed(everything)[0].endswith(" -j DNAT --to-destination 2001:db8:1::9")


def test_a_translation_between_families_is_refused() -> None:
    with pytest.raises(FirewallError, match="one is IPv4, the other IPv6"):
        printed(door("2001:db8::7", "tcp/22", "10.0.0.9:22"))
    for other in (
        forward_all(source_nat=SourceNat(ip_address("2001:db8::1"))),
        replace(door("2001:db8::7", "tcp/22"), destination=ip_address("10.0.0.1")),
    ):
        with pytest.raises(FirewallError, match="one is IPv4, the other IPv6"):
            printed(other)


@given(EVERY_DOOR, st.integers(0, 10**12 - 1), st.sampled_from([PLAIN, OUTPUT]))
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
    assert list(doors_of(rules)) == [FoundDoor(item, end, found_rules(rules))]


def found_rules(rules: tuple[DoorRule, ...]) -> tuple[DoorRule, ...]:
    """As `doors_of` gives them: what hides the source last."""
    hidden = {Role.SNAT, Role.MASQUERADE}
    return tuple(sorted(rules, key=lambda rule: rule.role in hidden))


@given(st.one_of(DOOR_LISTS, EVERY_DOOR_LISTS))
def test_doors_are_told_apart(doors: list[Door]) -> None:
    ends = {item: 100 + number for number, item in enumerate(doors)}
    rules = [rule for item, end in ends.items() for rule in rules_of(item, end, PLAIN)]
    assert {found.door: found.expiry for found in doors_of(rules)} == ends


@pytest.mark.parametrize(
    "text",
    [
        "-s 198.51.100.7/32 -p tcp -m tcp --dport 22 -j ACCEPT",
        "-s 198.51.100.7/32 -d 10.0.0.0/8 -p tcp -m tcp --dport 22 -m comment --comment _exp_1 "
        "-j ACCEPT",
        "-s 198.51.100.7/32 -p tcp -m tcp --dport 22 -m comment --comment _exp_1 -j ACCEPT "
        "--to-source 10.0.0.1",
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


def test_half_a_door_is_none_or_what_is_open_by_it() -> None:
    forwarded = door("192.0.2.7", "tcp/1", "10.0.0.9:22")
    translating, admitting = rules_of(forwarded, END, PLAIN)
    assert list(doors_of([translating])) == []
    (way,) = doors_of([admitting])
    assert way.door == replace(forwarded, translate=False)
    hiding = rules_of(replace(forwarded, source_nat=SourceNat()), END, PLAIN)[1]
    assert list(doors_of([hiding])) == []


def test_equal_rules_of_two_doors_are_counted() -> None:
    one = door("192.0.2.7", "tcp/1", "10.0.0.9:22")
    two = door("192.0.2.7", "tcp/2", "10.0.0.9:22")
    rules: Counter[DoorRule] = Counter([*rules_of(one, END, PLAIN), *rules_of(two, END, PLAIN)])
    assert max(rules.values()) == 2
    found = [item.door for item in doors_of(rules.elements())]
    assert sorted(item.what for item in found) == ["tcp/1", "tcp/2"]
