"""What is said of strangers, beside strangers who try: rules of fw4, of admins, and at random."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import suppress
from ipaddress import ip_address
from itertools import count, product
from pathlib import Path
from socket import if_indextoname

import pytest

from fwknopd.firewall import FirewallError, exposure, nft_process
from fwknopd.firewall.default_routes import default_devices
from fwknopd.firewall.exposure import Exposure, Found, exposed
from fwknopd.firewall.nft_first_packet import FirstPacket
from fwknopd.firewall.nft_listing import Ruleset
from fwknopd.firewall.nft_strangers import Judge, Reach
from fwknopd.policy.stanza import Address
from fwknopd.spa.request import PortSpec, Protocol
from tests.netns.conftest import (
    CLIENT,
    GUEST,
    HOST,
    PORTS,
    ROUTER,
    ROUTER6,
    ROUTER_LAN,
    STRANGER,
    STRANGER6,
    Site,
)
from tests.netns.fw4_rulesets import router_ruleset
from tests.netns.guarded_host import guarded_host
from tests.netns.probes import arrives, connect, udp_server
from tests.netns.serving import ACCESS, ask, knock, serving

pytestmark = [pytest.mark.root, pytest.mark.nft]

MARK = 0x40000000
SURE = (Reach.OPEN, Reach.CLOSED)
RULESETS = 7
"""At random; each is one run of nft to load it, one to list it, and six connections."""

OWN = frozenset(map(ip_address, (ROUTER, ROUTER6, ROUTER_LAN)))
REFUSED = "reject with tcp reset"

# Statements with what they ask for; of some nobody can know whether a packet meets them. nft
# 1.0.6 lists no `ether type` that stands before a reject, so there is none here.
ASKED = (
    *("tcp dport 22", "tcp dport != 22", "tcp dport { 22, 2222 }", "tcp dport 2000-9000"),
    *("tcp dport >= 2222", "th dport 8080", "udp dport 22", "meta l4proto tcp", "meta l4proto udp"),
    *("meta l4proto { tcp, udp } th dport 22", "ip protocol tcp", "tcp flags syn"),
    *("tcp flags & (fin | syn | rst | ack) == syn", "tcp flags & (fin | syn) == fin | syn"),
    *("tcp flags != syn / fin,syn,rst,ack", "tcp flags fin,rst / fin,rst"),
    *('iifname "eth1"', 'iifname != "eth1"', 'iifname "br-*"', 'iifname { "eth1", "br-lan" }'),
    *('iif "lo"', 'iif "eth1"', "ct state new", "ct state established,related", "ct state invalid"),
    *("ct state { new, untracked }", "ct status dnat", "ct direction original"),
    *("meta nfproto ipv4", "meta nfproto ipv6", "ip saddr 203.0.113.0/24", "ip saddr 10.0.0.0/8"),
    *("ip saddr != 203.0.113.0/24", "ip6 saddr fe80::/10", "ip6 saddr 2000::/3"),
    *("ip saddr { 203.0.113.1, 192.168.0.0/16 }", "ip saddr @listed", "ip saddr != @listed"),
    *("ip daddr 224.0.0.0/4", f"ip daddr {HOST}", "ip6 daddr ff00::/8", "fib daddr type local"),
    *("fib daddr type broadcast", "fib saddr . iif oif missing", "limit rate 100/second"),
    *(
        "limit rate over 1000/second burst 500 packets",
        "ct count over 1000",
        f"meta mark & {MARK:#x} != 0",
    ),
    *("meta mark 0x1", "ct mark 0x2", 'meta day "Sunday"', "ip dscp cs1", "ip ttl > 1"),
    *("icmp type echo-request", "icmpv6 type echo-request", "tcp sport >= 1024"),
    *('log prefix "x: "', "counter", "meta pkttype unicast", "tcp option maxseg size 1-1400"),
    *(
        "add @seen { ip saddr limit rate over 1000/second burst 500 packets }",
        "update @seen { ip saddr }",
    ),
    *("ip saddr . tcp dport { 203.0.113.9 . 22 }", f"meta mark set meta mark | {MARK:#x}"),
    *("meta mark set 0x1", "meta mark set meta mark & 0xbfffffff", "ct mark set 0x1"),
)
ENDS = ("accept", REFUSED, "return", "jump one", "jump two", "goto two", "counter", "continue")
MAPS = (
    f"tcp dport vmap {{ 22 : accept, 2222 : jump two, 8080 : {REFUSED.split()[0]} }}",
    "ct state vmap { established : accept, related : accept, invalid : drop }",
    'iifname vmap { "eth1" : jump one, "br-lan" : accept }',
    "meta l4proto vmap { udp : accept, tcp : goto two }",
)
SETS = """
	set listed {
		type ipv4_addr
		elements = { 203.0.113.77 }
	}
	set seen {
		type ipv4_addr
		size 1000
		flags dynamic,timeout
		timeout 1m
	}
"""
TRANSLATIONS = (
    *(f"ip daddr {ROUTER} tcp dport 22 dnat ip to {HOST}:22", f"dnat ip to {HOST}"),
    *("redirect to :8080", f"dnat ip to {ROUTER_LAN}:2222", f"dnat ip to {HOST}:8080-8081"),
)


def is_own(address: Address) -> bool:
    return address in OWN


def judge_of(listing: str) -> Judge:
    return Judge(Ruleset(listing), MARK, "inet fwknopd", is_own)


def listed(site: Site) -> str:
    return site.router.run("nft", "-t", "list", "ruleset")


def random_ruleset(draw: random.Random) -> str:
    """Chains that lead to each other, as no sane person would write them."""

    def rule(ends: tuple[str, ...]) -> str:
        if draw.random() < 0.1 and "jump one" in ends:
            return draw.choice(MAPS)
        asked = draw.sample(ASKED, draw.choice((0, 1, 1, 2)))
        return " ".join((*asked, draw.choice(ends)))

    def rules(ends: tuple[str, ...]) -> str:
        return "".join(f"\t\t{rule(ends)}\n" for _ in range(draw.randint(0, 4)))

    def base(hook: str, priority: str, ends: tuple[str, ...]) -> str:
        policy = draw.choice(("accept",) * 9 + ("drop",))
        last = draw.choice((f"\t\t{REFUSED}\n", "")) if hook != "prerouting" else ""
        policy = "accept" if hook == "prerouting" else policy if last == "" else "drop"
        head = f"type filter hook {hook} priority {priority}; policy {policy};"
        # What every firewall has, or no connection would last, and no neighbour be found.
        known = "\t\tct state established,related accept\n\t\tmeta l4proto ipv6-icmp accept\n"
        return f"\tchain {hook}_{priority} {{\n\t\t{head}\n{known}{rules(ends)}{last}\t}}\n"

    def translation() -> str:
        asked = draw.sample(ASKED[:40], draw.choice((0, 1)))
        return " ".join((*asked, draw.choice(TRANSLATIONS)))

    translated = "".join(f"\t\t{translation()}\n" for _ in range(draw.choice((0, 0, 1, 2))))
    last = ("accept", REFUSED, "return", "counter")
    return (
        "flush ruleset\ntable inet filter {\n"
        f"{SETS}"
        f"\tchain two {{\n{rules(last)}\t}}\n"
        f"\tchain one {{\n{rules(('jump two', *last))}\t}}\n"
        f"{base('input', 'filter', ENDS)}{base('forward', 'filter', ENDS)}"
        f"{base('input', 'mangle', ENDS) if draw.random() < 0.3 else ''}"
        "\tchain dstnat {\n\t\ttype nat hook prerouting priority dstnat; policy accept;\n"
        f"{translated}\t}}\n}}\n"
    )


def load_any(site: Site, draw: random.Random) -> None:
    """The next ruleset that nft takes: it refuses some, such as TCP and UDP at once."""
    while True:
        with suppress(RuntimeError):
            site.router.nft(random_ruleset(draw))
            return


def tried(site: Site, version: int, port: int, source_port: int) -> bool:
    """Whether a stranger gets in; by ports of his own, which no connection before has had."""
    source, address = (STRANGER, ROUTER) if version == 4 else (STRANGER6, ROUTER6)
    try:
        with connect(site.outside, source, address, port, source_port):
            return True
    except (ConnectionRefusedError, TimeoutError):
        return False


@pytest.mark.parametrize(
    ("scenario", "reaches"),
    [
        ("default", {}),
        ("wan-ssh-rule", {22: Reach.OPEN}),
        ("redirect", {2222: Reach.OPEN}),
        ("ipset", {22: Reach.SOME}),
    ],
)
def test_fw4_s_rules_are_judged_as_strangers_find_them(
    site: Site, scenario: str, reaches: dict[int, Reach]
) -> None:
    site.reset(scenario)
    judge = judge_of(listed(site))
    for place, port in enumerate(PORTS):
        reach = judge.fate(FirstPacket("eth1", 4, "tcp", port)).reach
        assert reach is reaches.get(port, Reach.CLOSED)
        assert tried(site, 4, port, 19000 + place) is (reach is Reach.OPEN)


def test_strangers_come_by_devices_with_a_default_route(site: Site) -> None:
    site.reset("wan-ssh-rule")
    ssh, web = PortSpec(Protocol.TCP, 22), PortSpec(Protocol.TCP, 80)
    with site.router.entered():
        with pytest.raises(FirewallError, match="leads to the Internet"):
            exposed([ssh], MARK, ["eth1"], "inet fwknopd")
        site.router.ip("route", "add", "default", "via", STRANGER)
        try:
            found = exposed([ssh, web], MARK, ["eth1", "br-lan"], "inet fwknopd")
            everywhere = exposed([ssh], MARK, ["any"], "inet fwknopd")
            with pytest.raises(FirewallError, match="leads to the Internet"):
                exposed([ssh], MARK, ["br-lan"], "inet fwknopd")
        finally:
            site.router.ip("route", "del", "default")
    by = ("open", "rule", "Allow-SSH-WAN", "inet fw4 input_wan")
    exposures = (Exposure(ssh, "eth1", 4, *by),)
    assert found == Found(("eth1",), frozenset((ssh, web)), exposures)
    assert everywhere == Found(("eth1",), frozenset((ssh,)), exposures)


def test_several_ways_out_are_all_seen(site: Site) -> None:
    both = ("nexthop", "via", STRANGER, "nexthop", "via", GUEST)
    try:
        site.router.ip("route", "add", "default", *both)
        site.router.ip("route", "add", "default", "via", STRANGER6, "table", "77")
        site.router.ip("route", "add", "unreachable", "default", "metric", "999")
        with site.router.entered():
            devices = default_devices()
            names = {v: {if_indextoname(n) for n in found} for v, found in devices.items()}
    finally:
        site.router.ip("route", "flush", "exact", "default")
        site.router.ip("-6", "route", "flush", "table", "77")
    assert names == {4: {"eth1", "eth2"}, 6: {"eth1"}}


def test_what_iptables_legacy_may_refuse_is_left_alone(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exposure, "_NET", tmp_path)
    (tmp_path / "ip6_tables_names").write_text("nat\nfilter\n")
    with pytest.raises(FirewallError, match=r"iptables-legacy has rules .*nat, filter"):
        exposed([PortSpec(Protocol.TCP, 22)], MARK, ["eth1"], "inet fwknopd")


def test_of_rules_that_were_not_read_to_their_end_nothing_is_said(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last table may be the one that refuses everything."""
    site.reset("wan-ssh-rule")
    monkeypatch.setattr(nft_process, "LISTING_LIMIT", 4096)
    with site.router.entered(), pytest.raises(FirewallError, match="more than fwknopd reads"):
        nft_process.list_rules()


def test_a_daemon_tells_which_port_is_open_anyway(tmp_path: Path) -> None:
    rules = router_ruleset("wan-ssh-rule").replace('"eth1"', '"eth0"')
    access = f"{ACCESS}OPEN_PORTS tcp/22, tcp/443\n"
    with guarded_host(tmp_path) as host:
        host.host.machine.nft(rules)
        host.host.machine.ip("route", "add", "default", "via", CLIENT)
        with serving(host, "PCAP_INTF eth0;\n", access) as daemon:
            answer = ask(host, "exposed")
            knock(host, daemon, "-s")
            text = host.host.type("fwknopctl exposed --ports tcp/443")
            assert ask(host, "exposed", anew=True) == answer, "our own door opens nothing to others"
    [port] = answer["ports"]
    assert (port["port"], port["how"], port["name"]) == ("tcp/22", "rule", "Allow-SSH-WAN")
    assert (port["device"], port["versions"], answer["closed"]) == ("eth0", [4], ["tcp/443"])
    assert "tcp/443: shut to strangers on eth0" in text


KNOWN = "ct state established,related accept\nmeta l4proto ipv6-icmp accept"


def base(hook: str, rules: str, policy: str = "accept", more: str = "") -> str:
    priority = more or ("dstnat" if hook == "prerouting" else "filter")
    kind = "nat" if priority == "dstnat" else "filter"
    head = f"type {kind} hook {hook} priority {priority}; policy {policy};"
    first = KNOWN if kind == "filter" and hook != "output" else ""
    return f"chain {hook}_{policy} {{\n{head}\n{first}\n{rules}\n}}\n"


DNATTED = base("input", "ct status dnat accept\nreject")
TRICKS = {
    "a condition turned round": base("input", "ct state ! established,related reject"),
    "bits of a state": base("input", "ct state & (established|related) == 0 reject"),
    "everything else of a map": base(
        "input", "ct state vmap { established : accept, * : drop }\nreject"
    ),
    "everything else of a set": base("input", "meta l4proto { udp, * } reject"),
    "a chain without a name": base("input", "udp dport 53 jump {\nreject\n}"),
    "accepted in a chain without a name": base("input", "tcp dport 9 jump {\naccept\n}\nreject"),
    "a dormant table": f"flags dormant\n{base('input', 'reject')}",
    "a large part of the world": base("input", "ip saddr 192.0.0.0/5 accept\nreject"),
    "a large part of the world by IPv6": base("input", "ip6 saddr 2001::/16 accept\nreject"),
    "answers stopped on their way out": base("output", "tcp sport 22 drop"),
    "answers stopped at last": base("postrouting", "tcp sport 22 drop", more="300"),
    "states before there are any": base("prerouting", "ct state invalid drop", more="raw"),
    "led to where it goes anyway": DNATTED + base("prerouting", "tcp dport 22 redirect to :22"),
    "led by a map that has nothing": DNATTED
    + base("prerouting", f"dnat ip to tcp dport map {{ 8080 : {HOST} }}"),
    "a chain for NAT that drops": base("prerouting", "tcp dport 22 drop"),
    "a socket that is not transparent": base("input", "socket transparent 0 reject"),
    "none at a time": base("input", "ct count over 0 reject"),
    "one a day": base("input", "limit rate over 1/day burst 1 packets reject"),
}


def test_nobody_is_sure_and_wrong_of_what_is_easily_misread(site: Site) -> None:
    ports = count(30000)
    for trick, rules in TRICKS.items():
        site.router.nft(f"flush ruleset\ntable inet filter {{\n{rules}}}\n")
        judge = judge_of(listed(site))
        for version in (4, 6):
            reach = judge.fate(FirstPacket("eth1", version, "tcp", 22)).reach
            gets_in = tried(site, version, 22, next(ports))
            assert reach not in SURE or gets_in is (reach is Reach.OPEN), (trick, version, reach)


def test_what_is_said_of_random_rules_is_what_happens(site: Site) -> None:
    draw, said = random.Random(20261127), Counter[Reach]()
    ports = count(20000)
    for _ in range(RULESETS):
        load_any(site, draw)
        listing = listed(site)
        judge = judge_of(listing)
        for version, port in product((4, 6), PORTS):
            fate = judge.fate(FirstPacket("eth1", version, "tcp", port))
            said[fate.reach] += 1
            if fate.reach in SURE:
                gets_in = tried(site, version, port, next(ports))
                assert gets_in is (fate.reach is Reach.OPEN), (version, port, fate, listing)
        fate = judge.fate(FirstPacket("eth1", 4, "udp", 22))
        if fate.target is None and fate.reach in SURE:
            with udp_server(site.router, ROUTER, 22) as server:
                gets_in = arrives(site.outside, STRANGER, server, ROUTER, 22)
            assert gets_in is (fate.reach is Reach.OPEN), ("udp", fate, listing)
    assert said[Reach.OPEN] > RULESETS
    assert said[Reach.CLOSED] > RULESETS
