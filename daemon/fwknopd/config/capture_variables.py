"""The variables of fwknopd.conf about receiving knocks and checking them."""

from __future__ import annotations

from fwknopd.config.variable import Kind, Restart, Variable, boolean, ignored, server

CAPTURE = "Capture"
CHECKS = "Packet checks"

CAPTURE_VARIABLES: tuple[Variable, ...] = (
    server(
        "PCAP_INTF",
        Kind.INTERFACE,
        "The device to listen on for knocks, such as eth0 or pppoe-wan. On OpenWrt choose a "
        "network instead: its device may change, its name does not.",
        CAPTURE,
        default="eth0",
        example="eth0",
    ),
    server(
        "PCAP_FILTER",
        Kind.FILTER,
        "Which packets are looked at, as a tcpdump expression. Change the port here if your "
        "clients knock on another one.",
        CAPTURE,
        default="udp port 62201",
        maximum=1023,
        example="udp port 62201",
    ),
    boolean(
        "ENABLE_PCAP_PROMISC",
        CAPTURE,
        False,
        "Also look at packets not addressed to this router. Only useful on a mirror port.",
    ),
    server(
        "PCAP_FILE",
        Kind.PATH,
        "Read packets from this capture file instead of the network, then stop. For tests.",
        CAPTURE,
        example="/root/knock.pcap",
        restart=Restart.YES,
    ),
    ignored(
        "PCAP_DISPATCH_COUNT",
        Kind.INTEGER,
        CAPTURE,
        "How many packets fwknopd handled before it looked after timeouts.",
        "here timeouts never wait for packets",
        default=100,
    ),
    server(
        "MAX_SNIFF_BYTES",
        Kind.INTEGER,
        "How much of each packet is read. Smaller values cut knocks off.",
        CAPTURE,
        default=1500,
        minimum=1,
        maximum=32768,
        unit="bytes",
        example="1500",
    ),
    boolean(
        "ENABLE_UDP_SERVER",
        CAPTURE,
        False,
        "Receive knocks on an ordinary UDP socket instead of sniffing. The port is then "
        "visible to scanners.",
    ),
    server(
        "UDPSERV_PORT",
        Kind.INTEGER,
        "The port of the UDP socket.",
        CAPTURE,
        default=62201,
        minimum=1,
        maximum=65535,
        example="62201",
    ),
    boolean(
        "ENABLE_SPA_OVER_HTTP",
        CAPTURE,
        False,
        "Also accept knocks wrapped in a web request. They are heard by the TCP listener, and "
        "of what other programs are sent as far as the capture filter lets TCP through.",
    ),
    boolean(
        "ALLOW_ANY_USER_AGENT",
        CAPTURE,
        False,
        "Accept web knocks whatever program they claim to come from, not only fwknop's clients.",
    ),
    boolean(
        "ENABLE_X_FORWARDED_FOR",
        CAPTURE,
        False,
        "Let in the client that a reverse proxy names in this header of a web knock, instead "
        "of the proxy. Whoever can reach this router without the proxy can write the header "
        "too.",
    ),
    boolean(
        "ENABLE_TCP_SERVER",
        CAPTURE,
        False,
        "Take TCP connections, so that clients can knock over TCP, or by web request if that "
        "is on too. Whatever the capture filter says, these knocks are heard. No firewall "
        "rule is made for the port: open it yourself, and scanners see it then.",
    ),
    server(
        "TCPSERV_PORT",
        Kind.INTEGER,
        "The port of the TCP listener.",
        CAPTURE,
        default=62201,
        minimum=1,
        maximum=65535,
        example="62201",
    ),
    boolean(
        "ENABLE_PCAP_ANY_DIRECTION",
        CAPTURE,
        False,
        "Also look at packets this router sends, such as knocks it forwards.",
    ),
    ignored(
        "PCAP_LOOP_SLEEP",
        Kind.INTEGER,
        CAPTURE,
        "How long fwknopd slept between looking for packets.",
        "this daemon waits for packets and never polls",
        default=100000,
    ),
    ignored(
        "UDPSERV_SELECT_TIMEOUT",
        Kind.INTEGER,
        CAPTURE,
        "How long fwknopd waited on its UDP socket at a time.",
        "this daemon waits for packets and never polls",
        default=500000,
    ),
    ignored(
        "EXIT_AT_INTF_DOWN",
        Kind.BOOLEAN,
        CAPTURE,
        "Whether fwknopd ended when its device went down.",
        "this daemon waits for the device to come back",
        default=True,
    ),
)

CHECK_VARIABLES: tuple[Variable, ...] = (
    boolean(
        "ENABLE_SPA_PACKET_AGING",
        CHECKS,
        True,
        "Refuse knocks whose time differs too much from this router's clock. Leave it on.",
    ),
    server(
        "MAX_SPA_PACKET_AGE",
        Kind.INTEGER,
        "How far the clocks of client and router may differ.",
        CHECKS,
        default=120,
        minimum=1,
        maximum=100000,
        unit="seconds",
        example="120",
    ),
    boolean(
        "ENABLE_DIGEST_PERSISTENCE",
        CHECKS,
        True,
        "Remember accepted knocks, so that a copy of one (a replay) is refused. Turning it off "
        "lets anybody who recorded a knock repeat it.",
    ),
    boolean(
        "WAIT_FOR_CLOCK",
        CHECKS,
        True,
        "Refuse knocks until the clock is right: most routers start with an old time, and old "
        "knocks would pass for new ones. Turn it off if no time server can be reached and "
        "the clock is set in another way.",
    ),
)
