"""Looking at doors from outside: SYNs that are answered or not, and the kernel's own notices.

On one computer the answer to a SYN comes within the system call that sent it, so a SYN
without an answer costs some 30 us, and the moment a door opens is known to a quarter of a
millisecond.
"""

from __future__ import annotations

import errno
import select
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle

from fwknopd.firewall.netlink_socket import SOL_NETLINK, open_socket
from fwknopd.firewall.nfnetlink import NFNLGRP_NFTABLES, Nft
from fwknopd.firewall.nft_socket import NETLINK_ADD_MEMBERSHIP
from tests.bench.site import ROUTER, SPA_PORT, SSH, Site

SYN_EVERY = 0.000_25
"""Seconds between two SYNs while a door is waited for."""

SCAN_BATCH = 500
_SCAN_WAIT = 0.02
_ABORT = struct.pack("=ii", 1, 0)
_HEADER = struct.Struct("=IHHII")
# In turn, and not as the kernel picks them: a port that comes again soon could meet what
# connection tracking still knows of its last connection.
_PORTS = cycle(range(10_000, 60_000))
_NEWS = frozenset({Nft.NEWSETELEM, Nft.NEWRULE})


@dataclass(frozen=True, slots=True)
class Opened:
    """Seconds from sending a knock to the first connection, and to the rule in the kernel.

    ``rule`` is None on a firewall that announces nothing.
    """

    connection: float
    rule: float | None


class Notices:
    """Tells when a rule or set element has come into the router's nftables."""

    def __init__(self, site: Site) -> None:
        with site.router.entered():
            self._socket = open_socket(0.0)
        self._socket.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTABLES)

    def fileno(self) -> int:
        """Readable when there is news."""
        return self._socket.fileno()

    def take(self) -> bool:
        """Read all there is: was something added?"""
        added = False
        while True:
            try:
                data = self._socket.recv(1 << 16)
            except BlockingIOError:
                return added
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                continue
            added = added or any(kind in _NEWS for kind in _kinds(data))

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class Prober:
    """Visitors outside, who try doors. Made and used inside the outside machine."""

    def __init__(self, site: Site, *, announces: bool) -> None:
        self._site = site
        self._notices = Notices(site) if announces else None
        self._sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def send(self, packet: bytes) -> None:
        """Send a knock."""
        self._sender.sendto(packet, (ROUTER, SPA_PORT))

    def is_open(self, visitor: str, port: int = SSH, patience: float = SYN_EVERY) -> bool:
        """Is a SYN of this visitor answered?"""
        with _began(visitor, port) as probe:
            answered = _answered(probe, patience)
        self._site.hang_up()
        return answered

    def knock(
        self, packet: bytes, visitor: str, *, port: int = SSH, limit: float = 10.0
    ) -> Opened | None:
        """Send a knock and wait for its door; None if it is still shut after ``limit`` seconds."""
        if self._notices is not None:
            self._notices.take()
        rule = None
        started = time.perf_counter()
        self.send(packet)
        while (now := time.perf_counter() - started) < limit:
            with _began(visitor, port) as probe:
                heard = self._wait(probe)
                now = time.perf_counter() - started
                if heard and rule is None and self._notices is not None and self._notices.take():
                    rule = now
                if _answered(probe, 0):
                    break
        else:
            return None
        if rule is None and self._notices is not None and self._notices.take():
            rule = now
        self._site.hang_up()
        return Opened(now, rule)

    def _wait(self, probe: socket.socket) -> bool:
        """Until the SYN is answered, there is news, or the next SYN is due; is there news?"""
        listening = [] if self._notices is None else [self._notices]
        news, _, _ = select.select(listening, [probe], [], SYN_EVERY)
        return bool(news)

    def open_among(self, visitors: Sequence[str], port: int = SSH) -> set[str]:
        """Those who get in now."""
        found: set[str] = set()
        for start in range(0, len(visitors), SCAN_BATCH):
            found |= self._scan(visitors[start : start + SCAN_BATCH], port)
        return found

    def _scan(self, visitors: Sequence[str], port: int) -> set[str]:
        probes = [(visitor, _began(visitor, port)) for visitor in visitors]
        waiting = select.poll()
        for _, probe in probes:
            waiting.register(probe, select.POLLOUT)
        deadline = time.monotonic() + _SCAN_WAIT
        answered: set[int] = set()
        while len(answered) < len(probes) and time.monotonic() < deadline:
            for descriptor, _ in waiting.poll(2):
                answered.add(descriptor)
                waiting.unregister(descriptor)
        found = {v for v, probe in probes if probe.fileno() in answered and _answered(probe, 0)}
        for _, probe in probes:
            probe.close()
        self._site.hang_up()
        return found

    def close(self) -> None:
        """Close the sockets."""
        self._sender.close()
        if self._notices is not None:
            self._notices.close()


@dataclass(slots=True)
class Waiting:
    """A door that is waited for, since when."""

    visitor: str
    since: float


class Round:
    """Several doors waited for at once, tried in turn: for knocks that may get lost."""

    def __init__(self, prober: Prober) -> None:
        self._prober = prober
        self._waiting: deque[Waiting] = deque()
        self.seconds: list[float] = []
        self.sent = 0

    def knock(self, packet: bytes, visitor: str) -> None:
        """Send a knock; its door is tried from now on."""
        self._waiting.append(Waiting(visitor, time.perf_counter()))
        self.sent += 1
        self._prober.send(packet)

    def run(self, until: float, idle: Callable[[float], None] = time.sleep) -> None:
        """Try doors until this moment of `time.perf_counter`."""
        while (now := time.perf_counter()) < until:
            if not self._waiting:
                idle(until - now)
                return
            self._try_next()

    def finish(self, seconds: float) -> None:
        """Try doors until all are open, for so long at most."""
        deadline = time.perf_counter() + seconds
        while self._waiting and time.perf_counter() < deadline:
            self._try_next()

    def _try_next(self) -> None:
        waiting = self._waiting.popleft()
        if self._prober.is_open(waiting.visitor):
            self.seconds.append(time.perf_counter() - waiting.since)
        else:
            self._waiting.append(waiting)


def _began(visitor: str, port: int) -> socket.socket:
    """A connection on its way; closing it, open or not, leaves nothing behind."""
    probe = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
    probe.bind((visitor, next(_PORTS)))
    with suppress(BlockingIOError):
        probe.connect((ROUTER, port))
    return probe


def _answered(probe: socket.socket, patience: float) -> bool:
    _, ready, _ = select.select([], [probe], [], patience)
    return bool(ready) and not probe.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def _kinds(data: bytes) -> list[int]:
    kinds, offset = [], 0
    while offset + _HEADER.size <= len(data):
        length, kind, *_ = _HEADER.unpack_from(data, offset)
        kinds.append(kind)
        offset += max(length + (-length & 3), _HEADER.size)
    return kinds
