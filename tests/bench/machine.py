"""What this run was made on, for whoever compares its figures."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from fwknopd import __version__

_SYNCS = 50


def describe(folder: Path, c_daemon: Path | None) -> dict[str, str | int | float]:
    """Facts about the machine and the programs; ``folder`` is where the journals are."""
    return {
        "fwknopd": __version__,
        "yardstick": _first_line([str(c_daemon), "-V"]) if c_daemon else "none",
        "python": platform.python_version(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "processor": _processor(),
        "processors": len(os.sched_getaffinity(0)),
        "load at start": round(os.getloadavg()[0], 2),
        "nft": _first_line(["nft", "--version"]),
        "iptables": _first_line(["iptables", "--version"]),
        "fsync, us": round(fsync_microseconds(folder)),
    }


def fsync_microseconds(folder: Path) -> float:
    """What it costs here to have a line on the disk: a used packet is, before a door opens."""
    times = []
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for _ in range(_SYNCS):
            started = time.perf_counter()
            os.write(file.fileno(), b"x" * 150)
            os.fsync(file.fileno())
            times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e6


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("model name", "Hardware", "cpu model")):
                return line.partition(":")[2].strip()
    return platform.processor()


def _first_line(command: list[str]) -> str:
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
        return (done.stdout.strip().splitlines() or [""])[0]
    return ""
