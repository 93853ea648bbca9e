"""Other people's rules as programs print them: iptables-save and nft list ruleset."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache

from fwknopd.firewall.iptables_reading import doors_of, expiry_of, parse_rule
from fwknopd.firewall.iptables_rules import DoorRule, IptablesSettings, Role, print_rule, rules_of
from fwknopd.firewall.iptables_saved import flush_batch, parse_saved, repair
from fwknopd.firewall.nft_first_packet import FirstPacket
from fwknopd.firewall.nft_judging import Ways, judge
from fwknopd.firewall.nft_listing import Ruleset
from fwknopd.firewall.nft_rule_names import How, named
from fwknopd.firewall.nft_strangers import Judge, Reach
from fwknopd.grants import Door
from tests.fuzz.doors import DOORS
from tests.fuzz.mutators import parts
from tests.fuzz.target import Target
from tests.interop.spa_vectors import DATA

NOW = 1800000000
SETTINGS = IptablesSettings(enable_output=True, enable_nat=True, enable_snat=True)
VERBS = ("-D ", "-I ", "-A ", "-N ", "-F ", "-X ", "-C ")


def check_saved(data: bytes) -> None:
    """Rules and doors, and commands that name only what was found and chains of ours."""
    text = data.decode("utf-8", "replace")
    saved = parse_saved(text)
    for rules in saved.chains.values():
        for rule in rules:
            check_rule(rule)
    ours = saved.ours(SETTINGS)
    for found in doors_of(ours.elements()):
        assert found.rules
        assert Counter(found.rules) <= ours
    none: Counter[DoorRule] = Counter()
    mended = repair(saved, wanted(), none, SETTINGS, NOW, SETTINGS.standing())
    assert mended.next_end is None or mended.next_end > NOW
    for batch in (mended.batch, flush_batch(saved, SETTINGS)):
        for line in str(batch).removesuffix("\n").split("\n"):
            assert line.startswith(("*", "COMMIT", *VERBS)) or not batch, line


def check_rule(text: str) -> None:
    """A rule of ours, printed and read again, is the same rule."""
    assert (expiry_of(text) or 0) >= 0
    for role in Role:
        chain = SETTINGS.chain(role)
        rule = parse_rule(text, role, chain)
        if rule is not None:
            assert parse_rule(print_rule(rule, chain), role, chain) == rule, text


@cache
def wanted() -> Counter[DoorRule]:
    return Counter(rule for door in DOORS[2:5] for rule in rules_of(door, NOW + 30, SETTINGS))


STANDING = (
    "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:FWKNOP_INPUT - [0:0]\n"
    "-A INPUT -j FWKNOP_INPUT\n",
    "COMMIT\n",
)


def _printed(door: Door) -> str:
    lines: dict[str, list[str]] = {"nat": [], "filter": []}
    for rule in rules_of(door, NOW - 5, SETTINGS):
        chain = SETTINGS.chain(rule.role)
        lines[chain.table].append(f"-A {chain.chain} {print_rule(rule, chain)}\n")
    return "".join(f"*{table}\n{''.join(rules)}COMMIT\n" for table, rules in lines.items() if rules)


def saved_seeds() -> list[bytes]:
    texts = [STANDING[0] + STANDING[1] + _printed(door) for door in DOORS]
    foreign = (
        "*filter\n-A FWKNOP_INPUT -s 198.51.100.7/32 -p tcp -m tcp --dport 22 -m comment "
        '--comment "_exp_1799999999" -j ACCEPT\n-A INPUT -i lo -j ACCEPT\nCOMMIT\n*nat\n'
        "-A FWKNOP_PREROUTING -s 2001:db8::7/128 -p tcp -m tcp --dport 22 -m comment --comment "
        "_exp_1800000100 -j DNAT --to-destination [2001:db8::1]:22\n"
        "-A FWKNOP_POSTROUTING -m comment --comment _exp_1800000100 -j SNAT --to-source 192.0.2.1\n"
    )
    return [text.encode() for text in (*texts, foreign)]


# nft

WAYS = Ways(0x40000000, ("eth1", "br-lan"))
PACKETS = (FirstPacket("eth1", 4, "tcp", 22), FirstPacket("br-lan", 6, "udp", 53))


def check_listing(data: bytes) -> None:
    """A diagnosis, whatever rules there are; for any device and mark. And what strangers find."""
    text = data.decode("utf-8", "replace")
    for ways in (WAYS, replace(WAYS, mark=1, devices=("any",), forwards=False)):
        found = judge(text, ways)
        assert found.detail
        assert found.ready in (True, False)
    strangers = Judge(Ruleset(text), WAYS.mark, WAYS.table, lambda address: address.is_private)
    for packet in PACKETS:
        fate = strangers.fate(packet)
        assert fate.reach in Reach
        assert named(fate)[0] in How


def listing_seeds() -> list[bytes]:
    own = (DATA.parent / "nftables").glob("*.nft")
    fw4 = (DATA.parent / "fw4").glob("*/listed.nft")
    small = (
        "table inet filter {\n\tchain input {\n\t\ttype filter hook input priority filter; "
        "policy drop;\n\t\tct state vmap { established : accept, invalid : drop }\n"
        '\t\tiifname { "eth1", "br*" } meta mark & 0x40000000 != 0x00000000 accept\n'
        "\t\tjump other\n\t\tmeta mark set meta mark & 0xbfffffff\n\t\tct mark set mark\n\t}\n"
        "\tchain other {\n\t\tgoto input\n\t}\n}\n"
    )
    return [
        *(path.read_bytes()[:4096] for path in (*sorted(own), *sorted(fw4)[:2])),
        small.encode(),
    ]


RULE_WORDS = (
    *(b"-A FWKNOP_INPUT ", b"-A INPUT ", b"*nat", b"*filter", b":FWKNOP_INPUT - [0:0]", b"COMMIT"),
    *(b"-s 198.51.100.7/32", b"-d 2001:db8::1/128", b"-p tcp -m tcp --dport 22", b"-j ACCEPT"),
    *(b"-m comment --comment _exp_1800000100", b"-j DNAT --to-destination 192.0.2.9:22", b"/33"),
    *(b"--to-source 192.0.2.1", b"-j MASQUERADE --to-ports 1", b"-j FWKNOP_INPUT", b"0.0.0.0"),
)
NFT_WORDS = (
    *(b"table inet fw4 {", b"\tchain input {", b"\t}", b"}", b"jump input", b"goto x", b"accept"),
    *(b"type filter hook input priority filter; policy drop;", b"meta mark set ", b"ct mark "),
    *(b"meta mark & 0x40000000 != 0x00000000 accept", b"vmap { ", b'iifname "eth1"', b"drop"),
    *(
        b"tcp dport 22",
        b"ip saddr ",
        b"dnat ip to 192.168.1.5:22",
        b"redirect to :",
        b"limit rate ",
    ),
    *(b"priority mangle + 99999999999;", b"0x", b"| ", b"^ ", b'comment "!fw4: x"', b"return"),
)

TARGETS = (
    Target(
        "iptables_saved",
        "What iptables-save prints gives rules, doors and commands for our chains alone; a rule "
        "printed reads back as itself.",
        check_saved,
        saved_seeds,
        parts((b"\n", b" ", b"/"), RULE_WORDS),
        RULE_WORDS,
        grown=1 << 16,
    ),
    Target(
        "nft_listing",
        "Any ruleset that nft lists is judged, circles of jumps too.",
        check_listing,
        listing_seeds,
        parts((b"\n", b" ", b"{"), NFT_WORDS),
        NFT_WORDS,
        grown=1 << 15,
    ),
)
