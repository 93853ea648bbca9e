"""The open command cycles on disk: what they opened is closed even if this process dies.

The file lies in the run directory, which a reboot of a router empties, and with it goes what
nearly every such command has done. It is made anew with every change, beside the old one, so
it is never half of one. Since commands are run by what it says, it is only believed if nobody
else can have written it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fwknopd.run_file import boot_id, read_own, replace_own

if TYPE_CHECKING:
    from fwknopd.cycle_table import OpenCycle

MAX_BYTES = 4 << 20
_LEFT_OPEN = ". What it would undo may still be open: see to that by hand"


@dataclass(frozen=True, slots=True)
class LoadedCycles:
    """What an earlier process left; ``fault`` says what is wrong with it, "" if nothing."""

    cycles: tuple[OpenCycle, ...] = ()
    fault: str = ""


class CycleJournal:
    """One file of open cycles. Nothing raises: each method says what is wrong instead."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # Nobody knows what is left of another boot; it is run at once.
        self._boot = boot_id()

    def load(self) -> LoadedCycles:
        """What is in the file."""
        try:
            data = read_own(self._path, MAX_BYTES)
        except FileNotFoundError:
            return LoadedCycles()
        except OSError as error:
            return LoadedCycles(fault=f"{self._path} is not used: {error.strerror}{_LEFT_OPEN}")
        # Few have such a file.
        from fwknopd.cycle_format import parse_cycles

        cycles, damaged = parse_cycles(data, self._boot, time.monotonic())
        fault = f"{self._path} has damaged lines ({damaged}){_LEFT_OPEN}"
        return LoadedCycles(tuple(cycles), fault if damaged else "")

    def keep(self, cycles: Sequence[OpenCycle]) -> str:
        """Have just these in the file; "" when that is done, else why not."""
        try:
            if cycles:
                from fwknopd.cycle_format import format_cycles

                replace_own(self._path, format_cycles(cycles, self._boot), sync=True)
            else:
                self._path.unlink(missing_ok=True)
        except OSError as error:
            return f"{self._path} can't be written: {error.strerror}"
        return ""
