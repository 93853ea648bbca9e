"""What a daemon and every program it starts cost: processor time, memory, wake-ups.

Processor time is the kernel's own accounting of a control group that the daemon is put
into before it begins: nanoseconds, with everything it ever started, ended or not. Where no
group can be made, as in most containers, it is summed up from /proc: exact for the daemon
itself, and in ticks of 10 ms for helper programs that have ended.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

GROUP_PREFIX = "fwbench"
_REMOVAL_SECONDS = 2.0
_TICK = 1e9 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Memory:
    """MiB of a daemon and of the helpers that run at this moment.

    ``shared`` counts what other processes use as well by their number (PSS).
    """

    resident: float
    shared: float
    peak: float


class Group:
    """A control group for one daemon; or a plain list of its processes where there is none.

    ``contained``: there is to be one. A program that starts no others needs none.
    """

    def __init__(self, *, contained: bool = True) -> None:
        self._folder = _make_folder() if contained else None
        self._pid = 0

    @property
    def method(self) -> str:
        """How processor time is counted, in a word."""
        if self._folder is None:
            return "proc"
        return "cgroup2" if (self._folder / "cpu.stat").exists() else "cpuacct"

    def command(self, argv: list[str]) -> list[str]:
        """``argv``, started inside the group from its first instruction on."""
        if self._folder is None:
            return argv
        enter = 'echo $$ >"$0/cgroup.procs" && exec "$@"'
        return ["sh", "-c", enter, str(self._folder), *argv]

    def watch(self, pid: int) -> None:
        """Tell which process is the daemon."""
        self._pid = pid

    def cpu(self) -> float:
        """Seconds of processor time so far, helpers included."""
        if self._folder is None:
            return _cpu_from_proc(self._pid)
        if self.method == "cpuacct":
            return int((self._folder / "cpuacct.usage").read_text()) / 1e9
        words = (self._folder / "cpu.stat").read_text().split()
        return int(words[words.index("usage_usec") + 1]) / 1e6

    def memory(self) -> Memory:
        """Of all processes that run now."""
        parts = [_memory(pid) for pid in _family(self._pid)]
        return Memory(
            sum(part.resident for part in parts),
            sum(part.shared for part in parts),
            parts[0].peak if parts else 0.0,
        )

    def wakeups(self) -> int:
        """How often any of its threads went to sleep and was woken."""
        return sum(map(_switches, _family(self._pid)))

    def close(self) -> None:
        """Remove the group; its processes must have ended."""
        if self._folder is None:
            return
        give_up = time.monotonic() + _REMOVAL_SECONDS
        # The kernel may take a moment to see that the last process is gone.
        while self._folder.exists() and time.monotonic() < give_up:
            with suppress(OSError):
                self._folder.rmdir()
                return
            time.sleep(0.01)


def remove_abandoned_groups() -> None:
    """Remove the groups of runs that were killed."""
    for parent in _parents():
        for folder in abandoned(parent, GROUP_PREFIX):
            with suppress(OSError):
                folder.rmdir()


def abandoned(parent: Path, prefix: str) -> list[Path]:
    """Folders named PREFIX-PID-… of processes that are no benchmark, or are no more."""
    found = []
    for folder in parent.glob(f"{prefix}-*-*"):
        try:
            command = Path("/proc", folder.name.split("-")[1], "cmdline").read_bytes()
        except OSError:
            command = b""
        if b"bench" not in command and b"pytest" not in command:
            found.append(folder)
    return found


def _make_folder() -> Path | None:
    for parent in _parents():
        folder = parent / f"{GROUP_PREFIX}-{os.getpid()}-{time.monotonic_ns():x}"
        with suppress(OSError):
            folder.mkdir()
            if any((folder / name).exists() for name in ("cpuacct.usage", "cpu.stat")):
                return folder
            folder.rmdir()
    return None


def _parents() -> Iterator[Path]:
    """Our own groups in the hierarchies that count processor time, the finer one first."""
    groups = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    wanted = {"cpuacct": [g for _, names, g in groups if "cpuacct" in names.split(",")]}
    wanted["cgroup2"] = [g for number, names, g in groups if number == "0" and not names]
    for mount in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = mount.split(" ")
        kind, _, options = fields[fields.index("-") + 1 :]
        is_cpuacct = kind == "cgroup" and "cpuacct" in options.split(",")
        for group in (
            wanted["cpuacct" if is_cpuacct else kind] if is_cpuacct or (kind == "cgroup2") else ()
        ):
            yield Path(fields[4]) / group.lstrip("/")


def _family(pid: int) -> list[int]:
    """The process and its descendants that are alive."""
    family = [pid]
    for parent in family:
        with suppress(OSError):
            for task in Path("/proc", str(parent), "task").iterdir():
                family += map(int, (task / "children").read_text().split())
    return [member for member in family if Path("/proc", str(member)).exists()]


def _cpu_from_proc(pid: int) -> float:
    stat = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
    ended_children = (int(stat[13]) + int(stat[14])) * _TICK
    alive = [_run_time(member) for member in _family(pid)]
    return (sum(alive) + ended_children) / 1e9


def _run_time(pid: int) -> int:
    """Nanoseconds of a process's threads."""
    with suppress(OSError):
        tasks = Path("/proc", str(pid), "task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)
    return 0


def _memory(pid: int) -> Memory:
    kib: dict[str, int] = {}
    with suppress(OSError):
        for file in ("smaps_rollup", "status"):
            for line in Path("/proc", str(pid), file).read_text().splitlines():
                name, _, value = line.partition(":")
                if value.endswith("kB"):
                    kib[name] = int(value.split()[0])
    return Memory(kib.get("Rss", 0) / 1024, kib.get("Pss", 0) / 1024, kib.get("VmHWM", 0) / 1024)


def _switches(pid: int) -> int:
    total = 0
    with suppress(OSError):
        for task in Path("/proc", str(pid), "task").iterdir():
            for line in (task / "status").read_text().splitlines():
                if line.startswith("voluntary_ctxt_switches:"):
                    total += int(line.split()[1])
    return total
