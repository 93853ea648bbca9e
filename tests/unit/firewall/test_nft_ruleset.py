"""The text of the table: it only marks, and nothing hostile gets into it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwknopd.firewall import FirewallError
from fwknopd.firewall.nft_ruleset import DEFAULT_MARK, replace_script, setup_script

# Verdicts that would make this table a gatekeeper of its own.
VERDICTS = re.compile(r"\b(drop|reject|queue|accept)\b")
CHAIN_POLICY = "policy accept;"
QUOTED = re.compile(r'"([^"]*)"')


def test_rules_pass_no_verdict() -> None:
    script = setup_script("fwknopd", ["eth1"], DEFAULT_MARK)
    assert not VERDICTS.search(script.replace(CHAIN_POLICY, ""))


def test_same_devices_give_same_text() -> None:
    one = setup_script("fwknopd", ["eth1", "pppoe-wan"], DEFAULT_MARK)
    assert one == setup_script("fwknopd", ["pppoe-wan", "eth1", "eth1"], DEFAULT_MARK)


def test_every_device_is_no_condition() -> None:
    assert "iifname" not in setup_script("fwknopd", ["any"], DEFAULT_MARK)
    assert "iifname" in setup_script("fwknopd", [], DEFAULT_MARK)


def test_replacing_deletes_first_and_makes_the_same() -> None:
    script = replace_script("fwknopd", ["eth1"], DEFAULT_MARK)
    deletion, _, rest = script.partition("delete table inet fwknopd\n")
    assert deletion == "add table inet fwknopd\n"
    assert rest == setup_script("fwknopd", ["eth1"], DEFAULT_MARK)


@pytest.mark.parametrize("mark", [0, -1, 3, 0x50000000, 1 << 32])
def test_mark_must_be_one_bit(mark: int) -> None:
    with pytest.raises(FirewallError, match="exactly one bit"):
        setup_script("fwknopd", ["eth1"], mark)


@pytest.mark.parametrize("mark", [1, 0x80, DEFAULT_MARK, 1 << 31])
def test_mark_is_set_and_no_other_bit(mark: int) -> None:
    marks = re.findall(r"meta mark set (.*)", setup_script("fwknopd", ["eth1"], mark))
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
        setup_script("fwknopd", [device], DEFAULT_MARK)


@pytest.mark.parametrize("device", ["eth1", "pppoe-wan", "eth0.2", "br-lan", "wg0", "6in4-wan6"])
def test_device_names_of_routers_are_taken(device: str) -> None:
    script = setup_script("fwknopd", [device], DEFAULT_MARK)
    assert QUOTED.findall(script) == [device]


@given(st.text(max_size=20))
def test_a_device_name_is_refused_or_stands_in_quotes_whole(device: str) -> None:
    try:
        script = setup_script("fwknopd", [device], DEFAULT_MARK)
    except FirewallError:
        return
    plain = setup_script("fwknopd", ["eth1"], DEFAULT_MARK)
    if device != "any":
        assert script == plain.replace('"eth1"', f'"{device}"')


@pytest.mark.parametrize("table", ["", "a b", "x; flush ruleset", "1st", "t" * 32])
def test_table_name_is_one_plain_word(table: str) -> None:
    with pytest.raises(FirewallError, match="table"):
        setup_script(table, ["eth1"], DEFAULT_MARK)
