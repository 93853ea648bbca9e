"""Rounds of a router's life: some knock, and some try what they sniffed."""

from __future__ import annotations

import random
import socket
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from math import inf

from tests.lab.configs import SPA_PORT
from tests.lab.events import Event
from tests.netns.faults.router import Router
from tests.netns.matrix.guarded import ANSWER_SECONDS
from tests.netns.matrix.site import ROUTER
from tests.netns.soak.books import Books
from tests.netns.soak.clients import EVERYBODY, Client, junk
from tests.netns.soak.gauges import Gauges

KNOCKS, COPIES, JUNK = 20, 2, 30
"""Packets of a round."""

ROUND_SECONDS = 0.4
LONGEST_DOOR = 6


@dataclass
class Life:
    """What has been so far."""

    router: Router
    chance: random.Random
    longest: int = LONGEST_DOOR
    pause: float = ROUND_SECONDS
    books: Books = field(default_factory=Books)
    disabled: frozenset[Client] = frozenset()
    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    sniffed: list[bytes] = field(default_factory=list)
    lost_at: float = -inf
    _read: int = 0

    def __post_init__(self) -> None:
        self.gauges = Gauges(self.router.pid)

    def round(self) -> None:
        """Knock, look who is in, and wait for the rest of the round."""
        began = time.monotonic()
        self.knock()
        self.look()
        self.gauges.look(time.monotonic())
        time.sleep(max(0.0, began + self.pause - time.monotonic()))

    # Knocks

    def knock(self) -> None:
        """Some clients knock, and each is answered as it should be."""
        chosen = self.chance.sample(EVERYBODY, KNOCKS)
        mark = self.router.guarded.events.mark()
        packets = [(c.home.phone, c.knock(self.chance.randint(1, self.longest))) for c in chosen]
        strangers = [c.home.beyond for c in self.chance.sample(EVERYBODY, JUNK)]
        self.send([*packets, *((stranger, junk()) for stranger in strangers)])
        # As the last, for what comes before the packet itself would be the packet.
        self.send((c.home.near, copy) for c, copy in zip(chosen, self.sniffed, strict=False))
        for client in chosen:
            self._judge(client, self._verdict(client.home.phone, mark))
        self.sniffed = [packet for _, packet in packets[:COPIES]]
        self.counts["junk"] += JUNK

    def send(self, packets: Iterable[tuple[str, bytes]]) -> None:
        """Send packets from addresses of the Internet."""
        with self.router.guarded.site.outside.entered():
            for source, payload in packets:
                with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sender:
                    sender.bind((source, 0))
                    sender.sendto(payload, (ROUTER[4], SPA_PORT))

    def _verdict(self, phone: str, mark: int) -> Event:
        return self.router.guarded.events.wait_for(
            lambda event: event["event"] == "verdict" and event["source"] == phone,
            since=mark,
            timeout=ANSWER_SECONDS,
        )

    def _judge(self, client: Client, verdict: Event) -> None:
        self.counts["knocks"] += 1
        known = client not in self.disabled
        if (verdict["verdict"] == "accept") is not known:
            self.wrong.append(f"{client.name} was {'known' if known else 'disabled'}: {verdict}")

    # Doors

    def look(self) -> None:
        """Compare what was said with what the kernel has."""
        self.read()
        began = time.time()
        held = set(self.router.held())
        ended = time.time()
        self.read()
        self.books.compare(held, began, ended)
        self.counts["looks"] += 1
        self.counts["doors seen"] += len(held)

    def read(self) -> None:
        """Enter into the books what was said since."""
        # What was done is said by the time a question is answered.
        self.router.guarded.ask("status")
        events = self.router.guarded.events.since(self._read)
        self._read += len(events)
        for event in events:
            self.books.enter(event)
            copied = event["event"] == "verdict" and event["source"].endswith(".12")
            self.counts["copies refused"] += copied and event["reason"] == "replay"
            if copied and event["verdict"] == "accept":
                self.wrong.append(f"a copy was taken: {event}")

    def end(self) -> None:
        """Wait until every door has closed."""
        last = time.monotonic() + self.longest + ANSWER_SECONDS
        while self.books.open or self.router.held():
            assert time.monotonic() < last, f"still open: {self.books.open}"
            time.sleep(0.2)
            self.read()
