"""What the service's rig has in place of devices, kernel and time.

Captures are pipes. A packet put on a device comes out of every capture open there, as
with real devices, so that whoever captures twice sees everything twice.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import inf

from fwknopd.capture import CaptureError, CaptureFault, CaptureStats
from fwknopd.capture.faults import bad_filter
from fwknopd.capture.plan import CapturePlan, PcapPlan
from fwknopd.firewall import FirewallError, TimedDoor
from fwknopd.firewall.log_only import LogOnlyFirewall
from fwknopd.grants import Door
from fwknopd.loop import Loop
from fwknopd.policy.packet import Packet

NOW = 1_800_000_000


@dataclass
class SteppedClock:
    """Both clocks, moved by hand."""

    wall: float = NOW
    steady: float = 500.0
    doubt: str = ""

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.steady

    def problem(self) -> str:
        return self.doubt

    def utc_offset(self, now: float) -> int:
        return 3600

    def advance(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


class Pipe:
    """A capture whose packets the test puts in."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.closed = False
        self.fails_to_close = False
        self.gone: CaptureError | None = None
        self.due_at = inf
        self._packets: list[Packet] = []
        self._received = 0
        self._reader, self._writer = socket.socketpair()

    def put(self, packets: Sequence[Packet]) -> None:
        self._packets += packets
        self._writer.send(b"x")

    def lose(self) -> None:
        self.gone = CaptureError(
            CaptureFault.DEVICE_GONE, f"capturing on {self.name} has ended", "Wait"
        )
        self._writer.send(b"x")

    def fileno(self) -> int:
        return self._reader.fileno()

    def read(self, limit: int) -> list[Packet]:
        if self.gone is not None:
            raise self.gone
        with suppress(BlockingIOError):
            self._reader.recv(4096, socket.MSG_DONTWAIT)
        taken, self._packets = self._packets[:limit], self._packets[limit:]
        self.due_at = inf
        self._received += len(taken)
        if self._packets:
            self._writer.send(b"x")
        return taken

    def hold(self, packet: Packet, until: float) -> None:
        """A packet that is whole only when its time has come; nothing wakes for it."""
        self._packets.append(packet)
        self.due_at = until

    def due(self) -> float:
        return self.due_at

    def detail(self) -> str:
        return ""

    def stats(self) -> CaptureStats:
        return CaptureStats(self._received, 0)

    def close(self) -> None:
        self.closed = True
        self._reader.close()
        self._writer.close()
        if self.fails_to_close:
            raise OSError("it can't be closed")


class Devices:
    """Opens captures on the devices that are ``present``; knows all that were opened."""

    def __init__(self, *present: str) -> None:
        self.present = set(present)
        self.opened: list[Pipe] = []
        self.plans: list[CapturePlan] = []

    def __call__(self, plan: CapturePlan) -> Pipe:
        self.plans.append(plan)
        if isinstance(plan, PcapPlan):
            self._check(plan)
        pipe = Pipe(plan.name)
        self.opened.append(pipe)
        return pipe

    def _check(self, plan: PcapPlan) -> None:
        if plan.device not in self.present:
            text = f"there is no network device {plan.device}"
            raise CaptureError(CaptureFault.NO_DEVICE, text, "Wait for it")
        if "nonsense" in plan.how.filter.user:
            raise bad_filter(plan.how.filter.user, "nonsense")

    def on(self, device: str) -> list[Pipe]:
        return [pipe for pipe in self.opened if pipe.name == device and not pipe.closed]

    def put(self, device: str, *packets: Packet) -> None:
        open_there = self.on(device)
        assert open_there, f"nobody captures on {device}"
        for pipe in open_there:
            pipe.put(packets)

    def remove(self, device: str) -> None:
        self.present.discard(device)
        for pipe in self.on(device):
            pipe.lose()


class Notices:
    """Stands in for the kernel's notices of devices and addresses."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)

    def tell(self, what: str) -> None:
        self._writer.send(b"l" if what == "link" else b"a")

    def fileno(self) -> int:
        return self._reader.fileno()

    def drain(self) -> bool:
        with suppress(BlockingIOError):
            return b"l" in self._reader.recv(4096)
        return False

    def close(self) -> None:
        self._reader.close()
        self._writer.close()


class Wall(LogOnlyFirewall):
    """A firewall that notes for which devices it was made; refuses what ``refuses`` names."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self.covers: tuple[str, ...] = ()
        self.refuses: frozenset[str] = frozenset()
        self.stopped = False

    def start(self, devices: Sequence[str]) -> None:
        self._obey("start")
        self.covers = tuple(devices)

    def open(self, doors: Sequence[TimedDoor]) -> None:
        self._obey("open")
        super().open(doors)

    def close(self, doors: Sequence[Door]) -> None:
        self._obey("close")
        super().close(doors)

    def stop(self) -> None:
        self.stopped = True
        self._obey("stop")
        super().stop()

    def _obey(self, action: str) -> None:
        if action in self.refuses:
            raise FirewallError(f"the kernel refused to {action}")


class CountingLoop(Loop):
    """A loop that never sleeps for longer than ``patience``, and notes how long it would."""

    def __init__(self) -> None:
        super().__init__()
        self.timeouts: list[float | None] = []
        self.patience = 0.0

    def turn(self, timeout: float | None) -> None:
        self.timeouts.append(timeout)
        super().turn(self.patience if timeout is None else min(timeout, self.patience))
