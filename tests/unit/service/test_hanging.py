"""Programs that never finish hold the service up no more than half of the time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

import pytest

from fwknopd.door_requests import DoorRequest
from fwknopd.firewall import iptables_process, process
from fwknopd.firewall.iptables import IptablesFirewall
from tests.unit.connection_table import Table
from tests.unit.firewall.doors import door
from tests.unit.service.configs import PHONE, uci_client
from tests.unit.service.doubles import SteppedClock
from tests.unit.service.rig import Rig

LIMIT = iptables_process.TIME_LIMIT
WORDS = "did not finish within 15 seconds"


@dataclass
class Programs:
    """In place of children: each does at once what it is asked, or hangs until it is stopped."""

    clock: SteppedClock
    hang: bool = False
    waits: list[float] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def __call__(self, program: str, arguments: Sequence[str], files: Sequence[int]) -> Program:
        return Program(self, program.rpartition("/")[2])

    def wait(self, name: str, seconds: float) -> bool:
        if self.hang:
            self.clock.advance(seconds)
            self.waits.append(seconds)
            self.names.add(name)
        return not self.hang


@dataclass
class Program:
    """One run."""

    all: Programs
    name: str
    pid: int = 4711

    def has_ended(self, time_limit: float = 0.0) -> bool:
        return self.all.wait(self.name, time_limit)

    def kill(self) -> None:
        assert self.all.hang

    def reap(self) -> int:
        return 0


@pytest.fixture
def programs(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Iterator[Programs]:
    made = Programs(rig.clock)
    monkeypatch.setattr(process, "Child", made)
    monkeypatch.setattr(process, "monotonic", rig.clock.monotonic)
    monkeypatch.setattr(iptables_process, "find_program", lambda name: f"/nowhere/{name}")
    process.run_anew()
    yield made
    made.hang = False
    process.run_anew()


@pytest.fixture
def table(rig: Rig, programs: Programs) -> Table:
    """What is cut, of a router with iptables whose client is cut off when its door closes."""
    rig.uci(uci_client("phone", PHONE, "cut_at_expiry '1'"))
    firewall = IptablesFirewall(monotonic=rig.clock.monotonic, wall=rig.clock.now)
    service = rig.start(uci=str(rig.folder / "fwknopd"), interface="eth1", firewall=firewall)
    made = Table()
    service.engine.doors.endings.connections = made
    return made


def last_verdict(rig: Rig) -> tuple[str | None, str]:
    told = [e for e in rig.service.events.recent(1000) if e.event == "verdict"][-1]
    return told.reason, told.detail


def test_whatever_is_asked_they_hold_it_up_half_of_the_time_at_most(
    rig: Rig, programs: Programs, table: Table
) -> None:
    """Doors of both families end, knocks come, and a page looks all the time."""
    assert rig.knock() == "accepted"
    elsewhere = DoorRequest((door("2001:db8::7", "tcp/22"),), "tablet", "tablet", 40)
    assert rig.service.engine.doors.open([elsewhere])
    programs.hang = True
    began, reasons = rig.clock.monotonic(), set()
    for number in count():
        if number % 7 == 0:
            reasons.add(rig.knock(message=f"192.0.2.{8 + number % 100},tcp/22"))
        if number % 3 == 0:
            rig.ask("status")
            rig.ask("grants")
        rig.pass_time(1)
        passed = rig.clock.monotonic() - began
        assert sum(programs.waits) <= passed / 2 + LIMIT
        if passed > 600:
            break
    assert len(programs.names) > 1
    assert reasons == {"firewall-error"}
    assert WORDS in last_verdict(rig)[1]
    # They work again: what is over is closed, and who knocks gets in.
    programs.hang = False
    rig.pass_time(LIMIT)
    assert rig.service.engine.doors.table.next_expiry() is None
    assert rig.knock(message="192.0.2.200,tcp/22") == "accepted"


def test_the_end_waits_once_and_cuts_all_the_same(
    rig: Rig, programs: Programs, table: Table
) -> None:
    assert rig.knock() == "accepted"
    programs.hang = True
    rig.service.stop()
    assert programs.waits == [LIMIT]
    assert len(table.cuts) == 1
