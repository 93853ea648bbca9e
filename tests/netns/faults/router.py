"""The router of the matrix, and whether the daemon and the kernel agree about its doors."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.lab.events import Event
from tests.netns.matrix.attempts import Attempt
from tests.netns.matrix.guarded import Guarded
from tests.netns.matrix.kinds import PLACES, Kind
from tests.netns.matrix.knocking import packet, send
from tests.netns.matrix.site import Home
from tests.netns.matrix.walk_doors import WALKED

__all__ = ["NAT", "TCP", "Attempt", "Knock", "Router"]

TCP, NAT = (next(kind for kind in WALKED if kind.name == name) for name in ("tcp", "nat"))
AGREE_SECONDS = 20.0
_SOURCE = re.compile(r"-s ([\d.]+)/32 ")


@dataclass(frozen=True, slots=True)
class Knock:
    """One packet of a phone's, which may be sent more than once."""

    kind: Kind
    home: Home
    payload: bytes

    @property
    def client(self) -> str:
        """Whose it is."""
        return self.kind.client(self.home.version)


class Router:
    """A guarded router, at whose door another phone knocks each time."""

    def __init__(self, guarded: Guarded) -> None:
        self.guarded = guarded
        self._homes = self._next_homes()

    @property
    def pid(self) -> int:
        """The daemon's process."""
        return self.guarded.daemon.process.pid

    # Knocks

    def made(self, seconds: int, kind: Kind = TCP, ahead: float = 0.0) -> Knock:
        """A knock of a phone that has not knocked for a long time.

        Its clock is ``ahead`` of this machine's by so many seconds.
        """
        home = next(self._homes)
        return Knock(kind, home, packet(kind, home, seconds, ahead))

    def send(self, knock: Knock) -> int:
        """Send it; where in the events its verdict will be."""
        mark = self.guarded.events.mark()
        address = PLACES[knock.kind.knocks_at][knock.home.version]
        send(self.guarded.site.outside, knock.payload, knock.home.phone, address)
        return mark

    def verdict(self, knock: Knock) -> Event:
        """Send it, and wait for what becomes of it."""
        return self.verdict_on(knock, self.send(knock))

    def verdict_on(self, knock: Knock, mark: int) -> Event:
        """Wait for what becomes of a knock sent at ``mark``."""
        phone = knock.home.phone
        return self.guarded.heard(
            mark, lambda event: event["event"] == "verdict" and event["source"] == phone
        )

    def let_in(self, seconds: int = 60, kind: Kind = TCP, ahead: float = 0.0) -> Knock:
        """A knock that must be granted."""
        knock = self.made(seconds, kind, ahead)
        said = self.verdict(knock)
        assert said["verdict"] == "accept", said
        return knock

    def _next_homes(self) -> Iterator[Home]:
        while True:
            for number in range(3, 120, 2):
                yield Home(number, 4)

    # Doors

    def held(self) -> dict[str, float]:
        """What the kernel has, asked without the daemon: seconds left for each address."""
        site = self.guarded.site.router
        if self.guarded.arena.backend == "nftables":
            found = site.run("nft", "-j", "list", "table", "inet", "fwknopd", check=False)
            return dict(_elements(json.loads(found or "{}")))
        now, rules = time.time(), self.guarded.arena.held(self.guarded.site).items()
        named = [(_SOURCE.search(rule), end) for rule, end in rules]
        return {source[1]: end - now for source, end in named if source}

    def listed(self) -> dict[str, str]:
        """Whose doors the daemon says are open, by address."""
        grants = self.guarded.ask("grants")["grants"]
        return {grant["address"]: grant["client"] for grant in grants}

    def assert_accounted_for(self, *clients: str) -> None:
        """Kernel and daemon have the same doors, and every one is of one of ``clients``."""
        end = time.monotonic() + AGREE_SECONDS
        while True:
            held, listed = set(self.held()), self.listed()
            if held == set(listed):
                break
            # A door may just have shut, and a list is not made anew for everyone who asks.
            assert time.monotonic() < end, f"the kernel has {held}, the daemon {listed}"
        strangers = set(listed.values()) - {*clients, *((TCP.client(4),) if not clients else ())}
        assert not strangers, listed

    def close_all(self) -> None:
        """Revoke every door; the kernel has none then."""
        self.guarded.ask("revoke", all=True)
        assert not self.held()


def _elements(found: Any) -> Iterator[tuple[str, float]]:
    """Each set element with an end, by the first address in it."""
    if isinstance(found, dict):
        if "expires" in found:
            yield _address(found["val"]), float(found["expires"])
        for value in found.values():
            yield from _elements(value)
    elif isinstance(found, list):
        for value in found:
            yield from _elements(value)


def _address(value: Any) -> str:
    parts = value["concat"] if isinstance(value, dict) else [value]
    return next(part for part in parts if isinstance(part, str) and "." in part)
