"""A daemon that says what a test wants, behind the real control server."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fwknopd.control.protocol import VerbError
from fwknopd.control.server import ControlServer

Json = dict[str, Any]
NOW = 1_795_300_000.0

STATUS: Json = {
    "version": "0.1.0",
    "pid": 412,
    "uptime": 4321.0,
    "time": NOW,
    "configuration": {
        "source": "uci",
        "file": "/etc/config/fwknopd",
        "enabled": True,
        "loaded_at": NOW - 4321,
        "problems": [],
        "last_error": None,
        "detail": "",
    },
    "captures": [
        {
            "name": "pppoe-wan",
            "kind": "pcap",
            "state": "capturing",
            "detail": "",
            "received": 42,
            "dropped": 0,
            "since": NOW - 4000,
        }
    ],
    "firewall": {"backend": "nftables", "ready": True, "detail": ""},
    "clients": 2,
    "replay": {"entries": 3, "limit": 20_000, "full": False},
    "counters": {"accepted": 3},
    "grants": 1,
    "log": {"lost": [], "warnings": []},
    "clock": {"ok": True, "detail": ""},
}


def door(**more: object) -> Json:
    """One open door, as the daemon reports it."""
    usual = {
        "id": "g1",
        "client": "Anna's phone",
        "address": "198.51.100.23",
        "port": "tcp/22",
        "nat": None,
        "local": False,
        "opened": NOW - 4,
        "expires": NOW + 26,
        "connections": 2,
    }
    return usual | more


def verdict(**more: object) -> Json:
    """One knock's event, as the daemon reports it."""
    usual = {
        "id": 1,
        "time": NOW - 4,
        "event": "verdict",
        "source": "198.51.100.23",
        "client": "Anna's phone",
        "verdict": "refuse",
        "reason": "too-old",
        "request": "198.51.100.23,tcp/22",
        "detail": "187 seconds",
    }
    return usual | more


EXPLANATION: Json = {
    "packet": [{"check": "size", "outcome": "passed", "detail": "227 bytes"}],
    "clients": [
        {
            "client": "Anna's phone",
            "number": 1,
            "outcome": "refuse",
            "reason": "port-not-allowed",
            "steps": [
                {"check": "hmac", "outcome": "passed", "detail": "the HMAC (sha256) fits"},
                {"check": "ports", "outcome": "failed", "detail": "tcp/25 is not among them"},
            ],
            "fields": {"user": "fwknopd-test"},
        },
        {
            "client": "Laptop",
            "number": 2,
            "outcome": "foreign",
            "reason": "no-client-matched",
            "steps": [{"check": "hmac", "outcome": "failed", "detail": "made with other keys"}],
            "fields": {},
        },
    ],
    "clients_left_out": 3,
    "verdict": {
        "outcome": "refuse",
        "reason": "port-not-allowed",
        "client": "Anna's phone",
        "detail": "tcp/25 is not among them",
    },
}
"""What a daemon says of a knock for a port its client may not open."""


EXPOSED: Json = {
    "ports": [
        {
            "port": "tcp/22",
            "device": "pppoe-wan",
            "versions": [4, 6],
            "reach": "open",
            "how": "rule",
            "name": "Allow-SSH",
            "chain": "inet fw4 input_wan",
            "leads_to": "",
            "clients": ["Anna's phone"],
        }
    ],
    "closed": ["udp/51820"],
    "devices": ["pppoe-wan"],
    "detail": "",
    "more": 0,
}
"""What a daemon says of a port that a firewall rule opens to everybody."""


class StubDaemon:
    """Canned answers on a real socket, in a thread of its own."""

    def __init__(self, path: Path) -> None:
        self.status: Json = STATUS
        self.doors: list[Json] = []
        self.past: list[Json] = []
        self.unread = self.uncounted = ""
        self.cut_answer: Json = {"cut": 2, "spared": 0, "uncut": ""}
        self.events: list[Json] = []
        self.clients: list[Json] = []
        self.metrics = "# EOF\n"
        self.explanation: Json = EXPLANATION
        self.exposed: Json = {"ports": [], "closed": [], "devices": [], "detail": "", "more": 0}
        self.watched: Json = {"now": NOW, "until": 0, "packets": [], "more": 0}
        self.reload_answer: Json = {"reloaded": True, "problems": []}
        self.origin: Json = {"source": "uci", "file": "fwknopd"}
        self.refusal: VerbError | None = None
        self.refused_verbs: dict[str, VerbError] = {}
        self.on_reload: Callable[[], None] = lambda: None
        self.asked: list[tuple[str, Json]] = []
        self._server = ControlServer(path, {verb: self._verb(verb) for verb in _VERBS})
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> StubDaemon:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End it; doing that twice does no harm."""
        self._wake.close()
        self._thread.join()
        self._woken.close()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            self._server.attach(selector)
            selector.register(self._woken, selectors.EVENT_READ, None)
            running = True
            while running:
                for key, mask in selector.select():
                    running = key.data is not None
                    if running:
                        key.data(mask)
            self._server.close()

    def _verb(self, verb: str) -> Callable[[Json], Json]:
        def answer(arguments: Json) -> Json:
            self.asked.append((verb, arguments))
            if refusal := self.refused_verbs.get(verb, self.refusal):
                raise refusal
            return _VERBS[verb](self)

        return answer

    def reloads(self) -> int:
        """How often the daemon was told to read its configuration anew."""
        return sum(1 for verb, _ in self.asked if verb == "reload")

    def _reload(self) -> Json:
        self.on_reload()
        return self.reload_answer | self.origin

    def _grants(self) -> Json:
        told = {"unread": self.unread, "uncounted": self.uncounted}
        return {"now": NOW, "grants": self.doors, "past": self.past, **told}

    def _events(self) -> Json:
        asked = self.asked[-1][1]
        end = asked.get("before", 2**53)
        known = [event for event in self.events if event["id"] < end]
        return {"events": known[-asked.get("limit", 100) :], "last": len(self.events)}

    def _revoke(self) -> Json:
        cut = self.cut_answer if self.asked[-1][1].get("cut") else {"cut": None}
        return {"revoked": len(self.doors[:1]), **cut}


_VERBS: dict[str, Callable[[StubDaemon], Json]] = {
    "status": lambda daemon: daemon.status,
    "grants": StubDaemon._grants,
    "events": StubDaemon._events,
    "revoke": StubDaemon._revoke,
    "reload": StubDaemon._reload,
    "clients": lambda daemon: {"clients": daemon.clients},
    "rehearse": lambda daemon: daemon.explanation,
    "watch": lambda daemon: daemon.watched,
    "watched": lambda daemon: daemon.watched,
    "exposed": lambda daemon: daemon.exposed,
    "scrape": lambda daemon: {"text": daemon.metrics},
}
