"""A router for tests of restarts: its two clocks, its flash, its run directory in memory."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import count
from pathlib import Path

from fwknopd.engine import Engine, EngineSettings
from fwknopd.events import EventLog
from fwknopd.firewall.log_only import LogOnlyFirewall
from fwknopd.policy.packet import Packet
from fwknopd.policy.settings import PolicySettings
from fwknopd.policy.verdict import Reason, Refusal
from fwknopd.replay_journal import ReplayJournal
from fwknopd.replay_memory import ReplayMemory
from fwknopd.spa.message import MessageType
from fwknopd.spa.packet import encode

from .conftest import KEYS, NOW, PHONE, Names, Runner, SteppedClock

AGE = 120
SERIAL = count(1)


@dataclass
class RouterClock(SteppedClock):
    """The clocks of a router, which may start in 1970."""

    def problem(self) -> str:
        return "" if self.wall >= NOW - 86_400 * 365 else "this clock was never set"

    def utc_offset(self, now: float) -> int:
        return 3600


class PowerCut(BaseException):
    """The process is gone."""


class Flash:
    """The disk under the journal: what was not synced is lost when the power goes away."""

    def __init__(self, path: Path) -> None:
        self.syncs = 0
        self.fails = False
        self.dies = False
        self._path = path
        self._safe = b""

    def sync(self, _descriptor: int) -> None:
        """In place of `os.fsync`."""
        if self.dies:
            raise PowerCut
        if self.fails:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self.syncs += 1
        self._safe = self._path.read_bytes() if self._path.exists() else b""

    def lose(self) -> None:
        """The power went away."""
        self.dies = False
        self._path.write_bytes(self._safe)


class CutOff(LogOnlyFirewall):
    """The power goes away when the first door is to be opened."""

    def open(self, doors: object) -> None:
        raise PowerCut


class Router:
    """One machine; `start` is a new process on it, and the old one was killed."""

    def __init__(self, folder: Path) -> None:
        self.clock = RouterClock(steady=86_400.0)
        self.path = folder / "flash" / "digest.cache"
        self.run_dir = folder / "run"
        self.run_dir.mkdir()
        self.former: Path | None = None
        self.settings = PolicySettings(max_spa_packet_age=AGE)

    def start(
        self, *, firewall: LogOnlyFirewall | None = None, runner: Runner | None = None
    ) -> Router:
        self.events = EventLog(self.clock.now)
        self.memory = ReplayMemory(
            ReplayJournal(self.path),
            self.clock,
            self.events,
            trace=self.run_dir / "fwknopd.ran",
            former=self.former,
        )
        self.memory.load(self.settings)
        self.engine = Engine(
            clock=self.clock,
            events=self.events,
            firewall=firewall or LogOnlyFirewall(self.clock.monotonic),
            memory=self.memory,
            look_up=Names().look_up,
            runner=runner or Runner(),
        )
        self.use(self.settings)
        return self

    def use(self, settings: PolicySettings) -> None:
        self.settings = settings
        self.engine.configure(EngineSettings(settings, (PHONE,), test=settings.test))

    def reboot(self) -> Router:
        """The run directory is memory, and 40 s pass until everything is up."""
        shutil.rmtree(self.run_dir)
        self.run_dir.mkdir()
        self.clock.wall += 40
        self.clock.steady = 40.0
        return self.start()

    def send(self, packet: Packet) -> str:
        verdict = self.engine.handle(packet)
        return str(verdict.reason if isinstance(verdict, Refusal) else Reason.ACCEPTED)

    def knock(self, ahead: int = 0) -> Packet:
        """A fresh packet of a phone whose clock is ``ahead`` of true time."""
        return packet_of(int(self.clock.now()) + ahead)

    def command(self, words: str) -> Packet:
        """A fresh packet that asks for a command."""
        return packet_of(int(self.clock.now()), MessageType.COMMAND, words)

    def later(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def errors(self) -> list[str]:
        return [event.detail for event in self.events.recent(100) if event.event == "error"]


def packet_of(
    timestamp: int, kind: MessageType = MessageType.ACCESS, what: str = "tcp/22"
) -> Packet:
    number = next(SERIAL)
    payload = encode(
        user="alice",
        timestamp=timestamp,
        rand=f"{number:016}",
        message_type=kind,
        message=f"192.0.2.7,{what}",
        keys=KEYS,
        salt=number.to_bytes(8, "big"),
    )
    source = ip_address("198.51.100.9")
    return Packet(payload, source, ip_address("203.0.113.1"), 40000, 62201, 17, "eth1")
