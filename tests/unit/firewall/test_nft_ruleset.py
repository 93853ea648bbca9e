"""The text of the table: it only marks, and nothing hostile gets into it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwknopd.firewall import FirewallError
from fwknopd.firewall.nft_lookups import BASIC, FAMILIES, KINDS, Lookup, lookup_named
from fwknopd.firewall.nft_ruleset import (
    DEFAULT_MARK,
    check_table,
    replace_script,
    rules_of,
    setup_script,
)

# Verdicts that would make this table a gatekeeper of its own.
VERDICTS = re.compile(r"\b(drop|reject|queue|accept)\b")
CHAIN_POLICY = "policy accept;"
QUOTED = re.compile(r'"([^"]*)"')
EVERY_LOOKUP = frozenset(
    Lookup(kind, family, bits)
    for kind in KINDS.values()
    for family in FAMILIES
    for bits in (0, 24, family.bits)
)


def script_for(devices: list[str], mark: int = DEFAULT_MARK) -> str:
    return setup_script("fwknopd", devices, mark, EVERY_LOOKUP)


def test_rules_pass_no_verdict() -> None:
    script = script_for(["eth1"])
    assert not VERDICTS.search(script.replace(CHAIN_POLICY, ""))


def test_same_devices_give_same_text() -> None:
    assert script_for(["eth1", "pppoe-wan"]) == script_for(["pppoe-wan", "eth1", "eth1"])


def test_every_device_is_no_condition() -> None:
    assert "iifname" not in script_for(["any"])
    assert script_for(["eth1"]).count('iifname { "eth1" }') == 4


def test_without_a_device_no_packet_is_looked_at() -> None:
    assert "jump" not in script_for([])


def test_only_the_chains_that_are_needed_are_made() -> None:
    script = setup_script("fwknopd", ["eth1"], DEFAULT_MARK, BASIC)
    assert re.findall(r"add chain inet fwknopd (\w+)", script) == ["input", "mark_input"]
    assert "nat" not in script


def test_the_number_of_rules_is_known() -> None:
    for devices in ([], ["eth1"], ["any"]):
        rules = rules_of(devices, DEFAULT_MARK, EVERY_LOOKUP)
        assert script_for(devices).count("add rule ") == len(rules)


def test_names_of_sets_tell_the_look_up() -> None:
    assert {lookup_named(lookup.name) for lookup in EVERY_LOOKUP} == EVERY_LOOKUP


@pytest.mark.parametrize(
    "name", ["", "open5", "open4_33", "open4_32", "open4_024", "forward4", "captured", "open4 "]
)
def test_other_names_tell_none(name: str) -> None:
    assert lookup_named(name) is None


def test_replacing_deletes_first_makes_the_same_and_adds_elements() -> None:
    commands = ["add element inet fwknopd open4 { 192.0.2.1 . tcp . 22 timeout 5s }"]
    script = replace_script("fwknopd", ["eth1"], DEFAULT_MARK, BASIC, commands)
    deletion, _, rest = script.partition("delete table inet fwknopd\n")
    assert deletion == "add table inet fwknopd\n"
    assert rest == setup_script("fwknopd", ["eth1"], DEFAULT_MARK, BASIC) + commands[0] + "\n"


@pytest.mark.parametrize("mark", [0, -1, 3, 0x50000000, 1 << 32])
def test_mark_must_be_one_bit(mark: int) -> None:
    with pytest.raises(FirewallError, match="exactly one bit"):
        script_for(["eth1"], mark)


@pytest.mark.parametrize("mark", [1, 0x80, DEFAULT_MARK, 1 << 31])
def test_mark_is_set_and_no_other_bit(mark: int) -> None:
    marks = re.findall(r"meta mark set (.*)", script_for(["eth1"], mark))
    assert set(marks) == {f"meta mark | {mark:#010x}"}


@pytest.mark.parametrize(
    "device",
    [
        "",
        "eth*",
        'eth1" }; flush ruleset; #',
        "eth1\n",
        "eth 1",
        "sixteen-letters-",
        "-eth1",
        "..",
        "eth1/2",
        "ethä",
        "$wan",
    ],
)
def test_hostile_device_names_are_refused(device: str) -> None:
    with pytest.raises(FirewallError, match="network device"):
        script_for([device])


@pytest.mark.parametrize("device", ["eth1", "pppoe-wan", "eth0.2", "br-lan", "wg0", "6in4-wan6"])
def test_device_names_of_routers_are_taken(device: str) -> None:
    script = script_for([device])
    assert set(QUOTED.findall(script)) == {device}


@given(st.text(max_size=20))
def test_a_device_name_is_refused_or_stands_in_quotes_whole(device: str) -> None:
    try:
        script = script_for([device])
    except FirewallError:
        return
    plain = script_for(["eth1"])
    if device != "any":
        assert script == plain.replace('"eth1"', f'"{device}"')


@pytest.mark.parametrize("table", ["", "a b", "x; flush ruleset", "1st", "t" * 32])
def test_table_name_is_one_plain_word(table: str) -> None:
    with pytest.raises(FirewallError, match="table"):
        check_table(table)
    with pytest.raises(FirewallError, match="table"):
        setup_script(table, ["eth1"], DEFAULT_MARK, BASIC)
