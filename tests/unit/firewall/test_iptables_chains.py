"""The iptables variables of fwknopd.conf, from the file to the firewall's settings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwknopd.config.fwknopd_conf import settings_from_fwknopd_conf
from fwknopd.config.invalid import InvalidValue
from fwknopd.config.ipt_chain import IptChain, parse_ipt_chain
from fwknopd.config.problems import ConfigError
from fwknopd.firewall.iptables_rules import IptablesSettings, Role
from fwknopd.part_settings import iptables_settings

CONF = "/etc/fwknop/fwknopd.conf"


def settings(text: str) -> IptablesSettings:
    return iptables_settings(settings_from_fwknopd_conf(text, CONF)[0])


def test_an_empty_file_means_the_chains_of_fwknopd() -> None:
    assert settings("") == IptablesSettings()
    assert settings("").standing() == (Role.INPUT,)
    assert str(settings("").dnat) == "DNAT, nat, PREROUTING, 1, FWKNOP_PREROUTING, 1"


def test_every_variable_reaches_the_firewall() -> None:
    changed = settings(
        "IPT_INPUT_ACCESS ACCEPT, filter, input_rule, 2, MY_INPUT, 1;\n"
        "IPT_OUTPUT_ACCESS ACCEPT,filter,OUTPUT,3,MY_OUTPUT,1;\n"
        "IPT_FORWARD_ACCESS LOG_ACCEPT, filter, FORWARD, 1, MY_FORWARD, 1;\n"
        "IPT_DNAT_ACCESS DNAT, nat, prerouting_rule, 1, MY_DNAT, 1;\n"
        "IPT_SNAT_ACCESS SNAT, nat, POSTROUTING, 2, MY_SNAT, 1;\n"
        "IPT_MASQUERADE_ACCESS MASQUERADE, nat, postrouting_rule, 1, MY_MASQUERADE, 1;\n"
        "ENABLE_IPT_OUTPUT Y;\nENABLE_RULE_PREPEND Y;\nENABLE_IPT_COMMENT_CHECK N;\n"
        "FLUSH_IPT_AT_INIT Y;\nFLUSH_IPT_AT_EXIT N;\n"
    )
    assert changed == IptablesSettings(
        IptChain("ACCEPT", "filter", "input_rule", 2, "MY_INPUT"),
        IptChain("ACCEPT", "filter", "OUTPUT", 3, "MY_OUTPUT"),
        IptChain("LOG_ACCEPT", "filter", "FORWARD", 1, "MY_FORWARD"),
        IptChain("DNAT", "nat", "prerouting_rule", 1, "MY_DNAT"),
        IptChain("SNAT", "nat", "POSTROUTING", 2, "MY_SNAT"),
        IptChain("MASQUERADE", "nat", "postrouting_rule", 1, "MY_MASQUERADE"),
        enable_output=True,
        rule_prepend=True,
        flush_at_init=True,
        flush_at_exit=False,
        comment_check=False,
    )


@pytest.mark.parametrize("name", ["ENABLE_IPT_FORWARDING", "ENABLE_IPT_LOCAL_NAT"])
def test_either_kind_of_nat_asks_for_its_chains(name: str) -> None:
    standing = settings(f"{name} Y;").standing()
    assert standing == (Role.DNAT, Role.FORWARD, Role.INPUT)


def test_source_nat_asks_for_its_chains_only_with_forwarding() -> None:
    assert settings("ENABLE_IPT_SNAT Y;").standing() == (Role.INPUT,)
    standing = settings("ENABLE_IPT_SNAT Y;\nENABLE_IPT_FORWARDING Y;").standing()
    assert standing == (Role.DNAT, Role.FORWARD, Role.SNAT, Role.MASQUERADE, Role.INPUT)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ACCEPT, filter, INPUT, 1, FWKNOP_INPUT", "5 fields, not six"),
        ("", "1 fields, not six"),
        ("ACCEPT, filter, INPUT, 0, FWKNOP_INPUT, 1", "no position"),
        ("ACCEPT, filter, INPUT, one, FWKNOP_INPUT, 1", "no position"),
        ("ACCEPT, filter, INPUT, 1, FWKNOP_INPUT, x", "no position"),
        ("ACCEPT, filters, INPUT, 1, FWKNOP_INPUT, 1", "no table"),
        ("ACCEPT, filter, INPUT, 1, FWKNOP-INPUT;, 1", "can't name a chain"),
        ("ACCEPT -m x, filter, INPUT, 1, F, 1", "can't name a chain"),
        (f"ACCEPT, filter, INPUT, 1, {'F' * 29}, 1", "can't name a chain"),
        ("ACCEPT, filter, INPUT, 1, FORWARD, 1", "chain of the kernel"),
        ("DROP, filter, INPUT, 1, FWKNOP_INPUT, 1", "lets nobody in"),
        ("DNAT, filter, INPUT, 1, FWKNOP_INPUT, 1", "does not go with"),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidValue, match=words):
        parse_ipt_chain(text, "IPT_INPUT_ACCESS")


def test_translation_needs_its_own_target() -> None:
    with pytest.raises(InvalidValue, match="does not go with"):
        parse_ipt_chain("ACCEPT, nat, PREROUTING, 1, FWKNOP_PREROUTING, 1", "IPT_DNAT_ACCESS")
    with pytest.raises(InvalidValue, match="does not go with"):
        parse_ipt_chain("DNAT, nat, POSTROUTING, 1, FWKNOP_POSTROUTING, 1", "IPT_SNAT_ACCESS")


def test_a_fault_names_file_line_and_remedy() -> None:
    with pytest.raises(ConfigError) as refused:
        settings("\nIPT_INPUT_ACCESS ACCEPT, filter, INPUT, 1, INPUT, 1;\n")
    (problem,) = refused.value.problems
    assert str(problem).startswith(f"{CONF}:2: IPT_INPUT_ACCESS: INPUT is a chain of the kernel")
    assert "FWKNOP_INPUT" in problem.remedy


@given(st.text(st.sampled_from("ACEPTfiltern,; 01_-\n\"'")))
def test_whatever_is_accepted_is_plain_words_and_numbers(text: str) -> None:
    try:
        chain = parse_ipt_chain(text)
    except InvalidValue:
        return
    for name in (chain.target, chain.table, chain.parent, chain.chain):
        assert name.replace("_", "a").isalnum()
    assert parse_ipt_chain(str(chain)) == chain
