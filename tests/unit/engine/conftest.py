"""An engine on a clock that stands still, with the log-only firewall or one that refuses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from itertools import count

import pytest

from fwknopd.engine import Engine, EngineSettings
from fwknopd.events import EventLog, JsonValue
from fwknopd.firewall import FirewallError, TimedDoor
from fwknopd.firewall.log_only import LogOnlyFirewall
from fwknopd.grants import Door
from fwknopd.policy.command import Command, Ended
from fwknopd.policy.packet import Packet
from fwknopd.policy.settings import PolicySettings
from fwknopd.policy.stanza import Address, Stanza
from fwknopd.replay import ReplayEntry, VolatileMemory
from fwknopd.spa.message import MessageType
from fwknopd.spa.packet import SpaKeys, encode
from fwknopd.spa.request import PortSpec, Protocol

KEYS = SpaKeys(b"e" * 31 + b"x", b"h" * 63 + b"y")
SSH = PortSpec(Protocol.TCP, 22)
PHONE = Stanza(number=1, keys=KEYS, name="phone", open_ports=frozenset({SSH}))
NOW = 1_800_000_000
WELL = Ended(0, seconds=0.1)


@dataclass
class SteppedClock:
    """Both clocks, moved by hand."""

    wall: float = NOW
    steady: float = 500.0

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.steady

    def problem(self) -> str:
        return ""

    def utc_offset(self, now: float) -> int:
        return 3600

    def advance(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


class Broken(LogOnlyFirewall):
    """The log-only firewall, refusing whatever ``refuses`` names."""

    clock: SteppedClock
    refuses: frozenset[str] = frozenset()
    deleted = False
    noticed = True
    takes = 0.0
    """Seconds that making the rules takes."""

    def start(self, devices: Sequence[str]) -> None:
        self._obey("start")
        self.clock.advance(self.takes)
        super().start(devices)

    def open(self, doors: Sequence[TimedDoor]) -> None:
        self._obey("open")
        super().open(doors)

    def close(self, doors: Sequence[Door]) -> None:
        self._obey("close")
        super().close(doors)

    def delete_rules(self) -> None:
        """As `nft flush ruleset` does: everything is gone, and a notice waits."""
        self.stop()
        self.deleted, self.noticed = True, False

    def place(self, door: Door) -> str:
        return "FAKE_CHAIN"

    def rules_lost(self) -> bool:
        noticed, self.noticed = self.noticed, True
        return self.deleted and not noticed

    def _obey(self, action: str) -> None:
        if self.deleted and action != "start":
            raise FirewallError("the table is gone")
        self.deleted = False
        if action in self.refuses:
            raise FirewallError(f"the kernel refused to {action}")


@dataclass
class Names:
    """Look-ups that wait until a test answers them."""

    asked: list[tuple[str, int, Callable[[Address | str], None]]] = field(default_factory=list)

    def look_up(self, name: str, version: int, found: Callable[[Address | str], None]) -> None:
        self.asked.append((name, version, found))

    def answer(self, address: Address | str) -> None:
        self.asked.pop(0)[2](address)


@dataclass
class Runner:
    """Commands that run until a test ends them."""

    begun: list[tuple[Command, bool, Callable[[Ended], None]]] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)

    def start(self, command: Command, closing: bool, done: Callable[[Ended], None]) -> None:
        self.begun.append((command, closing, done))

    def wait(self, over: Callable[[], bool], seconds: float) -> None:
        self.waited.append(seconds)

    def texts(self) -> list[str]:
        """What runs now."""
        return [command.text for command, _, _ in self.begun]

    def end(self, ended: Ended = WELL) -> str:
        """The first of them ends."""
        command, _, done = self.begun.pop(0)
        done(ended)
        return command.text


@dataclass
class Rig:
    """The engine with everything around it that a test looks at."""

    clock: SteppedClock
    firewall: Broken
    engine: Engine
    remembered: list[ReplayEntry]
    names: Names
    runner: Runner

    def events(self, kind: str) -> list[dict[str, JsonValue]]:
        return [e.as_json() for e in self.engine.events.recent(1000) if e.event == kind]

    def doors(self) -> list[str]:
        return sorted(f"{t.door.address} {t.door.port}" for t in self.firewall.read())

    def use(self, *stanzas: Stanza, test: bool = False, list_rejected: bool = False) -> None:
        policy = PolicySettings(enable_ipt_forwarding=True, test=test)
        self.engine.configure(
            EngineSettings(policy, stanzas, test=test, list_rejected=list_rejected)
        )


class Memory(VolatileMemory):
    """Notes what it is given to keep."""

    def __init__(self, remembered: list[ReplayEntry]) -> None:
        super().__init__()
        self._remembered = remembered

    def remember(self, entries: Sequence[ReplayEntry]) -> None:
        self._remembered.extend(entries)


def make_rig() -> Rig:
    """An engine that knows the phone."""
    clock = SteppedClock()
    firewall = Broken(clock.monotonic)
    firewall.clock = clock
    firewall.start(("eth1",))
    remembered: list[ReplayEntry] = []
    names, runner = Names(), Runner()
    engine = Engine(
        clock=clock,
        events=EventLog(clock.now),
        firewall=firewall,
        memory=Memory(remembered),
        look_up=names.look_up,
        runner=runner,
    )
    made = Rig(clock, firewall, engine, remembered, names, runner)
    made.use(PHONE)
    return made


@pytest.fixture
def rig() -> Rig:
    return make_rig()


Knock = Callable[..., Packet]


@pytest.fixture
def knock(rig: Rig) -> Knock:
    """Makes packets of the phone, each fresh."""
    return make_knock(rig)


def make_knock(rig: Rig) -> Knock:
    """What makes packets of the phone for ``rig``."""
    serial = count(1)

    def make(
        message: str = "192.0.2.7,tcp/22",
        *,
        keys: SpaKeys = KEYS,
        message_type: MessageType = MessageType.ACCESS,
        timeout: int = 0,
        nat: str | None = None,
    ) -> Packet:
        number = next(serial)
        payload = encode(
            user="alice",
            timestamp=int(rig.clock.now()),
            rand=f"{number:016}",
            message_type=message_type,
            message=message,
            nat_access=nat,
            client_timeout=timeout,
            keys=keys,
            salt=number.to_bytes(8, "big"),
        )
        source = ip_address("198.51.100.9")
        return Packet(payload, source, ip_address("203.0.113.1"), 40000, 62201, 17, "eth1")

    return make


def other_client(**changes: object) -> Stanza:
    """A second client with keys of its own."""
    return replace(
        PHONE,
        number=2,
        name="laptop",
        keys=SpaKeys(b"f" * 31 + b"x", b"g" * 63 + b"y"),
        **changes,  # type: ignore[arg-type]
    )
