"""The directives of an access stanza, and our own options of a UCI ``access`` section."""

from __future__ import annotations

from fwknopd.config.command_variables import COMMAND_VARIABLES
from fwknopd.config.gpg_variables import GPG_VARIABLES
from fwknopd.config.key_variables import KEY_VARIABLES
from fwknopd.config.variable import MAX_C_INT, Kind, Variable, access

GENERAL = "General"
NETWORK = "Network"
TIME = "Time"
FORWARDING = "Forwarding"


_GENERAL_VARIABLES = (
    access(
        "name",
        Kind.TEXT,
        "What you call this client, such as the phone's owner.",
        GENERAL,
        example="Anna's phone",
        maximum=64,
        uci_only=True,
    ),
    access(
        "enabled",
        Kind.SWITCH,
        "Untick to refuse this client's knocks without deleting its keys.",
        GENERAL,
        default=True,
        example="1",
        uci_only=True,
    ),
    access(
        "log_only",
        Kind.SWITCH,
        "Judge this client's knocks and report what would be opened, but open nothing.",
        GENERAL,
        default=False,
        example="1",
        uci_only=True,
    ),
    access("note", Kind.TEXT, "Anything you want to remember.", GENERAL, uci_only=True),
    access(
        "OPEN_PORTS",
        Kind.PORTS,
        "The ports this client may open. Empty: any port it asks for.",
        GENERAL,
        example="tcp/22, udp/1194",
    ),
    access(
        "RESTRICT_PORTS",
        Kind.PORTS,
        "Ports this client may never open, whatever else is allowed.",
        GENERAL,
        example="tcp/80",
    ),
)

_TIME_VARIABLES = (
    access(
        "FW_ACCESS_TIMEOUT",
        Kind.INTEGER,
        "How long a door stays open. Connections made in that time live on.",
        TIME,
        default=30,
        minimum=0,
        maximum=MAX_C_INT,
        unit="seconds",
        example="30",
    ),
    access(
        "MAX_FW_TIMEOUT",
        Kind.INTEGER,
        "The longest time the client itself may ask for.",
        TIME,
        default=300,
        minimum=0,
        maximum=MAX_C_INT,
        unit="seconds",
        example="300",
    ),
    access(
        "cut_at_expiry",
        Kind.SWITCH,
        "Cut this client's connections when the door closes by which they came in. Else they "
        "live on. One that may have come in by another open door is left alone.",
        TIME,
        default=False,
        example="1",
        uci_only=True,
    ),
    access(
        "ACCESS_EXPIRE",
        Kind.DATE,
        "The day from whose first minute on this client is refused, as month/day/year.",
        TIME,
        example="12/31/2030",
    ),
    access(
        "ACCESS_EXPIRE_EPOCH",
        Kind.EPOCH,
        "The same as a number of seconds since 1970. The later of the two lines counts.",
        TIME,
        minimum=0,
        maximum=253402300799,
        unit="seconds since 1970",
        example="1924902000",
    ),
    access(
        "allowed_hours",
        Kind.HOURS,
        "The times of day at which this client may knock, in the router's local time. "
        "Several are possible, and one may go over midnight (22:00-06:00). Doors that are "
        "open stay so to their end. Empty: any time.",
        TIME,
        example="08:00-18:00",
        uci_only=True,
    ),
    access(
        "allowed_days",
        Kind.DAYS,
        "The days of the week on which this client may knock. Hours over midnight belong to "
        "the day they begin on. Empty: every day.",
        TIME,
        example="mon tue wed thu fri",
        uci_only=True,
    ),
    access(
        "old_keys_of",
        Kind.TEXT,
        "The client whose former keys these are. They are refused when that client is deleted "
        "or disabled, and removed when their access has ended.",
        TIME,
        example="Anna's phone",
        maximum=64,
        uci_only=True,
    ),
    access(
        "end_at_first_use",
        Kind.SWITCH,
        "Refuse and remove former keys as soon as their client has knocked with its new ones.",
        TIME,
        default=False,
        example="1",
        uci_only=True,
    ),
)

_NETWORK_VARIABLES = (
    access(
        "SOURCE",
        Kind.NETWORKS,
        "Addresses or networks the knock may come from; ANY for everywhere.",
        NETWORK,
        default="ANY",
        example="ANY or 192.0.2.0/24, 2001:db8::/32",
    ),
    access(
        "DESTINATION",
        Kind.NETWORKS,
        "Addresses of this router the knock must be sent to. Empty: any.",
        NETWORK,
        example="198.51.100.1",
    ),
    access(
        "REQUIRE_SOURCE_ADDRESS",
        Kind.BOOLEAN,
        "Refuse knocks that leave it to the router to see where they come from. The client "
        "must then send its own public address (-R or -a).",
        NETWORK,
        default=False,
        aliases=("REQUIRE_SOURCE",),
        example="Y",
    ),
    access(
        "REQUIRE_USERNAME",
        Kind.TEXT,
        "The user name the knock must carry, exactly as written.",
        NETWORK,
        example="anna",
    ),
    access(
        "grant_source",
        Kind.SWITCH,
        "Also let in the address the knock came from, if the knock names another one. For "
        "phones whose provider shares addresses.",
        NETWORK,
        default=False,
        example="0",
        uci_only=True,
    ),
    access(
        "widen_ipv4",
        Kind.INTEGER,
        "Let in the whole IPv4 network around the address, by the length of its prefix: 24 "
        "lets in 256 addresses. Everybody else in that network gets in, too.",
        NETWORK,
        minimum=24,
        maximum=32,
        unit="bits",
        example="24",
        uci_only=True,
    ),
    access(
        "widen_ipv6",
        Kind.INTEGER,
        "The same for IPv6; 64 is the network of one home or phone.",
        NETWORK,
        minimum=56,
        maximum=128,
        unit="bits",
        example="64",
        uci_only=True,
    ),
)

_FORWARDING_VARIABLES = (
    access(
        "FORCE_NAT",
        Kind.NAT_TARGET,
        "Send this client's connections always to this address and port.",
        FORWARDING,
        example="192.168.1.10 22",
    ),
    access(
        "nat_targets",
        Kind.NAT_RANGES,
        "The inside computers this client may ask to be led to: addresses or networks, with a "
        "port or without. Empty: any it asks for.",
        FORWARDING,
        example="192.168.1.10:22, 192.168.2.0/24",
        uci_only=True,
    ),
    access(
        "DISABLE_DNAT",
        Kind.BOOLEAN,
        "Open the way through this router without changing the destination address: the "
        "client connects to the inside computer's own address.",
        FORWARDING,
        default=False,
        example="N",
    ),
    access(
        "FORCE_SNAT",
        Kind.ADDRESS,
        "The address this client's forwarded connections appear to come from.",
        FORWARDING,
        example="192.168.1.1",
    ),
    access(
        "FORCE_MASQUERADE",
        Kind.BOOLEAN,
        "Make this client's forwarded connections appear to come from this router.",
        FORWARDING,
        default=False,
        example="N",
    ),
    access(
        "FORWARD_ALL",
        Kind.BOOLEAN,
        "Forward everything, not only the ports the client asks for.",
        FORWARDING,
        default=False,
        example="N",
    ),
)

ACCESS_VARIABLES: tuple[Variable, ...] = (
    *_GENERAL_VARIABLES,
    *_TIME_VARIABLES,
    *_NETWORK_VARIABLES,
    *_FORWARDING_VARIABLES,
    *KEY_VARIABLES,
    *COMMAND_VARIABLES,
    *GPG_VARIABLES,
)
