"""Whether the right time is yet to come, by what a machine shows."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fwknopd.clock import RELEASED, SystemClock
from fwknopd.time_sources import (
    OPENWRT_MARK,
    RECHECK_SECONDS,
    TIMESYNCD_MARK,
    TimeSources,
    kernel_is_in_step,
)

HOOK = Path(__file__).parents[2] / "package/fwknop-wrt/files/etc/hotplug.d/ntp/30-fwknopd"


@dataclass
class Machine:
    """A file system, a kernel that is in step or not, and clocks moved by hand."""

    root: Path
    in_step: bool = False
    wall: float = RELEASED + 1000.0
    steady: float = 5.0
    asked: int = field(default=0)

    def put(self, path: str, text: str = "") -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def kernel(self) -> bool:
        self.asked += 1
        return self.in_step

    def started(self) -> TimeSources:
        """What a daemon that starts now works with."""
        return TimeSources(RELEASED, self.root, self.kernel, lambda: self.wall, lambda: self.steady)

    def pass_time(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


@pytest.fixture
def openwrt(tmp_path: Path) -> Machine:
    """A router without a clock battery, whose NTP client has not come through yet."""
    machine = Machine(tmp_path)
    machine.put("etc/rc.d/S98sysntpd")
    return machine


def test_a_router_that_was_just_started_waits(openwrt: Machine) -> None:
    sources = openwrt.started()
    assert sources.awaited()
    openwrt.pass_time(3600)
    assert sources.awaited()


def mark_of_ntpd(machine: Machine) -> None:
    machine.put(OPENWRT_MARK)


def mark_of_timesyncd(machine: Machine) -> None:
    machine.put(TIMESYNCD_MARK)


def kernel_in_step(machine: Machine) -> None:
    machine.in_step = True


def clock_set(machine: Machine) -> None:
    machine.wall += 86_400


def clock_set_back(machine: Machine) -> None:
    machine.wall -= 3


@pytest.mark.parametrize(
    "come", [mark_of_ntpd, mark_of_timesyncd, kernel_in_step, clock_set, clock_set_back]
)
def test_the_time_has_come(openwrt: Machine, come: Callable[[Machine], None]) -> None:
    sources = openwrt.started()
    assert sources.awaited()
    come(openwrt)
    openwrt.pass_time(RECHECK_SECONDS)
    assert not sources.awaited()


def test_slewing_is_no_setting(openwrt: Machine) -> None:
    sources = openwrt.started()
    openwrt.wall += 1
    assert sources.awaited()


def test_once_believed_always_believed(openwrt: Machine) -> None:
    """After some hours without an uplink the kernel says again that it is not in step."""
    openwrt.in_step = True
    sources = openwrt.started()
    assert not sources.awaited()
    openwrt.in_step = False
    openwrt.pass_time(100_000)
    assert not sources.awaited()


def test_a_daemon_restarted_hours_later_finds_the_mark(openwrt: Machine) -> None:
    openwrt.put(OPENWRT_MARK)
    openwrt.pass_time(100_000)
    assert not openwrt.started().awaited()


@pytest.mark.parametrize(
    ("since_epoch", "awaited"),
    [(f"{RELEASED + 5}\n", False), (f"{RELEASED - 1}\n", True), ("0\n", True), ("?\n", True)],
)
def test_a_hardware_clock_counts_if_it_kept_its_time(
    openwrt: Machine, since_epoch: str, awaited: bool
) -> None:
    openwrt.put("sys/class/rtc/rtc0/since_epoch", since_epoch)
    assert openwrt.started().awaited() is awaited


@pytest.mark.parametrize("script", ["etc/rc.d/S00sysfixtime", "etc/init.d/sysfixtime"])
def test_a_hardware_clock_is_not_believed_where_the_start_sets_it(
    openwrt: Machine, script: str
) -> None:
    """OpenWrt writes the time of the newest file into a clock without a battery."""
    openwrt.put(script)
    openwrt.put("sys/class/rtc/rtc0/since_epoch", f"{RELEASED + 5}\n")
    sources = openwrt.started()
    assert sources.awaited()
    openwrt.put(OPENWRT_MARK)
    openwrt.pass_time(RECHECK_SECONDS)
    assert not sources.awaited()


@pytest.mark.parametrize(
    ("files", "awaited"),
    [
        ((), False),
        (("etc/rc.d/S98sysntpd",), True),
        (("etc/rc.d/S15chronyd",), True),
        (("etc/rc.d/K10sysntpd",), False),
        # A container has systemd's links too, but runs without it.
        (("etc/systemd/system/sysinit.target.wants/systemd-timesyncd.service",), False),
        (
            (
                "etc/systemd/system/sysinit.target.wants/systemd-timesyncd.service",
                "run/systemd/system/x",
            ),
            True,
        ),
        (
            (
                "etc/systemd/system/multi-user.target.wants/chrony.service",
                "run/systemd/system/x",
            ),
            True,
        ),
        (("run/systemd/system/x",), False),
    ],
)
def test_where_nothing_will_tell_the_time_nothing_is_awaited(
    tmp_path: Path, files: tuple[str, ...], awaited: bool
) -> None:
    machine = Machine(tmp_path)
    for file in files:
        machine.put(file)
    assert machine.started().awaited() is awaited


@pytest.mark.parametrize(
    ("ntp", "awaited"),
    [
        ("config timeserver 'ntp'\n\toption enabled '0'\n", False),
        ("config timeserver 'ntp'\n\toption enabled '1'\n", True),
        ("config timeserver 'ntp'\n\tlist server '0.openwrt.pool.ntp.org'\n", True),
        ("config timeserver 'other'\n\toption enabled '0'\n", True),
        ("config timeserver 'ntp\n", True),
    ],
)
def test_an_ntp_client_that_is_switched_off_is_not_awaited(
    openwrt: Machine, ntp: str, awaited: bool
) -> None:
    openwrt.put("etc/config/system", f"config system\n\toption hostname 'OpenWrt'\n\n{ntp}")
    assert openwrt.started().awaited() is awaited


def test_a_flood_of_packets_does_not_ask_the_kernel_each_time(openwrt: Machine) -> None:
    sources = openwrt.started()
    for _ in range(1000):
        openwrt.pass_time(0.001)
        sources.awaited()
    assert openwrt.asked <= 2


def test_the_real_kernel_answers() -> None:
    """Which of the two depends on the machine; that it is asked, and how, doesn't."""
    assert kernel_is_in_step() in (True, False)


def test_the_clock_says_what_it_waits_for(openwrt: Machine) -> None:
    clock = SystemClock(openwrt.started())
    assert "no time server has confirmed it since the start" in clock.problem()
    assert "WAIT_FOR_CLOCK" in clock.problem()
    openwrt.in_step = True
    openwrt.pass_time(RECHECK_SECONDS)
    assert clock.problem() == ""


@pytest.mark.parametrize(
    ("action", "stratum", "marked"),
    [
        ("step", "16", True),
        ("stratum", "3", True),
        ("stratum", "16", False),
        ("stratum", "", False),
        ("periodic", "2", True),
        ("periodic", "16", False),
        ("unsync", "16", False),
    ],
)
def test_the_hotplug_script_leaves_the_mark(
    tmp_path: Path, action: str, stratum: str, marked: bool
) -> None:
    text = HOOK.read_text()
    assert f"MARK=/{OPENWRT_MARK}\n" in text
    script = text.replace(f"/{OPENWRT_MARK}", str(tmp_path / "mark"))
    # hotplug-call reads scripts into its own shell, one after the other.
    environment = {"ACTION": action, **({"stratum": stratum} if stratum else {})}
    subprocess.run(["sh", "-ec", script], env=environment, check=True, timeout=20)
    assert (tmp_path / "mark").exists() is marked
