"""The kinds of access of the matrix."""

from __future__ import annotations

from tests.netns.matrix.kinds import Kind, Way, at, led
from tests.netns.matrix.site import ALIAS, INSIDE, Pair

TCP_PORTS = (22, 443, 7001, 7002, 7003)
UDP_PORTS = (7001, 7002, 7003)
"""Where router and LAN host listen."""

OUTER, OTHER = 4001, 4002
FORWARDED = 2222
"""Ports of the router at which nothing listens; some rulesets forward the last for everybody."""

WIDE, NARROW = {4: 24, 6: 64}, {4: 28, 6: 124}
FORCED = {"FORCE_NAT": "{host} 7001"}
TO_OUTER = f"tcp/{OUTER}"
TO_OTHER = f"tcp/{OTHER}"
SOME = ("tcp/7001", "tcp/7003", "udp/7002")


def everything(role: str, *places: str, seen: Pair | None = None) -> tuple[Way, ...]:
    """Some of all the ports of places, each leading to the same port of a machine."""
    return tuple(Way(to, port, role, int(port[4:]), seen) for to in places for port in SOME)


INPUT = (
    Kind("tcp", "tcp/7001", at("router", "tcp/7001"), at("router", "udp/7001", "tcp/7002")),
    Kind("udp", "udp/7001", at("router", "udp/7001"), at("router", "tcp/7001", "udp/7002")),
    Kind(
        "several",
        "tcp/7001,udp/7002,tcp/7002",
        at("router", "tcp/7001", "udp/7002", "tcp/7002"),
        at("router", "udp/7001"),
    ),
)

TRANSLATED = (
    Kind(
        "nat",
        TO_OUTER,
        led(TO_OUTER, 7002),
        (*at("router", "tcp/7002"), *led(f"udp/{OUTER}", 7002)),
        at("host", "tcp/7002"),
        nat="{host},7002",
    ),
    Kind(
        "nat-udp",
        f"udp/{OUTER}",
        led(f"udp/{OUTER}", 7002),
        (*at("router", "udp/7002"), *led(TO_OUTER, 7002)),
        at("host", "udp/7002"),
        nat="{host},7002",
    ),
    Kind(
        "nat-forwarded",
        f"tcp/{FORWARDED}",
        led(f"tcp/{FORWARDED}", 7002),
        at("router", "tcp/7002"),
        at("host", "tcp/7002"),
        nat="{host},7002",
    ),
    Kind(
        "local",
        TO_OUTER,
        led(TO_OUTER, 7002, "router"),
        at("host", "tcp/7002"),
        (*at("router", "tcp/7002"), *at("second", "tcp/7002")),
        nat="{router},7002",
        local=True,
    ),
    Kind(
        "local-udp",
        f"udp/{OUTER}",
        led(f"udp/{OUTER}", 7002, "router"),
        at("host", "udp/7002"),
        at("router", "udp/7002"),
        nat="{router},7002",
        local=True,
    ),
    Kind(
        "force-nat",
        TO_OTHER,
        led(TO_OTHER, 7001),
        at("router", "tcp/7001"),
        at("host", "tcp/7001"),
        FORCED,
    ),
)

WIDENED = (
    Kind(
        "wide",
        "tcp/7001",
        at("router", "tcp/7001"),
        at("router", "udp/7001", "tcp/7002"),
        widths=WIDE,
    ),
    Kind(
        "narrow",
        "tcp/7001,udp/7002",
        at("router", "tcp/7001", "udp/7002"),
        at("router", "udp/7001", "tcp/7002"),
        widths=NARROW,
    ),
    Kind(
        "wide-nat",
        TO_OUTER,
        led(TO_OUTER, 7002),
        at("router", "tcp/7002"),
        at("host", "tcp/7002"),
        nat="{host},7002",
        widths=WIDE,
    ),
    Kind(
        "grant-source",
        "tcp/7001",
        at("router", "tcp/7001"),
        at("router", "tcp/7002"),
        options={"grant_source": "1"},
        names=12,
        versions=(4,),
    ),
)

SOURCED = (
    Kind(
        "snat",
        TO_OTHER,
        led(TO_OTHER, 7001, seen=ALIAS),
        at("router", "tcp/7001"),
        at("host", "tcp/7001"),
        FORCED | {"FORCE_SNAT": "{alias}"},
    ),
    Kind(
        "masquerade",
        TO_OTHER,
        led(TO_OTHER, 7001, seen=INSIDE),
        at("router", "tcp/7001"),
        at("host", "tcp/7001"),
        FORCED | {"FORCE_MASQUERADE": "Y"},
    ),
    Kind(
        "masquerade-udp",
        f"udp/{OTHER}",
        led(f"udp/{OTHER}", 7001, seen=INSIDE),
        at("router", "udp/7001"),
        at("host", "udp/7001"),
        FORCED | {"FORCE_MASQUERADE": "Y"},
    ),
    # Where the port that some rulesets forward for everybody leads, too.
    Kind(
        "masquerade-shared",
        TO_OTHER,
        led(TO_OTHER, 22, seen=INSIDE),
        at("router", "tcp/7001"),
        at("host", "tcp/22"),
        {"FORCE_NAT": "{host} 22", "FORCE_MASQUERADE": "Y"},
    ),
    Kind(
        "no-dnat",
        "tcp/7001",
        at("host", "tcp/7001"),
        (*at("router", "tcp/7001"), *at("host", "tcp/7002")),
        options=FORCED | {"DISABLE_DNAT": "Y"},
    ),
    Kind(
        "no-dnat-masquerade",
        "tcp/7001",
        at("host", "tcp/7001", seen=INSIDE),
        (*at("router", "tcp/7001"), *at("host", "tcp/7002")),
        options=FORCED | {"DISABLE_DNAT": "Y", "FORCE_MASQUERADE": "Y"},
    ),
)

EVERYTHING = (
    Kind(
        "all-to-target",
        "tcp/7001",
        everything("host", "router", "second"),
        behind=at("host", *SOME),
        options={"FORCE_NAT": "{host} 7001", "FORWARD_ALL": "Y"},
        everything=True,
    ),
    Kind(
        "all-to-target-snat",
        "tcp/7001",
        everything("host", "router", "second", seen=ALIAS),
        behind=at("host", *SOME),
        options={"FORCE_NAT": "{host} 7001", "FORWARD_ALL": "Y", "FORCE_SNAT": "{alias}"},
        everything=True,
    ),
    Kind(
        "all-masquerade",
        "tcp/7001",
        everything("host", "host", seen=INSIDE),
        at("router", *SOME),
        options={"FORWARD_ALL": "Y", "FORCE_MASQUERADE": "Y"},
        everything=True,
    ),
    Kind(
        "all-snat-wide",
        "tcp/7001",
        everything("host", "host", seen=ALIAS),
        at("router", *SOME),
        options={"FORWARD_ALL": "Y", "FORCE_SNAT": "{alias}"},
        widths=WIDE,
        everything=True,
    ),
    Kind(
        "all-without-target",
        "tcp/7001",
        at("router", "tcp/7001"),
        at("router", "tcp/7002"),
        at("host", "tcp/7001"),
        {"FORWARD_ALL": "Y"},
    ),
)

# With ENABLE_DESTINATION_RULE, ENABLE_IPT_SNAT and an IPv4 SNAT_TRANSLATE_IP.
SERVER_SNAT = {4: ALIAS[4], 6: INSIDE[6]}
STRICT = (
    Kind(
        "strict-tcp",
        "tcp/7001,udp/7002",
        at("router", "tcp/7001", "udp/7002"),
        at("second", "tcp/7001", "udp/7002"),
        strict=True,
    ),
    Kind(
        "strict-second",
        "tcp/7001",
        at("second", "tcp/7001"),
        at("router", "tcp/7001"),
        knocks_at="second",
        strict=True,
    ),
    Kind(
        "strict-nat",
        TO_OUTER,
        led(TO_OUTER, 7002, seen=SERVER_SNAT),
        (Way("second", TO_OUTER, "host", 7002), *at("router", "tcp/7002")),
        at("host", "tcp/7002"),
        nat="{host},7002",
        strict=True,
    ),
    Kind(
        "strict-local",
        TO_OUTER,
        led(TO_OUTER, 7002, "router"),
        (Way("second", TO_OUTER, "router", 7002), *at("host", "tcp/7002")),
        (*at("router", "tcp/7002"), *at("second", "tcp/7002")),
        nat="{router},7002",
        local=True,
        strict=True,
    ),
    Kind(
        "strict-masquerade",
        TO_OTHER,
        led(TO_OTHER, 7001, seen=INSIDE),
        (Way("second", TO_OTHER, "host", 7001),),
        at("host", "tcp/7001"),
        FORCED | {"FORCE_MASQUERADE": "Y"},
        strict=True,
    ),
    Kind(
        "strict-wide",
        "tcp/7001",
        at("router", "tcp/7001"),
        at("second", "tcp/7001"),
        widths=WIDE,
        strict=True,
    ),
    Kind(
        "strict-all",
        "tcp/7001",
        everything("host", "router", seen=SERVER_SNAT),
        (Way("second", "tcp/7001", "host", 7001),),
        at("host", *SOME),
        {"FORCE_NAT": "{host} 7001", "FORWARD_ALL": "Y"},
        strict=True,
        everything=True,
    ),
)

WAKER = Kind("waker", "tcp/7001", at("router", "tcp/7001"))
"""A client for purposes of the tests themselves, with any settings."""

USUAL = (*INPUT, *TRANSLATED, *WIDENED, *SOURCED, *EVERYTHING)
KINDS = (*USUAL, *STRICT)
