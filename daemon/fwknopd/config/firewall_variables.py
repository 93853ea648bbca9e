"""The variables of fwknopd.conf about forwarding and the firewall."""

from __future__ import annotations

from fwknopd.config.variable import Kind, Variable, boolean, ignored, later, server

FORWARDING = "Forwarding"
FIREWALL = "Firewall"

IPTABLES_LATER = "it belongs to the iptables firewall"

FORWARDING_VARIABLES: tuple[Variable, ...] = (
    boolean(
        "ENABLE_IPT_FORWARDING",
        FORWARDING,
        False,
        "Let clients open a way to a computer behind this router.",
    ),
    boolean(
        "ENABLE_IPT_LOCAL_NAT",
        FORWARDING,
        False,
        "Let clients reach a service of this router under another port.",
    ),
    boolean(
        "ENABLE_NAT_DNS",
        FORWARDING,
        True,
        "Let clients name the computer behind this router by host name instead of address.",
    ),
    later(
        "ENABLE_IPT_SNAT",
        Kind.BOOLEAN,
        FORWARDING,
        "Make forwarded connections appear to come from this router.",
        "forwarded connections keep the client's address",
        default=False,
    ),
    later(
        "SNAT_TRANSLATE_IP",
        Kind.ADDRESS,
        FORWARDING,
        "The address forwarded connections appear to come from.",
        "forwarded connections keep the client's address",
    ),
)

FIREWALL_VARIABLES: tuple[Variable, ...] = (
    server(
        "firewall",
        Kind.CHOICE,
        "Who opens the doors. auto picks nftables; log-only judges knocks but opens nothing.",
        FIREWALL,
        default="auto",
        choices=("auto", "nftables", "log-only"),
        example="auto",
        uci_only=True,
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
    ),
    later(
        "ENABLE_DESTINATION_RULE",
        Kind.BOOLEAN,
        FIREWALL,
        "Open the door only towards the address the knock was sent to.",
        "doors are open towards every address of this router",
        default=False,
    ),
    later(
        "ENABLE_RULE_PREPEND",
        Kind.BOOLEAN,
        FIREWALL,
        "Put new rules in front of older ones.",
        IPTABLES_LATER,
        default=False,
    ),
    later(
        "ENABLE_IPT_OUTPUT",
        Kind.BOOLEAN,
        FIREWALL,
        "Also accept the answers this router sends.",
        IPTABLES_LATER,
        default=False,
    ),
    later(
        "ENABLE_IPT_COMMENT_CHECK",
        Kind.BOOLEAN,
        FIREWALL,
        "Test at start whether iptables can store comments.",
        IPTABLES_LATER,
        default=True,
    ),
    later(
        "FLUSH_IPT_AT_INIT",
        Kind.BOOLEAN,
        FIREWALL,
        "Delete old rules when the daemon starts.",
        IPTABLES_LATER,
        default=True,
    ),
    later(
        "FLUSH_IPT_AT_EXIT",
        Kind.BOOLEAN,
        FIREWALL,
        "Delete all rules when the daemon stops.",
        IPTABLES_LATER,
        default=True,
    ),
    *(
        later(
            f"IPT_{name}_ACCESS",
            Kind.TEXT,
            FIREWALL,
            f"Table, chains and positions of the iptables rules for {what}.",
            IPTABLES_LATER,
        )
        for name, what in (
            ("INPUT", "connections to this router"),
            ("OUTPUT", "answers of this router"),
            ("FORWARD", "forwarded connections"),
            ("DNAT", "destination address translation"),
            ("SNAT", "source address translation"),
            ("MASQUERADE", "masquerading"),
        )
    ),
    ignored(
        "FIREWALL_EXE",
        Kind.PATH,
        FIREWALL,
        "The firewall program fwknopd ran.",
        "nft is found by itself",
    ),
    ignored(
        "RULES_CHECK_THRESHOLD",
        Kind.INTEGER,
        FIREWALL,
        "How often fwknopd looked for expired rules.",
        "the kernel closes doors itself, on time",
        default=20,
    ),
)
