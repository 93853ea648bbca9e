"""Has anything told this machine the time since it was started?

A router without a clock battery starts with the time of its newest file, which may be an
hour or a year old, until NTP corrects it. That time looks like any other. So as long as there
is reason to think that the right one is yet to come, the clock is not believed:

- without an NTP client set up to start with the machine, nothing will ever tell more than
  the clock says now;
- a hardware clock that kept its time over the start is as good as any (``/sys/class/rtc``),
  but not on OpenWrt: its sysfixtime writes the made-up time into the hardware clock, too,
  and then one without a battery looks like one that kept the time;
- else the NTP client has to have done its work. On OpenWrt busybox ntpd calls our hotplug
  script, which leaves a mark; systemd-timesyncd leaves one of its own; and a clock that was
  set while we ran was set by somebody who knew. Last, the kernel is asked: every NTP client
  tells it when it is in step (adjtimex).

Once believed, a clock stays believed: an uplink that is down for hours does not make the
time wrong.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

OPENWRT_MARK = "var/run/fwknopd.clock-set"
"""Left by ``/etc/hotplug.d/ntp/30-fwknopd``."""

TIMESYNCD_MARK = "run/systemd/timesync/synchronized"

STEP_SECONDS = 2.0
"""A clock that moved by more against the time since the start was set; slewing is slower."""

RECHECK_SECONDS = 1.0
"""Pause between looks at files and kernel while in doubt: each packet asks."""

_OPENWRT_CLIENTS = "etc/rc.d/S[0-9][0-9]"
_CLOCK_MENDERS = (
    "etc/rc.d/S[0-9][0-9]sysfixtime",
    "etc/init.d/sysfixtime",
)
"""Whatever made the hardware clock's time up; disabled by hand, it may have run all the same."""

_SYSTEMD_UNITS = "etc/systemd/system/*.wants"
_CLIENTS = ("chronyd", "chrony", "ntpd", "ntp", "ntpsec", "openntpd")
_SYSTEMD_ONLY = ("systemd-timesyncd",)
_MOST_BYTES = 1 << 18
_TIME_ERROR = 5
_TIMEX_BYTES = 1024


def kernel_is_in_step() -> bool:
    """Does the kernel know of an NTP client that keeps its clock right?"""
    try:
        # 0.7 MiB, and not on every OpenWrt: only loaded by a daemon that is in doubt.
        import ctypes

        timex = ctypes.create_string_buffer(_TIMEX_BYTES)
        # Modes 0 changes nothing. Only the result is looked at: the structure differs from
        # one C library to the next.
        state = int(ctypes.CDLL(None).adjtimex(timex))
    except (ImportError, OSError, AttributeError):
        return False
    return 0 <= state < _TIME_ERROR


class TimeSources:
    """What is known of where the time comes from; ``root`` is ``/`` but for tests."""

    def __init__(
        self,
        believable_from: float,
        root: Path = Path("/"),
        in_step: Callable[[], bool] = kernel_is_in_step,
        now: Callable[[], float] = time.time,
        since_boot: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
    ) -> None:
        self._believable_from = believable_from
        self._root = root
        self._in_step = in_step
        self._now = now
        self._since_boot = since_boot
        self._booted = now() - since_boot()
        self._settled = False
        self._check_at = 0.0

    def awaited(self) -> bool:
        """Is the right time yet to come?"""
        if not self._settled:
            self._settled = self._was_set() or self._found()
        return not self._settled

    def _was_set(self) -> bool:
        return abs(self._now() - self._since_boot() - self._booted) > STEP_SECONDS

    def _found(self) -> bool:
        now = self._since_boot()
        if now < self._check_at:
            return False
        self._check_at = now + RECHECK_SECONDS
        return (
            not self._client_is_set_up()
            or self._hardware_clock_kept_time()
            or any((self._root / mark).exists() for mark in (OPENWRT_MARK, TIMESYNCD_MARK))
            or self._in_step()
        )

    def _hardware_clock_kept_time(self) -> bool:
        if self._any(_CLOCK_MENDERS):
            return False
        for clock in self._root.glob("sys/class/rtc/rtc*/since_epoch"):
            with suppress(OSError, ValueError):
                if int(clock.read_text("ascii")) >= self._believable_from:
                    return True
        return False

    def _client_is_set_up(self) -> bool:
        found = self._any(f"{_OPENWRT_CLIENTS}{name}" for name in _CLIENTS)
        if not found and self._any([f"{_OPENWRT_CLIENTS}sysntpd"]):
            found = not self._sysntpd_is_off()
        if not found and (self._root / "run/systemd/system").exists():
            units = (*_CLIENTS, *_SYSTEMD_ONLY)
            found = self._any(f"{_SYSTEMD_UNITS}/{name}.service" for name in units)
        return found

    def _sysntpd_is_off(self) -> bool:
        """Its start script runs, but LuCI's "Enable NTP client" is not ticked."""
        from fwknopd.config.uci_format import UciSyntaxError, parse_uci
        from fwknopd.config.values import FALSE_WORDS

        file = self._root / "etc/config/system"
        try:
            sections = parse_uci(file.read_bytes()[:_MOST_BYTES], str(file)).of_type("timeserver")
        except (OSError, UciSyntaxError):
            return False
        return any(
            section.name == "ntp" and section.get("enabled").strip() in FALSE_WORDS
            for section in sections
        )

    def _any(self, patterns: Iterable[str]) -> bool:
        return any(True for pattern in patterns for _ in self._root.glob(pattern))
