"""The verbs of the control protocol and their arguments, as data. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MAX_TEXT = 256
"""Characters of a text argument, unless the table says otherwise."""

MAX_PACKET = 2850
"""Bytes of a packet to be explained, nearly twice the longest there can be."""


class Kind(StrEnum):
    """What an argument may be."""

    TEXT = "text"
    NUMBER = "number"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a verb; numbers lie between ``minimum`` and ``maximum``.

    ``longest`` is the number of characters a text may have. ``beside`` alternatives it is
    none of them.
    """

    name: str
    kind: Kind
    help: str
    minimum: int = 0
    maximum: int = 2**53
    longest: int = MAX_TEXT
    needed: bool = False
    beside: bool = False


@dataclass(frozen=True, slots=True)
class Verb:
    """One thing the daemon does when asked.

    With ``exactly_one`` the arguments are alternatives, of which one must be given.
    """

    name: str
    help: str
    arguments: tuple[Argument, ...] = ()
    exactly_one: bool = False


_BY_CLIENT = Argument("by_client", Kind.FLAG, "Count by client too, which names them")

VERBS = (
    Verb("status", "How the daemon is: configuration, captures, firewall, counters"),
    Verb(
        "grants",
        "Open doors, and who is connected",
        (Argument("limit", Kind.NUMBER, "At most so many, those that close last (default 2000)"),),
    ),
    Verb(
        "events",
        "What happened, oldest first",
        (
            Argument("limit", Kind.NUMBER, "At most so many events (default 100)", maximum=1000),
            Argument("after", Kind.NUMBER, "Only events with a higher id"),
            Argument("before", Kind.NUMBER, "Only events with a lower id"),
            Argument("follow", Kind.FLAG, "Keep the connection and send events as they happen"),
        ),
    ),
    Verb(
        "revoke",
        "Close open doors now",
        (
            Argument("id", Kind.TEXT, "The door with this id"),
            Argument("client", Kind.TEXT, "All doors of this client"),
            Argument("address", Kind.TEXT, "All doors for this address"),
            Argument("all", Kind.FLAG, "All doors"),
            Argument("cut", Kind.FLAG, "Cut their connections too", beside=True),
        ),
        exactly_one=True,
    ),
    Verb("reload", "Read the configuration anew; a faulty one changes nothing"),
    Verb(
        "explain",
        "What would become of a packet and why, step by step; nothing happens",
        (
            Argument(
                "payload",
                Kind.TEXT,
                "The packet's payload in base64",
                longest=(MAX_PACKET + 2) // 3 * 4,
                needed=True,
            ),
            Argument("source", Kind.TEXT, "The address it comes from"),
            Argument("destination", Kind.TEXT, "The address it is sent to"),
        ),
    ),
    Verb("clients", "The clients in force, in file order; no keys"),
    Verb(
        "rehearse",
        "What would become of a knock made with a client's keys; nothing is sent, nothing happens",
        (
            Argument("client", Kind.NUMBER, "The client's number in file order", 1, needed=True),
            Argument("access", Kind.TEXT, "The ports to ask for: tcp/22", needed=True),
            Argument("source", Kind.TEXT, "The address it comes from", needed=True),
            Argument("allow_ip", Kind.TEXT, "The address to let in, if not the one it comes from"),
            Argument("nat", Kind.TEXT, "The inside host to be led to: 192.168.1.5,22"),
            Argument("timeout", Kind.NUMBER, "Seconds to ask for", maximum=65535),
        ),
    ),
    Verb(
        "watch",
        "Explain the next packets, to be read with watched",
        (Argument("seconds", Kind.NUMBER, "For so long (default 60)", 1, 300),),
    ),
    Verb("watched", "The packets explained since watch, newest first"),
    Verb(
        "exposed",
        "Ports of clients at which anybody gets in without a knock, by others' firewall rules",
        (
            Argument("ports", Kind.TEXT, "Look at these ports, whosesoever they are: tcp/22"),
            Argument("anew", Kind.FLAG, "Look again, whatever was found in the last half minute"),
        ),
    ),
    Verb(
        "metrics",
        "How the daemon is and what it did, in numbers, as OpenMetrics text",
        (_BY_CLIENT,),
    ),
    Verb(
        "scrape",
        "The same for somebody on the network who has the token of the configuration",
        (Argument("token", Kind.TEXT, "The token he gave", needed=True), _BY_CLIENT),
    ),
)
