"""Ends connections for good: deletes them, and puts a dead end in the place of each.

A router takes up a connection in the middle that it does not know, whoever speaks first
(nf_conntrack_tcp_loose, and any UDP). What the client sends is then new to the ruleset,
which drops it, as the door is closed. But what the server sends passes, and after that the
client's packets are answers to it: the connection lives again. So in the place of one that
is cut comes an entry that takes the server's packets. Nothing the client sends belongs to
it, so that stays new, and is dropped.

Where the kernel can translate, the server's packets are led to this router's loopback. A
server on the router is answered from there that nobody is listening, and hangs up; what a
server of the LAN sends is dropped.
"""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from fwknopd.firewall.ctnetlink import (
    TCP,
    UDP,
    Entry,
    create_dead_end,
    delete_entry,
    delete_way,
)
from fwknopd.firewall.netlink import Request
from fwknopd.firewall.netlink_socket import NetlinkSocket
from fwknopd.flows import IsLocal, Passage, Way, fits
from fwknopd.grants import Door
from fwknopd.policy.stanza import Address

DEAD_END_SECONDS = 3 * 3600
"""Longer than a server stays with a connection that doesn't answer: two hours to the first
TCP keepalive, and some 15 minutes of attempts after that."""

UNANSWERED_SECONDS = 120
"""For a server that has yet to answer over UDP. An answer to a TCP connection that is only
asked for is none to the kernel, once the entry is gone."""

MOST = 4000
"""Dead ends put at a time, which takes a router a second or two. Somebody who has more
connections than that has made them to be in the way."""

REMEMBERED = 2000
"""Dead ends remembered, so that they can be removed when the client is let in again."""

ATTEMPTS = 5

NOWHERE: dict[int, Address] = {
    # On loopback: where nobody listens, and where no packet from outside may come from.
    4: IPv4Address("127.255.255.254"),
    6: IPv6Address("::1"),
}


@dataclass(frozen=True, slots=True)
class Doomed:
    """A connection to end: the door it came in by, and how."""

    entry: Entry
    door: Door
    passage: Passage

    @property
    def way(self) -> Way:
        """How the server's packets go, before they are translated."""
        return self.passage.inside.back

    @property
    def seconds(self) -> int:
        """How long there has to be a dead end; 0 is not at all."""
        if self.way.protocol not in (TCP, UDP):
            # Without ports it can't be told from the next connection between the same ends.
            return 0
        if self.way.protocol == TCP:
            return 0 if self.entry.begins else DEAD_END_SECONDS
        return DEAD_END_SECONDS if self.entry.answered else UNANSWERED_SECONDS


@dataclass(slots=True)
class Ended:
    """How many were cut, by door, and what is left.

    ``offloaded`` ones the kernel did not let go of; ``beyond`` were too many to get a dead
    end each; ``fault`` is the errno of anything else that went wrong, 0 for nothing.
    """

    by_door: Counter[Door] = field(default_factory=Counter)
    offloaded: int = 0
    beyond: int = 0
    fault: int = 0


class DeadEnds:
    """Puts dead ends, and takes them away when they are in the way."""

    def __init__(self) -> None:
        self._translates = True
        # By the client's address, oldest first.
        self._placed: dict[Address, list[tuple[Passage, bytes]]] = {}
        self._count = 0

    def put(self, netlink: NetlinkSocket, doomed: Sequence[Doomed]) -> Ended:
        """End these connections. Raises OSError."""
        ended = Ended()
        errors = netlink.do([delete_entry(each.entry) for each in doomed])
        gone = []
        for each, code in zip(doomed, errors, strict=True):
            if code == errno.EBUSY:
                ended.offloaded += 1
            elif code not in (0, errno.ENOENT):
                ended.fault = code
            else:
                # One that both ends have closed was none any more.
                ended.by_door[each.door] += code == 0 and not each.entry.closed
                gone.append(each)
        # Those that most surely are sessions first.
        open_ways = sorted((e for e in gone if e.seconds), key=lambda each: -each.seconds)
        ended.beyond = len(open_ways[MOST:])
        ended.fault = self._close(netlink, open_ways[:MOST]) or ended.fault
        return ended

    def _close(self, netlink: NetlinkSocket, waiting: list[Doomed]) -> int:
        """Put a dead end for each; the errno of what went wrong."""
        code = 0
        for _ in range(ATTEMPTS):
            if not waiting:
                return 0
            # The server may have spoken since, and got itself a new connection.
            steps = [step for each in waiting for step in self._steps(each)]
            codes = netlink.do(steps)[1::2]
            for each in (each for each, code in zip(waiting, codes, strict=True) if not code):
                self._remember(each.passage, each.entry.zone)
            waiting = [each for each, code in zip(waiting, codes, strict=True) if code]
            code = max(codes)
            self._translates = self._translates and errno.EOPNOTSUPP not in codes
        return code

    def _steps(self, doomed: Doomed) -> tuple[Request, Request]:
        way, zone = doomed.way, doomed.entry.zone
        nowhere = NOWHERE[way.source.version]
        return (
            delete_way(way, zone),
            create_dead_end(way, zone, nowhere, doomed.seconds, translated=self._translates),
        )

    def _remember(self, passage: Passage, zone: bytes) -> None:
        self._placed.setdefault(passage.outside.source, []).append((passage, zone))
        self._count += 1
        while self._count > REMEMBERED:
            self._count -= len(self._placed.pop(next(iter(self._placed))))

    def near(self, doors: Collection[Door]) -> list[Address]:
        """Clients of ``doors`` with a connection that was cut."""
        if not self._placed:
            return []
        return [
            address
            for door in doors
            for address in ((door.address,) if door.prefix is None else tuple(self._placed))
            if address in self._placed and address in door.network
        ]

    def remove(self, netlink: NetlinkSocket, doors: Collection[Door], is_local: IsLocal) -> None:
        """Take away what is in the way of what ``doors`` let in. Raises OSError."""
        removed = []
        for address in self.near(doors):
            placed = self._placed.pop(address, [])
            self._count -= len(placed)
            for passage, zone in placed:
                if any(fits(passage, door, is_local) for door in doors):
                    removed.append(delete_way(passage.inside.back, zone))
                else:
                    self._remember(passage, zone)
        netlink.do(removed)
