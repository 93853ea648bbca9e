"""The open command cycles on disk: what they opened is closed even if this process dies.

The file lies in the run directory, which a reboot of a router empties, and with it goes what
nearly every such command has done. It is made anew with every change, beside the old one, so
it is never half of one. Since commands are run by what it says, it is only believed if nobody
else can have written it.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fwknopd.cycle_format import format_cycles, parse_cycles
from fwknopd.cycle_table import OpenCycle

MAX_BYTES = 4 << 20
_LEFT_OPEN = ". What it would undo may still be open: see to that by hand"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class LoadedCycles:
    """What an earlier process left; ``fault`` says what is wrong with it, "" if nothing."""

    cycles: tuple[OpenCycle, ...] = ()
    fault: str = ""


class CycleJournal:
    """One file of open cycles. Nothing raises: each method says what is wrong instead."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._boot = _boot_id()

    def load(self) -> LoadedCycles:
        """What is in the file."""
        try:
            data = self._read()
        except FileNotFoundError:
            return LoadedCycles()
        except OSError as error:
            return LoadedCycles(fault=f"{self._path} is not used: {error.strerror}{_LEFT_OPEN}")
        cycles, damaged = parse_cycles(data, self._boot, time.monotonic())
        fault = f"{self._path} has damaged lines ({damaged}){_LEFT_OPEN}"
        return LoadedCycles(tuple(cycles), fault if damaged else "")

    def keep(self, cycles: Sequence[OpenCycle]) -> str:
        """Have just these in the file; "" when that is done, else why not."""
        try:
            if cycles:
                self._replace(format_cycles(cycles, self._boot))
            else:
                self._path.unlink(missing_ok=True)
        except OSError as error:
            return f"{self._path} can't be written: {error.strerror}"
        return ""

    def _read(self) -> bytes:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        with os.fdopen(os.open(self._path, flags), "rb") as file:
            found = os.fstat(file.fileno())
            if why := _not_ours(found):
                raise OSError(0, why)
            return file.read(MAX_BYTES)

    def _replace(self, data: bytes) -> None:
        new = self._path.with_name(f"{self._path.name}.new")
        with suppress(FileNotFoundError):
            new.unlink()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(new, flags, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)


def _not_ours(found: os.stat_result) -> str:
    """Why the file may be somebody else's; "" when it can't be."""
    if not stat.S_ISREG(found.st_mode):
        return "it is not a regular file"
    if found.st_uid != os.geteuid():
        return "it belongs to another user"
    if found.st_mode & 0o077 or found.st_nlink != 1:
        return "others can reach it"
    if found.st_size > MAX_BYTES:
        return f"it has more than {MAX_BYTES} bytes"
    return ""


def _boot_id() -> str:
    with suppress(OSError):
        return BOOT_ID.read_text().strip()
    # Nobody knows then whether the clock is still the same; what is left is run at once.
    return os.urandom(8).hex()
