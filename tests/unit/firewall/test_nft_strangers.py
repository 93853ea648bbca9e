"""What nft's listing says of a stranger who never knocked: only what is sure."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwknopd.firewall.nft_first_packet import FirstPacket
from fwknopd.firewall.nft_listing import Ruleset
from fwknopd.firewall.nft_rule_names import How, named
from fwknopd.firewall.nft_strangers import Fate, Judge, Reach
from fwknopd.policy.stanza import Address

DATA = Path(__file__).parents[2] / "data" / "fw4"
MARK = 0x40000000
OURS = "inet fwknopd"
OWN = ip_address("192.168.1.1")
SSH4, SSH6 = (FirstPacket("eth1", version, "tcp", 22) for version in (4, 6))
DNS = FirstPacket("eth1", 4, "udp", 53)


def is_own(address: Address) -> bool:
    return address == OWN


def fate(listing: str, packet: FirstPacket = SSH4) -> Fate:
    return Judge(Ruleset(listing), MARK, OURS, is_own).fate(packet)


def table(*chains: str, name: str = "inet admin") -> str:
    return f"table {name} {{\n{''.join(chains)}}}\n"


def chain(name: str, *rules: str, base: str = "") -> str:
    lines = (f"type {base}", *rules) if base else rules
    inner = "".join(f"\t\t{line}\n" for line in lines)
    return f"\tchain {name} {{\n{inner}\t}}\n"


def guarded(*rules: str, more: str = "", early: str = "") -> str:
    """A chain for input that drops what no rule accepts."""
    return table(
        more, chain("in", *rules, base="filter hook input priority filter; policy drop;"), early
    )


def reach(*rules: str, packet: FirstPacket = SSH4) -> Reach:
    return fate(guarded(*rules), packet).reach


# fw4


@pytest.mark.parametrize(
    ("scenario", "port", "how", "name"),
    [
        ("wan-ssh-rule", 22, How.RULE, "Allow-SSH-WAN"),
        ("redirect", 2222, How.REDIRECT, "ssh-in"),
        ("redirect-to-router", 8443, How.REDIRECT, "https-in"),
    ],
)
def test_what_opens_a_port_of_fw4_is_named(scenario: str, port: int, how: How, name: str) -> None:
    found = fate(listed(scenario), FirstPacket("eth1", 4, "tcp", port))
    assert found.reach is Reach.OPEN
    assert named(found) == (how, name)


@pytest.mark.parametrize(
    "scenario",
    (
        *("default", "default-with-includes", "defaults-drop", "guest-zone", "redirect"),
        *("redirect-to-router", "wan-drop", "wan-log"),
    ),
)
@pytest.mark.parametrize("version", [4, 6])
def test_stock_rules_of_fw4_keep_everybody_out(scenario: str, version: int) -> None:
    for protocol, port in (("tcp", 22), ("tcp", 443), ("udp", 51820)):
        packet = FirstPacket("eth1", version, protocol, port)
        assert fate(listed(scenario), packet).reach is Reach.CLOSED


def test_the_lan_is_open_by_its_zone() -> None:
    found = fate(listed("default"), FirstPacket("br-lan", 4, "tcp", 22))
    assert (found.reach, *named(found)) == (Reach.OPEN, How.ZONE, "lan")


def test_a_rule_with_a_set_of_addresses_is_for_some() -> None:
    found = fate(listed("ipset"))
    assert (found.reach, *named(found)) == (Reach.SOME, How.RULE, "Allow-set")


def test_a_redirect_leads_there() -> None:
    target = fate(listed("redirect"), FirstPacket("eth1", 4, "tcp", 2222)).target
    assert target
    assert (str(target.address), target.port, target.here) == ("192.168.1.100", 22, False)


def listed(scenario: str) -> str:
    return (DATA / scenario / "listed.nft").read_text()


# Rules


def rules_in(text: str) -> list[str]:
    """One a line."""
    return [line.strip() for line in text.strip().splitlines()]


LET_IN = """
    accept
    tcp dport 22 accept
    tcp dport { 21, 22 } counter packets 3 bytes 180 accept
    tcp dport 20-25 accept
    tcp dport != 23 accept
    tcp dport < 1024 accept
    th dport 22 accept
    iifname "eth1" accept
    iifname "eth*" accept
    ct state new accept
    iifname != "br-lan" tcp dport 22 log prefix "x" accept
    meta l4proto { 6, 17 } accept
    ip saddr != 10.0.0.0/8 accept
    ip saddr != { 10.0.0.0/8, 192.168.0.0/16 } accept
    fib daddr type local accept
    tcp flags syn / fin,syn,rst,ack accept
    ip protocol tcp accept
    tcp flags & (fin | syn | rst | ack) == syn accept
    ct direction original accept
    tcp dport vmap { 22 : accept, 23 : drop }
    ct state vmap { new : accept }
    tcp dport 23 drop
    udp dport 22 drop
    ip saddr 203.0.113.0/24 drop
    icmp type echo-request drop
    tcp dport 22 limit rate over 3/minute drop
    ct count over 20 drop
    ct state invalid drop
    add @seen { ip saddr limit rate over 3/minute } drop
    ip6 saddr 2001:db8::/32 drop
    ip daddr 224.0.0.0/4 drop
    iifname "br-lan" drop
    meta mark & 0x40000000 != 0 drop
    meta nfproto ipv6 drop
    tcp flags & (fin | syn) == fin | syn drop
    reject with icmpv6 port-unreachable
    iif "lo" drop
    continue
"""


@pytest.mark.parametrize("rule", rules_in(LET_IN))
def test_rules_that_surely_let_strangers_in(rule: str) -> None:
    assert reach(rule, "tcp dport 22 accept") is Reach.OPEN
    if rule.endswith("accept") or "accept" in rule:
        assert reach(rule) is Reach.OPEN


MAY_LET_IN = """
    ip saddr @some accept
    ip saddr 0.0.0.0/2 accept
    ip saddr != @all accept
    tcp dport @ports accept
    meta hour "08:00"-"17:00" accept
    meta day "Sunday" accept
    meta mark 0x00000001 accept
    ct mark & 0xff == 0x3 accept
    tcp sport 1024-65535 accept
    ether saddr 00:11:22:33:44:55 accept
    ip daddr 198.51.100.1 accept
    limit rate 3/minute accept
    iifname @wans accept
    ip saddr . tcp dport @pairs accept
    meta skuid 0 accept
    ip dscp cs1 accept
    ct count 20 accept
    update @seen { ip saddr } accept
    ether type ip accept
    ip saddr & 0.0.0.1 == 0.0.0.1 accept
    fib saddr . iif oif exists accept
    ip saddr 192.0.0.0/5 accept
    ip saddr 198.0.0.0/8 accept
    ct state & (established|related) == 0 accept
    meta l4proto & 6 == 6 accept
    meta l4proto { udp, * } accept
    socket transparent 0 accept
    socket wildcard 1 accept
    ct count over 0 accept
    limit rate over 1/day burst 1 packets accept
    limit rate over 1/minute burst 2 packets accept
"""


@pytest.mark.parametrize("rule", rules_in(MAY_LET_IN))
def test_rules_that_may_let_some_in(rule: str) -> None:
    assert reach(rule) is Reach.SOME
    assert reach(rule.replace("accept", "drop"), "accept") is Reach.SOME


def test_a_large_part_of_all_addresses_is_somebody() -> None:
    many = "ip6 saddr { 2001::/16, 2400::/12, 2600::/12, 2a00::/12 } accept"
    assert reach(many, packet=SSH6) is Reach.SOME
    assert reach(many.replace("accept", "drop"), "accept", packet=SSH6) is Reach.SOME
    assert reach("ip6 saddr 2001:db8::/32 accept", packet=SSH6) is Reach.CLOSED


KEEP_OUT = """
    ip saddr 203.0.113.7 accept
    ip saddr { 10.0.0.0/8, 203.0.113.1-203.0.113.9 } accept
    tcp dport 2222 accept
    udp dport 22 accept
    iifname "br-lan" accept
    ip6 saddr ::/0 accept
    ct state established,related accept
    ct status dnat accept
    icmp type echo-request accept
    meta mark & 0x40000000 != 0x00000000 accept
    drop
    tcp dport 22 reject
    ip daddr 127.0.0.1 accept
    meta l4proto tcp reject with tcp reset
    tcp dport vmap { 23 : accept }
    return
    meta nfproto ipv6 accept
    ct state vmap { established : accept, invalid : drop }
    fib daddr type broadcast accept
"""


@pytest.mark.parametrize("rule", rules_in(KEEP_OUT))
def test_rules_that_keep_strangers_out(rule: str) -> None:
    assert reach(rule) is Reach.CLOSED


UNREADABLE = """
    ct state ! established,related accept
    tcp flags ! ack accept
    ct state vmap { established : accept, related : accept, * : drop }
    meta l4proto vmap { udp : drop, * : accept }
    jump { accept }
    xt match "recent" accept
    queue to 0
    tcp dport vmap @ports
    jump nowhere
    notrack accept
    meta l4proto . th dport vmap { tcp . 22 : accept }
    synproxy mss 1460
    @th,16,16 22 accept
    jhash ip saddr mod 2 == 0 accept
"""


@pytest.mark.parametrize("rule", rules_in(UNREADABLE))
def test_of_rules_that_cannot_be_read_nothing_is_said(rule: str) -> None:
    assert reach(rule) is Reach.UNKNOWN
    assert reach(rule, "accept") is Reach.UNKNOWN
    assert reach("tcp dport 22 accept", rule) is Reach.OPEN, "it does not get that far"


def test_what_is_for_one_kind_of_packets_alone_is_met_by_no_other() -> None:
    assert reach("reject with tcp reset", "accept", packet=DNS) is Reach.OPEN
    assert reach("reject with icmp port-unreachable", "accept", packet=SSH6) is Reach.OPEN
    assert reach("reject with icmp port-unreachable", "accept") is Reach.CLOSED


def test_floods_are_no_strangers() -> None:
    flood = chain("flood", "limit rate 25/second burst 50 packets return", "drop")
    jump = "tcp flags syn / fin,syn,rst,ack jump flood"
    assert fate(guarded(jump, "tcp dport 22 accept", more=flood)).reach is Reach.OPEN
    assert fate(guarded(jump, more=flood)).reach is Reach.CLOSED


def test_chains_are_left_as_the_kernel_does() -> None:
    one = chain("one", "tcp dport 22 return", "accept")
    assert fate(guarded("jump one", "accept", more=one)).reach is Reach.OPEN
    assert fate(guarded("goto one", "accept", more=one)).reach is Reach.CLOSED
    assert (
        fate(guarded("jump one", more=one), FirstPacket("eth1", 4, "tcp", 23)).reach is Reach.OPEN
    )


def test_every_table_has_to_let_them_in() -> None:
    first, accepts = guarded("tcp dport 22 accept"), guarded("accept").replace("admin", "other")
    assert fate(first + accepts).reach is Reach.OPEN
    assert fate(first + guarded("drop").replace("admin", "other")).reach is Reach.CLOSED
    bridge = guarded("ip saddr 1.2.3.4 drop", "accept").replace("inet admin", "bridge x")
    assert fate(first + bridge).reach is Reach.OPEN
    odd = guarded("tcp dport 22 drop", "accept").replace("inet admin", "netdev x")
    assert (
        fate(first + odd.replace("hook input", 'hook ingress device "eth0"')).reach is Reach.UNKNOWN
    )


def test_our_own_table_lets_in_nobody_who_did_not_knock() -> None:
    ours = guarded("meta mark set meta mark | 0x40000000", "accept").replace("inet admin", OURS)
    early = ours.replace("priority filter;", "priority filter - 10;")
    assert (
        fate(early + guarded("meta mark & 0x40000000 != 0x00000000 accept")).reach is Reach.CLOSED
    )


def test_a_mark_that_somebody_sets_may_be_ours() -> None:
    accept = "meta mark & 0x40000000 != 0x00000000 accept"
    assert reach("meta mark set 0x40000000", accept) is Reach.SOME
    assert reach("meta mark set meta mark | 0x00000001", accept) is Reach.CLOSED


def test_without_rules_nothing_is_refused() -> None:
    assert fate("") == Fate(Reach.OPEN)
    assert named(fate("")) == (How.NOTHING, "")
    found = fate(table(chain("in", base="filter hook input priority filter; policy accept;")))
    assert named(found) == (How.POLICY, "inet admin in")


def test_of_iptables_less_is_listed_than_it_asks_for() -> None:
    legacy = (
        guarded("tcp dport 22 accept").replace("inet admin", "ip filter").replace(" in ", " INPUT ")
    )
    assert fate(legacy).reach is Reach.SOME
    assert fate(legacy, DNS).reach is Reach.CLOSED


# Translations


def led(rule: str, *forward: str, packet: FirstPacket = SSH4, here: tuple[str, ...] = ()) -> Fate:
    nat = chain("dnat", rule, base="nat hook prerouting priority dstnat; policy accept;")
    through = chain("fwd", *forward, base="filter hook forward priority filter; policy drop;")
    return fate(guarded(*here, early=nat + through), packet)


def test_translations_are_followed() -> None:
    to_host, accept = "tcp dport 22 dnat ip to 192.168.1.9:2222", "ct status dnat accept"
    assert led(to_host, accept).reach is Reach.OPEN
    assert led(to_host, "ip daddr 192.168.1.9 tcp dport 2222 accept").reach is Reach.OPEN
    assert led(to_host, "tcp dport 22 accept").reach is Reach.CLOSED
    assert led(to_host, accept, packet=SSH6).reach is Reach.CLOSED, "IPv4 alone"
    assert led(to_host, 'oifname "br-lan" accept').reach is Reach.SOME
    assert led("redirect to :2222", here=("tcp dport 2222 accept",)).reach is Reach.OPEN
    assert led("dnat ip to 192.168.1.1:80", here=("tcp dport 80 accept",)).reach is Reach.OPEN
    # It may have the router's own address in it.
    assert led("dnat to 192.168.1.9-192.168.1.12", accept, here=(accept,)).reach is Reach.SOME
    assert led("ip saddr @some dnat ip to 192.168.1.9", accept).reach is Reach.SOME
    assert (
        led("ip saddr @some dnat ip to 192.168.1.9", accept, here=("accept",)).reach is Reach.OPEN
    )


def test_what_is_led_to_where_it_goes_anyway_may_be_no_translation_to_the_kernel() -> None:
    accept = "ct status dnat accept"
    for rule in ("redirect to :22", "redirect", "dnat ip to 192.168.1.1:22", "dnat to 192.168.1.1"):
        assert led(rule, accept, here=(accept,)).reach is Reach.SOME, rule
    assert led("redirect to :2222", here=(accept,)).reach is Reach.OPEN


def test_a_map_may_lead_nobody() -> None:
    accept = "ct status dnat accept"
    for to in ("ip to tcp dport map { 8080 : 192.168.1.9 }", "ip to ip saddr map @some"):
        assert led(f"dnat {to}", accept, here=(accept,)).reach in (Reach.SOME, Reach.UNKNOWN), to
    found = led("redirect to :tcp dport map { 8080 : 22 }", here=("tcp dport 22 accept",))
    assert found.reach in (Reach.SOME, Reach.UNKNOWN)


def test_a_table_that_is_dormant_does_nothing() -> None:
    dormant = guarded().replace("table inet admin {", "table inet admin {\n\tflags dormant\n")
    assert fate(dormant).reach is Reach.OPEN


@pytest.mark.parametrize("verdict", ["accept", "drop"])
def test_a_chain_without_a_name_is_not_its_neighbour(verdict: str) -> None:
    other = {"accept": "drop", "drop": "accept"}[verdict]
    inside = f"\t\tudp dport 53 jump {{\n\t\t\t{verdict}\n\t\t}}\n"
    rules = guarded("tcp dport 23 accept", other).replace("\t\ttcp dport 23 accept\n", inside)
    assert fate(rules).reach is {"drop": Reach.CLOSED, "accept": Reach.OPEN}[other]
    assert fate(rules, DNS).reach is Reach.UNKNOWN


@pytest.mark.parametrize("hook", ["output", "postrouting"])
def test_nothing_is_sure_where_answers_may_be_stopped(hook: str) -> None:
    def out(*rules: str) -> Fate:
        base = f"filter hook {hook} priority filter; policy accept;"
        return fate(guarded("accept", early=chain("out", *rules, base=base)))

    assert out('oif "lo" accept', 'counter comment "we drop"').reach is Reach.OPEN
    assert out("tcp sport 22 drop").reach is Reach.UNKNOWN
    answers = "ct state vmap { established : accept, related : accept }"
    known = Reach.OPEN if hook == "output" else Reach.UNKNOWN
    assert out(answers, "reject").reach is known
    closed = fate(
        guarded("drop", early=chain("out", "drop", base=f"filter hook {hook} priority 0;"))
    )
    assert closed.reach is Reach.CLOSED


def test_before_conntrack_no_state_is_known() -> None:
    for state, verdict in (("invalid", "drop"), ("new", "drop"), ("new", "accept")):
        base = "filter hook prerouting priority raw; policy accept;"
        early = chain("raw", f"ct state {state} {verdict}", base=base)
        found = fate(guarded("accept", early=early)).reach
        assert found is (Reach.OPEN if verdict == "accept" else Reach.SOME), state


def test_the_first_translation_counts() -> None:
    nat = "nat hook prerouting priority {}; policy accept;"
    early = chain("a", "dnat ip to 192.168.1.9:22", base=nat.format("dstnat - 5"))
    late = chain("b", "redirect to :80", base=nat.format("dstnat"))
    through = chain("fwd", "accept", base="filter hook forward priority filter; policy drop;")
    found = fate(guarded(early=early + late + through))
    assert found.reach is Reach.OPEN
    assert found.rule.startswith("dnat ip")


# Anything

WORDS = st.sampled_from(
    (
        *("tcp dport 22", "ip saddr @x", "ct state new", "meta mark set", "0x", "vmap {", "}"),
        *("accept", "drop", "jump one", "goto in", "iifname", '"eth1"', ": accept", "&", "010"),
        *("dnat ip to", "redirect to :", "99999999", "limit rate", "add @x {", "tcp flags", "/"),
        *("fib", "1.2.3", ",", "!=", "meta mark 01", "tcp dport < 022", "ip daddr 1-"),
    )
)
RULES = st.lists(st.lists(WORDS | st.text(max_size=4), max_size=5).map(" ".join), max_size=6)


@given(RULES, st.sampled_from([SSH4, SSH6, DNS]))
def test_any_rules_are_judged_and_nobody_passes_a_drop(
    rules: list[str], packet: FirstPacket
) -> None:
    lines = [" ".join(rule.split()) for rule in rules]
    assert fate(guarded(*lines), packet).reach in Reach
    assert fate(guarded("drop", *lines), packet).reach is Reach.CLOSED
    assert fate(guarded("accept", *lines), packet).reach is Reach.OPEN


@given(RULES)
def test_a_rule_for_one_address_changes_nothing_for_strangers(rules: list[str]) -> None:
    lines = [" ".join(rule.split()) for rule in rules]
    without, beside = guarded(*lines), guarded("ip saddr 203.0.113.5 accept", *lines)
    assert fate(without).reach is fate(beside).reach
