"""Reading from nft's listing whether marked packets get in, and who else uses the mark."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwknopd.firewall.nft_judging import Ways, guards_input, judge

DATA = Path(__file__).parents[2] / "data"
MARK = 0x40000000
RULE = "meta mark & 0x40000000 != 0 accept"
WAYS = Ways(MARK, ["eth1"])
HERE_ONLY = Ways(MARK, ["eth1"], forwards=False)


def recorded(scenario: str) -> str:
    """What nft listed after fw4 had loaded its rules."""
    return (DATA / "fw4" / scenario / "listed.nft").read_text()


def admins(name: str, first_in: dict[str, str] | None = None) -> str:
    """An admin's ruleset, with a rule added at the head of some chains' rules."""
    text = (DATA / "nftables" / f"{name}.nft").read_text()
    for chain, rule in (first_in or {}).items():
        head, _, rest = text.partition(f"\tchain {chain} {{\n")
        base, _, rules = rest.partition("\n") if "type filter hook" in rest[:40] else ("", "", rest)
        lines = [f"{base}\n"] if base else []
        text = "".join([head, f"\tchain {chain} {{\n", *lines, f"\t\t{rule}\n", rules])
    return text


def chain(*rules: str, base: str = "type filter hook input priority filter; policy drop;") -> str:
    """A table with one chain, as nft lists it."""
    lines = "".join(f"\t\t{rule}\n" for rule in (base, *rules))
    return f"table inet filter {{\n\tchain input {{\n{lines}\t}}\n}}\n"


# fw4


def test_fw4_with_this_packages_includes_is_ready() -> None:
    diagnosis = judge(recorded("default-with-includes"), WAYS)
    assert diagnosis.ready
    assert diagnosis.detail.startswith("the chains inet fw4 input and inet fw4 forward accept")
    assert diagnosis.warnings == ()


@pytest.mark.parametrize(
    "scenario", ["default", "defaults-drop", "guest-zone", "redirect", "wan-drop", "wan-log"]
)
def test_fw4_without_them_is_told_the_files(scenario: str) -> None:
    diagnosis = judge(recorded(scenario), WAYS)
    assert not diagnosis.ready
    for name in ("input", "forward"):
        assert f"chain-pre/{name}/20-fwknopd.nft" in diagnosis.detail
    assert "fw4 reload" in diagnosis.detail


def test_the_way_through_the_router_is_only_judged_where_it_is_used() -> None:
    with_input = recorded("default-with-includes").replace("\tchain forward", "\tchain away", 1)
    text = recorded("default").partition("\tchain forward")[2]
    only_input = with_input.partition("\tchain away")[0] + "\tchain forward" + text
    assert judge(only_input, HERE_ONLY).ready
    through = judge(only_input, WAYS)
    assert not through.ready
    assert "chain-pre/forward" in through.detail
    assert "chain-pre/input" not in through.detail


def test_another_mark_than_the_files_name_is_told_with_both_remedies() -> None:
    diagnosis = judge(recorded("default-with-includes"), Ways(0x20000000, ["eth1"]))
    assert not diagnosis.ready
    assert "accepts mark 0x40000000, not 0x20000000" in diagnosis.detail
    assert "set the option mark to 0x40000000 and restart" in diagnosis.detail
    assert "write 0x20000000 into /usr/share/nftables.d/chain-pre/input" in diagnosis.detail


OURS = '\t\tmeta mark & 0x40000000 != 0x00000000 accept comment "!fwknopd: opened by a knock"\n'


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ('iifname "eth1" drop', 'iifname "eth1" drop'),
        ("ct state vmap { new : drop }", "ct state vmap { new : drop }"),
        ("return", "policy drop"),
        ("goto input_wan", "reject"),
    ],
)
def test_an_include_behind_what_refuses_is_no_missing_one(rule: str, told: str) -> None:
    """In a file of /usr/share/nftables.d/chain-pre/input whose name comes first."""
    assert recorded("default-with-includes").count(OURS) == 2
    text = recorded("default-with-includes").replace(OURS, f"\t\t{rule}\n{OURS}", 1)
    diagnosis = judge(text, WAYS)
    assert not diagnosis.ready
    assert f"fw4's input chain refuses packets (`{told}" in diagnosis.detail
    assert "chain-pre/input/20-fwknopd.nft has to hold `meta mark" in diagnosis.detail
    assert "forward" not in diagnosis.detail
    assert "is there" not in diagnosis.detail


def test_an_include_for_other_devices_is_told_as_such() -> None:
    ours = OURS.replace("meta mark &", 'iifname "eth2" meta mark &')
    diagnosis = judge(recorded("default-with-includes").replace(OURS, ours, 1), WAYS)
    assert "or does not accept it always" in diagnosis.detail


def test_a_device_outside_all_zones_needs_the_mark_too() -> None:
    ways = Ways(MARK, ["wg7"])
    assert not judge(recorded("default"), ways).ready
    assert judge(recorded("default-with-includes"), ways).ready


# The admin's own chains


@pytest.mark.parametrize(
    ("name", "chains"),
    [
        ("debian", ("inet filter input", "inet filter forward")),
        ("nixos", ("inet nixos-fw input", "inet nixos-fw forward")),
    ],
)
def test_each_chain_that_lacks_the_rule_is_named(name: str, chains: tuple[str, str]) -> None:
    here, through = chains
    diagnosis = judge(admins(name), WAYS)
    assert not diagnosis.ready
    for title in chains:
        assert f"the chain {title} refuses what no rule accepts (policy drop)" in diagnosis.detail
    assert f"put `meta mark & {MARK:#010x} != 0 accept` first" in diagnosis.detail
    only_input = judge(admins(name), HERE_ONLY)
    assert here in only_input.detail
    assert through not in only_input.detail
    # Not what has nothing to do with new connections to this machine.
    assert "rpfilter" not in diagnosis.detail
    assert "output" not in diagnosis.detail


@pytest.mark.parametrize(
    ("name", "first_in"),
    [
        ("debian", {"input": RULE, "forward": RULE}),
        ("nixos", {"input": RULE, "forward": RULE}),
        # Where networking.firewall.extraInputRules go.
        ("nixos", {"input-allow": RULE, "forward-allow": RULE}),
    ],
)
def test_with_the_rule_all_is_well(name: str, first_in: dict[str, str]) -> None:
    diagnosis = judge(admins(name, first_in), WAYS)
    assert diagnosis.ready
    assert diagnosis.warnings == ()


def test_one_chain_with_the_rule_does_not_help_another() -> None:
    diagnosis = judge(admins("debian", {"input": RULE}), WAYS)
    assert "inet filter input" not in diagnosis.detail
    assert "inet filter forward" in diagnosis.detail


@pytest.mark.parametrize(
    "rule",
    [
        "meta mark & 0x40000000 != 0x00000000 accept",
        "meta mark and 0x40000000 != 0 accept",
        "meta mark & 0x40000000 == 0x40000000 accept",
        'meta mark & 0x40000000 != 0x00000000 accept comment "anything"',
        "meta mark & 0x40000000 != 0x00000000 counter packets 3 bytes 180 accept",
        'iifname "eth1" meta mark & 0x40000000 != 0x00000000 accept',
        'iifname { "eth1", "wan" } ct state new meta mark & 0x40000000 != 0x00000000 accept',
        'iifname "eth*" accept',
        "meta mark & 0xc0000000 != 0x00000000 accept",
        "ct state vmap { established : accept, new : accept }",
        'iifname vmap { "lo" : accept, "eth1" : accept }',
        "ct state != established,related accept",
    ],
)
def test_rules_that_let_marked_packets_in(rule: str) -> None:
    assert judge(chain(rule), HERE_ONLY).ready


@pytest.mark.parametrize(
    "rule",
    [
        "",
        "meta mark & 0x40000000 != 0x00000000 drop",
        "meta mark & 0x40000000 == 0x00000000 accept",
        "meta mark & 0x20000000 != 0x00000000 accept",
        "meta mark & 0xc0000000 == 0xc0000000 accept",
        'iifname "br-lan" meta mark & 0x40000000 != 0x00000000 accept',
        'iifname != "eth1" meta mark & 0x40000000 != 0x00000000 accept',
        "meta mark & 0x40000000 != 0x00000000 tcp dport 22 accept",
        "meta nfproto ipv4 meta mark & 0x40000000 != 0x00000000 accept",
        "ct state established meta mark & 0x40000000 != 0x00000000 accept",
        "ct mark & 0x40000000 == 0x40000000 accept",
        'drop comment "meta mark & 0x40000000 != 0 accept"',
        'log prefix "meta mark & 0x40000000 != 0 accept"',
        "ct state vmap { established : accept, related : accept }",
        "tcp dport vmap { 22 : accept }",
        "jump nowhere",
    ],
)
def test_rules_that_do_not(rule: str) -> None:
    diagnosis = judge(chain(rule), HERE_ONLY)
    assert not diagnosis.ready
    assert "inet filter input" in diagnosis.detail


def test_a_rule_that_comes_too_late_is_told_as_such() -> None:
    open_policy = "type filter hook input priority filter; policy accept;"
    late = judge(chain("reject", RULE, base=open_policy), HERE_ONLY)
    assert "too late or not always" in late.detail
    assert judge(chain(RULE, "reject", base=open_policy), HERE_ONLY).ready


def test_what_refuses_only_some_is_no_guard() -> None:
    rules = ("ip saddr @blocked drop", "tcp flags syn limit rate over 9/second drop")
    open_policy = "type filter hook input priority filter; policy accept;"
    diagnosis = judge(chain(*rules, base=open_policy), HERE_ONLY)
    assert diagnosis.ready
    assert "no chain of nftables refuses" in diagnosis.detail
    assert judge("", HERE_ONLY).ready


def test_a_chain_before_ours_cant_know_the_mark() -> None:
    early = "type filter hook input priority mangle; policy drop;"
    diagnosis = judge(chain(RULE, base=early), HERE_ONLY)
    assert not diagnosis.ready
    assert "before fwknopd can mark them" in diagnosis.detail


def test_a_chain_of_iptables_needs_the_rule_too() -> None:
    listing = """\
table ip filter {
	chain INPUT {
		type filter hook input priority filter; policy drop;
		ct state related,established counter packets 0 bytes 0 accept
		counter packets 5 bytes 300 jump ufw-user-input
	}
	chain ufw-user-input {
	}
}
"""
    assert "ip filter INPUT" in judge(listing, HERE_ONLY).detail
    rule = "meta mark & 0x40000000 == 0x40000000 counter packets 0 bytes 0 accept"
    with_rule = listing.replace(
        "\tchain ufw-user-input {\n", f"\tchain ufw-user-input {{\n\t\t{rule}\n"
    )
    assert judge(with_rule, HERE_ONLY).ready


def test_a_chain_that_jumps_in_circles_is_survived() -> None:
    text = chain("jump input", "drop")
    assert not judge(text, HERE_ONLY).ready


def test_a_huge_ruleset_is_judged_in_time() -> None:
    """Whoever asks for the status waits for it, and the daemon with him."""
    listing = chain(*(f"ip saddr 10.0.{n >> 8}.{n & 255} tcp dport 22 drop" for n in range(10000)))
    started = time.process_time()
    assert not judge(listing, WAYS).ready
    assert time.process_time() - started < 5


WORDS = (
    *("meta mark", "ct mark", "set", "&", "0x40000000", "!=", "0", "|", "(", "jump input", "goto"),
    *("accept", "drop", "reject", "return", "iifname", '"eth1"', "{ lo, eth1 }", "vmap", "{", "}"),
    *("ct state", "new", "counter packets 1 bytes 2", "log prefix", '"a { b"', "comment", "x"),
)
RULES = st.lists(st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join), max_size=6)


@given(RULES)
def test_whatever_the_rules_a_judgement_comes_of_them(rules: list[str]) -> None:
    for base in ("type filter hook input priority filter; policy drop;", BETWEEN, OPEN, ""):
        diagnosis = judge(chain(*rules, base=base), WAYS)
        assert diagnosis.detail


@given(st.text(alphabet='tablechin xf{}\n\t;"@', max_size=200))
def test_whatever_the_text_a_judgement_comes_of_it(text: str) -> None:
    assert judge(text, WAYS).detail


# Who else uses the bit


OPEN = "type filter hook prerouting priority mangle; policy accept;"


def clash(rule: str, base: str = OPEN) -> tuple[bool, tuple[str, ...]]:
    """Readiness and warnings, with fw4's rules and this rule in a table of its own."""
    theirs = chain(rule, base=base).replace("inet filter", "inet theirs")
    diagnosis = judge(recorded("default-with-includes") + theirs, WAYS)
    return diagnosis.ready, diagnosis.warnings


@pytest.mark.parametrize(
    "rule",
    [
        "meta mark set 0x40000000",
        "meta mark set meta mark | 0x40000000",
        'iifname "br-lan" meta mark set mark or 0xc0000000',
        "counter packets 0 bytes 0 meta mark set meta mark & 0xff00ffff | 0x40010000",
        "ct mark set ct mark | 0x40000000",
    ],
)
def test_who_sets_the_bit_is_warned_of(rule: str) -> None:
    ready, (warning,) = clash(rule)
    assert ready
    assert rule in warning
    assert "inet theirs input" in warning
    assert "option mark" in warning


@pytest.mark.parametrize(
    "rule",
    [
        "meta mark & 0x40000000 == 0x40000000 drop",
        "meta mark & 0xf0000000 != 0x00000000 jump theirs",
        "meta mark 0x40000000 return",
        "ct mark & 0x40000000 == 0x40000000 meta priority set 1:1",
    ],
)
def test_who_asks_for_the_bit_is_warned_of(rule: str) -> None:
    ready, (warning,) = clash(rule)
    assert ready
    assert rule in warning
    assert "asks for mark 0x40000000" in warning


@pytest.mark.parametrize(
    "rule",
    [
        # mwan3, policy based routing, WireGuard.
        "meta mark set meta mark & 0xffffc0ff | 0x00000100",
        "meta mark set mark and 0xff00ffff xor 0x10000",
        "meta mark & 0x00ff0000 == 0x00010000 accept",
        "meta l4proto udp meta mark 0x0000ca6c ct mark set meta mark",
        "meta l4proto udp meta mark set ct mark",
        "ct mark set meta mark & 0x00003f00",
    ],
)
def test_who_leaves_the_bit_alone_is_not(rule: str) -> None:
    assert clash(rule) == (True, ())


POSTROUTING = "type filter hook postrouting priority mangle; policy accept;"
AFTER = "type filter hook forward priority filter + 1; policy accept;"
BEFORE = "type filter hook forward priority mangle; policy accept;"


def both(restores: str, saves: str, where: str = POSTROUTING, table: str = "inet theirs") -> str:
    """Rules that restore marks in a chain EARLY and save them in a chain LATE."""
    early = chain(restores, base=OPEN).replace("input", "EARLY").removesuffix("}\n")
    late = chain(saves, base=where).replace("chain input", "chain LATE").partition("\n")[2]
    return recorded("default-with-includes") + (early + late).replace("inet filter", table)


@pytest.mark.parametrize("where", [POSTROUTING, AFTER])
@pytest.mark.parametrize(
    ("restores", "saves"),
    [
        ("meta mark set ct mark", "ct mark set meta mark"),
        ("meta mark set ct mark & 0xff000000", "counter packets 0 bytes 0 ct mark set mark"),
        (
            'iifname "eth1" ct mark != 0x0 meta mark set ct mark',
            "ct mark set meta mark & 0xf0000000",
        ),
        ("mark set mark or ct mark", "meta mark != 0x00000000 ct mark set meta mark"),
    ],
)
def test_who_gives_the_bit_back_is_warned_of(restores: str, saves: str, where: str) -> None:
    diagnosis = judge(both(restores, saves, where), WAYS)
    (warning,) = diagnosis.warnings
    assert diagnosis.ready
    assert f"`{restores}` in inet theirs EARLY gives packets the mark of their" in warning
    assert f"`{saves}` in inet theirs LATE may have kept 0x40000000" in warning


@pytest.mark.parametrize(
    ("restores", "saves", "where"),
    [
        # Only other bits come back, or are kept.
        ("meta mark set ct mark & 0x00003f00", "ct mark set meta mark", POSTROUTING),
        ("meta mark set ct mark", "ct mark set meta mark & 0x00003f00", POSTROUTING),
        # wg-quick, whose packets have another mark.
        ("meta mark set ct mark", "meta mark 0x0000ca6c ct mark set meta mark", POSTROUTING),
        # There we have not marked anything yet.
        ("meta mark set ct mark", "ct mark set meta mark", BEFORE),
        ("meta mark set ct mark", "ct mark set meta mark", OPEN),
        ("meta mark set 0x00000100", "ct mark set meta mark", POSTROUTING),
    ],
)
def test_who_can_not_give_the_bit_back_is_not(restores: str, saves: str, where: str) -> None:
    assert judge(both(restores, saves, where), WAYS).warnings == ()


def test_a_mask_of_iptables_is_respected() -> None:
    saves = "counter packets 0 bytes 0 ct mark set mark"
    for restores, count in (("meta mark set ct mark and 0x3f00", 0), ("meta mark set ct mark", 1)):
        assert len(judge(both(restores, saves, table="ip mangle"), WAYS).warnings) == count


def test_our_own_rules_are_no_clash() -> None:
    ours = chain("meta mark set meta mark | 0x40000000").replace("inet filter", "inet fwknopd")
    assert judge(recorded("default-with-includes") + ours, WAYS).warnings == ()


def test_a_rule_of_what_leaves_this_machine_is_no_clash() -> None:
    output = "type route hook output priority mangle; policy accept;"
    assert clash("meta mark set 0x40000000", base=output) == (True, ())


BETWEEN = "type filter hook input priority filter - 5; policy accept;"


@pytest.mark.parametrize(
    "rule", ["meta mark set 0x00000001", "meta mark set ct mark", "meta mark set numgen inc mod 2"]
)
def test_who_takes_the_mark_away_before_fw4_sees_it_is_told(rule: str) -> None:
    theirs = chain(rule, base=BETWEEN).replace("inet filter", "inet theirs")
    diagnosis = judge(recorded("default-with-includes") + theirs, WAYS)
    assert not diagnosis.ready
    assert f"`{rule}` in inet theirs input takes away mark 0x40000000" in diagnosis.detail
    assert "option mark" in diagnosis.detail


def test_who_takes_it_away_from_some_packets_is_warned_of() -> None:
    rule = "ip saddr 10.0.0.0/8 meta mark set 0x00000001"
    theirs = chain(rule, base=BETWEEN).replace("inet filter", "inet theirs")
    diagnosis = judge(recorded("default-with-includes") + theirs, WAYS)
    assert diagnosis.ready
    (warning,) = diagnosis.warnings
    assert f"the rule `{rule}` in inet theirs input takes mark" in warning
    assert "from some packets" in warning


@pytest.mark.parametrize(
    ("rule", "base"),
    [
        ("meta mark set meta mark | 0x00000001", BETWEEN),
        ("meta mark set 0x00000001", OPEN),
        ("meta mark set 0x00000001", BETWEEN.replace("- 5", "+ 5")),
        ('iifname "br-lan" meta mark set 0x00000001', BETWEEN),
        ("meta mark set ct mark and 0x3f00", BETWEEN.replace("input", "forward")),
    ],
)
def test_who_sets_other_bits_or_at_other_times_is_not(rule: str, base: str) -> None:
    theirs = chain(rule, base=base).replace("chain input", "chain FORWARD")
    theirs = theirs.replace("inet filter", "ip mangle")
    assert judge(recorded("default-with-includes") + theirs, WAYS).ready


# Whose firewall this is


def test_rules_of_nft_guard_and_those_of_iptables_do_not() -> None:
    assert guards_input(admins("debian"), MARK)
    assert guards_input(admins("nixos"), MARK)
    assert guards_input(recorded("default"), MARK)
    assert not guards_input("", MARK)
    of_iptables = chain().replace("inet filter", "ip filter").replace("chain input", "chain INPUT")
    assert not guards_input(of_iptables, MARK)
    told = chain(RULE, base="type filter hook input priority filter; policy accept;")
    assert guards_input(told, MARK)
