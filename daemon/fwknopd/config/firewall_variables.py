"""The variables of fwknopd.conf about forwarding and the firewall."""

from __future__ import annotations

from fwknopd.config.ipt_chain import (
    DNAT_CHAIN,
    FORWARD_CHAIN,
    INPUT_CHAIN,
    MASQUERADE_CHAIN,
    OUTPUT_CHAIN,
    SNAT_CHAIN,
    IptChain,
)
from fwknopd.config.variable import Kind, Restart, Variable, boolean, ignored, server

FORWARDING = "Forwarding"
FIREWALL = "Firewall"
IPTABLES = "iptables"


def _chain(name: str, chain: IptChain, what: str) -> Variable:
    return server(
        f"IPT_{name}_ACCESS",
        Kind.IPT_CHAIN,
        f"Where the iptables rules for {what} go: target, table, the chain that jumps, the "
        "position of the jump, our chain, and a number that has no meaning.",
        IPTABLES,
        default=str(chain),
        example=str(chain),
        restart=Restart.IPTABLES,
    )


FORWARDING_VARIABLES: tuple[Variable, ...] = (
    boolean(
        "ENABLE_IPT_FORWARDING",
        FORWARDING,
        False,
        "Let clients open a way to a computer behind this router.",
        Restart.IPTABLES,
    ),
    boolean(
        "ENABLE_IPT_LOCAL_NAT",
        FORWARDING,
        False,
        "Let clients reach a service of this router under another port.",
        Restart.IPTABLES,
    ),
    boolean(
        "ENABLE_NAT_DNS",
        FORWARDING,
        True,
        "Let clients name the computer behind this router by host name instead of address.",
    ),
    boolean(
        "ENABLE_IPT_SNAT",
        FORWARDING,
        False,
        "Make forwarded connections appear to come from this router.",
        Restart.IPTABLES,
    ),
    server(
        "SNAT_TRANSLATE_IP",
        Kind.ADDRESS,
        "The address they appear to come from; empty: that of the device they leave by.",
        FORWARDING,
        example="192.168.1.1",
    ),
)

FIREWALL_VARIABLES: tuple[Variable, ...] = (
    server(
        "firewall",
        Kind.CHOICE,
        "Who opens the doors. auto picks nftables, or iptables where nft is missing; "
        "log-only judges knocks but opens nothing.",
        FIREWALL,
        default="auto",
        choices=("auto", "nftables", "iptables", "log-only"),
        example="auto",
        uci_only=True,
        restart=Restart.YES,
    ),
    server(
        "mark",
        Kind.MARK,
        "The firewall mark bit on packets of an open door. Change it only if another "
        "service, such as mwan3 or pbr, uses the same bit.",
        FIREWALL,
        default=0x40000000,
        minimum=1,
        maximum=0x80000000,
        example="0x40000000",
        uci_only=True,
        restart=Restart.YES,
    ),
    boolean(
        "ENABLE_DESTINATION_RULE",
        FIREWALL,
        False,
        "Open the door only towards the address the knock was sent to.",
    ),
    boolean(
        "ENABLE_RULE_PREPEND",
        IPTABLES,
        False,
        "Put new iptables rules in front of older ones.",
        Restart.IPTABLES,
    ),
    boolean(
        "ENABLE_IPT_OUTPUT",
        IPTABLES,
        False,
        "Also accept, in iptables, the answers this router sends.",
        Restart.IPTABLES,
    ),
    boolean(
        "ENABLE_IPT_COMMENT_CHECK",
        IPTABLES,
        True,
        "Test at start whether iptables can store comments.",
        Restart.IPTABLES,
    ),
    boolean(
        "FLUSH_IPT_AT_INIT",
        IPTABLES,
        False,
        "Delete our iptables chains and their open doors when the daemon starts. Without it, "
        "doors an earlier daemon left open are closed at their time (fwknopd's default is Y).",
        Restart.IPTABLES,
    ),
    boolean(
        "FLUSH_IPT_AT_EXIT",
        IPTABLES,
        True,
        "Delete our iptables chains and their open doors when the daemon stops.",
        Restart.IPTABLES,
    ),
    _chain("INPUT", INPUT_CHAIN, "connections to this router"),
    _chain("OUTPUT", OUTPUT_CHAIN, "answers of this router"),
    _chain("FORWARD", FORWARD_CHAIN, "forwarded connections"),
    _chain("DNAT", DNAT_CHAIN, "destination address translation"),
    _chain("SNAT", SNAT_CHAIN, "source address translation"),
    _chain("MASQUERADE", MASQUERADE_CHAIN, "masquerading"),
    ignored(
        "FIREWALL_EXE",
        Kind.PATH,
        FIREWALL,
        "The firewall program fwknopd ran.",
        "nft and iptables are found by themselves",
    ),
    ignored(
        "RULES_CHECK_THRESHOLD",
        Kind.INTEGER,
        FIREWALL,
        "How often fwknopd looked for expired rules.",
        "every door is closed on time",
        default=20,
    ),
)
