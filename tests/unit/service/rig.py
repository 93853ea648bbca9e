"""A whole service on a clock that is moved by hand: real loop and files, devices of our own."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from ipaddress import ip_address
from itertools import count
from pathlib import Path
from typing import Any, cast

from fwknopd.clock import SystemClock
from fwknopd.commands import CommandProcesses
from fwknopd.config.settings import Configuration
from fwknopd.ended_keys import EndedKeys
from fwknopd.engine import Engine
from fwknopd.events import EventLog
from fwknopd.firewall import Firewall
from fwknopd.name_lookup import look_up
from fwknopd.open_cycles import CycleMemory
from fwknopd.options import Options
from fwknopd.policy.packet import Packet
from fwknopd.replay import VolatileMemory
from fwknopd.service import Service
from fwknopd.signals import SignalPipe
from fwknopd.spa.message import MessageType
from fwknopd.spa.packet import SpaKeys, encode
from fwknopd.startup import load_configuration
from fwknopd.verbs import Verbs
from fwknopd.workers import Workers
from tests.unit.service.configs import PHONE
from tests.unit.service.doubles import CountingLoop, Devices, Notices, SteppedClock, Wall

Json = dict[str, Any]

PATIENCE = 40.0
"""Real seconds to wait for a real program."""


@dataclass
class Rig:
    """The service with everything around it that a test looks at."""

    folder: Path
    devices: Devices
    notices: Notices
    options: Options
    clock: SteppedClock = field(default_factory=SteppedClock)
    service: Service = field(init=False)
    firewall: Wall = field(init=False)
    signals: SignalPipe = field(init=False)
    _cycles: CycleMemory | None = None
    _other_firewall: Firewall | None = None
    _serial: count[int] = field(default_factory=lambda: count(1))

    def start(
        self,
        *,
        cycles: CycleMemory | None = None,
        firewall: Firewall | None = None,
        memory: EndedKeys | None = None,
        **changes: Any,
    ) -> Service:
        """Load the files as the daemon does, and open everything."""
        self._cycles, self._other_firewall = cycles, firewall
        self.options = replace(self.options, **changes)
        configuration = load_configuration(self.options)
        self.service = self._made(configuration)
        self.service.old_keys.memory = memory
        self.signals = SignalPipe()
        self.service.start(None, self.signals)
        return self.service

    def _made(self, configuration: Configuration | None) -> Service:
        self.firewall = Wall(self.clock.monotonic)
        loop = CountingLoop()
        workers = Workers(loop)
        engine = Engine(
            clock=self.clock,
            events=EventLog(self.clock.now),
            firewall=self._other_firewall or self.firewall,
            memory=VolatileMemory(),
            look_up=partial(look_up, workers),
            runner=CommandProcesses(workers),
            cycles=self._cycles,
        )
        clock = cast(SystemClock, self.clock)
        return Service(self.options, configuration, engine, clock, loop, workers, self.devices)

    def end(self) -> None:
        """Give everything back, however far it got."""
        with ExitStack() as ending:
            if hasattr(self, "signals"):
                ending.callback(self.signals.close)
            if hasattr(self, "service"):
                self.firewall.refuses = frozenset()
                ending.callback(self.service.loop.close)
                ending.callback(self.service.workers.close)
                ending.callback(self.service.stop)

    @property
    def loop(self) -> CountingLoop:
        assert isinstance(self.service.loop, CountingLoop)
        return self.service.loop

    def settle(self, turns: int = 10) -> None:
        """Turn until everything that was ready has been dealt with."""
        for _ in range(turns):
            self.service.turn()

    def until(self, condition: Callable[[], object]) -> None:
        """Turn, on a clock that stands still, until a real program has done its work."""
        end = time.monotonic() + PATIENCE
        self.loop.patience = 0.02
        while not condition():
            assert time.monotonic() < end, "it never happens"
            self.service.turn()
        self.loop.patience = 0.0

    def pass_time(self, seconds: float) -> None:
        """Move the clock and let happen what is due then."""
        self.clock.advance(seconds)
        self.settle()

    # Files

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        return path

    def conf(self, text: str) -> None:
        self.write("fwknopd.conf", text)

    def access(self, *stanzas: str) -> None:
        self.write("access.conf", "".join(stanzas))

    def uci(self, *sections: str) -> None:
        self.write("fwknopd", "config global\n\toption uci_enabled '1'\n\n" + "\n".join(sections))

    # Asking

    def ask(self, verb: str, **arguments: Any) -> Json:
        return Verbs(self.service).table()[verb](arguments)

    def events(self, kind: str) -> list[str]:
        return [e.detail for e in self.service.events.recent(1000) if e.event == kind]

    def verdicts(self) -> list[str]:
        return [str(e.reason) for e in self.service.events.recent(1000) if e.event == "verdict"]

    def doors(self) -> list[str]:
        return sorted(f"{t.door.address} {t.door.port}" for t in self.firewall.read())

    def capture(self, name: str) -> Json:
        rows: list[Json] = self.ask("status")["captures"]
        return next(row for row in rows if row["name"] == name)

    # Knocking

    def packet(
        self, message: str = "192.0.2.7,tcp/22", *, keys: SpaKeys = PHONE, age: float = 0
    ) -> Packet:
        number = next(self._serial)
        payload = encode(
            user="alice",
            timestamp=int(self.clock.now() - age),
            rand=f"{number:016}",
            message_type=MessageType.ACCESS,
            message=message,
            keys=keys,
            salt=number.to_bytes(8, "big"),
        )
        source, destination = ip_address("198.51.100.9"), ip_address("203.0.113.1")
        return Packet(payload, source, destination, 40000, 62201, 17, "eth1")

    def knock(self, device: str = "eth1", **how: Any) -> str:
        """Put a fresh packet on a device; the reason of the verdict."""
        before = len(self.verdicts())
        self.devices.put(device, self.packet(**how))
        self.settle()
        found = self.verdicts()[before:]
        assert len(found) == 1, f"one knock, verdicts {found}"
        return found[0]
