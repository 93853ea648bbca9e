"""The live connections of doors, counted and cut through ctnetlink, without any program.

Every answer of the kernel's is looked at again here: an old kernel hands out more than it
was asked for.
"""

from __future__ import annotations

import errno
import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, suppress

from fwknopd.connections import Counted, Cut
from fwknopd.firewall.ctnetlink import (
    Entry,
    dump_entries,
    dump_entries_of,
    get_statistics,
    is_of,
    parse_entry,
)
from fwknopd.firewall.dead_ends import DeadEnds, Doomed, Ended
from fwknopd.firewall.netlink import NLM_F_DUMP_FILTERED, Keep, Message
from fwknopd.firewall.netlink_socket import NetlinkSocket
from fwknopd.firewall.own_addresses import OwnAddresses
from fwknopd.flows import DoorIndex
from fwknopd.grants import Door
from fwknopd.policy.stanza import Address

COUNT_SECONDS = 0.5
"""Counting takes no longer; what can't be counted in that time is unknown."""

CUT_SECONDS = 2.0
"""Looking for connections to cut takes no longer; those found by then are cut."""

FEW_ADDRESSES = 4
"""Up to here the kernel is asked for each address by itself. It looks through its whole
table each time, but hands out little; above that, everything at once is quicker."""

NOT_ALLOWED = (
    "not allowed to look at the kernel's connections: needs CAP_NET_ADMIN. "
    "Start fwknopd as root, or give its service that capability"
)
NO_MODULE = (
    "the kernel can't be asked for its connections: its module nf_conntrack_netlink is "
    "missing. On OpenWrt, install kmod-nf-conntrack-netlink"
)
TOO_MANY = "there are too many connections to look at them all in time"


class Conntrack:
    """The kernel's table of connections. Nothing of it raises."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._filters = True
        self._dead_ends = DeadEnds()

    def problem(self) -> str:
        """Why connections can be neither counted nor cut; "" when they can."""
        try:
            with closing(NetlinkSocket()) as netlink:
                netlink.ask(get_statistics())
        except OSError as error:
            return _words(error)
        return ""

    def count(self, doors: Collection[Door]) -> Counted:
        """The live connections of ``doors``."""
        counts: Counter[Door] = Counter()
        try:
            with closing(NetlinkSocket()) as netlink, closing(OwnAddresses()) as own:
                index = DoorIndex(doors, own.has)
                for entry in self._entries(netlink, index, COUNT_SECONDS):
                    if not entry.closed:
                        counts.update(door for door, _ in index.passages(entry.flow))
        except (OSError, ValueError) as error:
            return Counted(problem=_words(error))
        return Counted(counts)

    def cut(self, closed: Collection[Door], still_open: Collection[Door]) -> Cut:
        """End the connections of ``closed`` for good, but for those of doors ``still_open``.

        The firewall must have closed the doors before.
        """
        try:
            with closing(NetlinkSocket()) as netlink, closing(OwnAddresses()) as own:
                return self._cut(
                    netlink, DoorIndex(closed, own.has), DoorIndex(still_open, own.has)
                )
        except (OSError, ValueError) as error:
            return Cut(problem=_words(error))

    def opened(self, doors: Collection[Door]) -> None:
        """``doors`` have opened: remove the dead ends of connections they let in."""
        if self._dead_ends.near(doors):
            with (
                suppress(OSError),
                closing(NetlinkSocket()) as netlink,
                closing(OwnAddresses()) as own,
            ):
                self._dead_ends.remove(netlink, doors, own.has)

    def _cut(self, netlink: NetlinkSocket, closed: DoorIndex, still_open: DoorIndex) -> Cut:
        doomed: list[Doomed] = []
        spared, problem = 0, ""
        try:
            for entry in self._entries(netlink, closed, CUT_SECONDS):
                passages = closed.passages(entry.flow)
                if passages and still_open.passages(entry.flow):
                    spared += not entry.closed
                elif passages:
                    doomed.append(Doomed(entry, *passages[0]))
        except TimeoutError:
            problem = TOO_MANY
        with closing(NetlinkSocket()) as fresh:
            ended = self._dead_ends.put(fresh, doomed)
        return Cut(ended.by_door, spared, problem or _what_is_left(ended))

    def _entries(self, netlink: NetlinkSocket, index: DoorIndex, seconds: float) -> Iterator[Entry]:
        """Connections that may be those of the doors. Raises OSError and ValueError."""
        due, knows = self._monotonic() + seconds, index.knows()

        def keep(data: bytes, start: int, end: int) -> bool:
            if self._monotonic() > due:
                raise TimeoutError(errno.ETIMEDOUT, TOO_MANY)
            return is_of(data, start, end, knows)

        seen: set[bytes] = set()
        for message in self._messages(netlink, index, keep):
            entry = parse_entry(message)
            if entry.key not in seen:
                seen.add(entry.key)
                yield entry

    def _messages(self, netlink: NetlinkSocket, index: DoorIndex, keep: Keep) -> Iterator[Message]:
        for version in sorted(index.versions):
            addresses = index.addresses(version)
            if version == 4 and self._filters and addresses and len(addresses) <= FEW_ADDRESSES:
                yield from self._messages_of(netlink, addresses, keep)
                if self._filters:
                    continue
            yield from netlink.answers(dump_entries(version), keep)

    def _messages_of(
        self, netlink: NetlinkSocket, addresses: Collection[Address], keep: Keep
    ) -> Iterator[Message]:
        """What the kernel has for single addresses of IPv4; finds out whether it can filter."""
        for address in addresses:
            for begun in (True, False):
                request = dump_entries_of(address, begun=begun)
                for message in netlink.answers(request, _also_the_first(keep)):
                    self._filters = self._filters and bool(message.flags & NLM_F_DUMP_FILTERED)
                    yield message


def _also_the_first(keep: Keep) -> Keep:
    """What ``keep`` says, and one message whatever it is: for what stands in its header."""
    first = iter((True,))
    return lambda data, start, end: keep(data, start, end) or next(first, False)


def _what_is_left(ended: Ended) -> str:
    """Why connections live on, "" when none does."""
    if ended.offloaded:
        return (
            f"{ended.offloaded} of them are offloaded, and this kernel does not let go of those; "
            "they end when they have been silent for a while, or when the firewall restarts"
        )
    if ended.beyond:
        return f"{ended.beyond} of them were too many, and may come back when a server speaks"
    if ended.fault:
        return f"the kernel did not end all of them for good: {os.strerror(ended.fault)}"
    return ""


def _words(error: OSError | ValueError) -> str:
    if not isinstance(error, OSError):
        return f"the kernel's list of connections can't be understood: {error}"
    if isinstance(error, PermissionError):
        return NOT_ALLOWED
    if error.errno in (errno.EINVAL, errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT):
        return NO_MODULE
    if isinstance(error, TimeoutError):
        return TOO_MANY if error.errno == errno.ETIMEDOUT else "the kernel did not answer in time"
    return f"the kernel can't be asked for its connections: {os.strerror(error.errno or 0)}"
