"""Who opened which door, on file: a crash must not make anybody's door nobody's.

The file lies in the run directory, which on a router is memory: no flash is written. It
needn't outlive a power failure, for neither do the doors, so nothing is synced. A knock adds
a line, and now and then the whole file is made anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import inf
from pathlib import Path

from fwknopd.grants import Grant, GrantTable
from fwknopd.owner_format import (
    MAX_BYTES,
    Kept,
    format_boot,
    format_ended,
    format_opened,
    parse_owners,
)
from fwknopd.run_file import boot_id, read_own, replace_own

FEW_LINES = 64
"""A shorter file isn't worth making anew."""

RETRY_SECONDS = 60.0
"""The whole file is made anew then, which with 10,000 doors takes a tenth of a second."""


class OwnerJournal:
    """One file of owners. Nothing raises: what is wrong is told to ``report``, once."""

    def __init__(
        self, path: Path, monotonic: Callable[[], float], report: Callable[[str], object]
    ) -> None:
        self._path = path
        self._monotonic = monotonic
        self._report = report
        self._boot = boot_id()
        self._fd: int | None = None
        self._lines = 0
        self._fault = ""
        self._retry_at = -inf

    def left(self) -> Sequence[Kept]:
        """What an earlier process has left."""
        try:
            data = read_own(self._path, MAX_BYTES)
        except FileNotFoundError:
            return ()
        except OSError as error:
            self._tell(f"{self._path} is not used: {error.strerror}")
            return ()
        kept, damaged = parse_owners(data, self._boot, self._monotonic())
        if damaged:
            self._tell(f"{self._path} has damaged lines ({damaged})")
        return kept

    def opened(self, grants: Sequence[Grant], every: GrantTable) -> None:
        """Note grants, which are among ``every`` one there is."""
        self._add(format_opened(grants), every)

    def ended(self, grants: Sequence[Grant], every: GrantTable) -> None:
        """Note that grants have ended before their time."""
        self._add(format_ended(grants), every)

    def keep(self, every: GrantTable) -> None:
        """Have just these in the file; without any there is none."""
        self.close()
        try:
            if not len(every):
                self._path.unlink(missing_ok=True)
                return
            replace_own(self._path, format_boot(self._boot) + format_opened(every))
            flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            self._fd, self._lines = os.open(self._path, flags), len(every)
        except OSError as error:
            self._failed(error)
        else:
            self._fault = ""
            self._retry_at = -inf

    def close(self) -> None:
        """Let go of the file, which stays."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _add(self, lines: bytes, every: GrantTable) -> None:
        if self._monotonic() < self._retry_at:
            return
        self._lines += lines.count(b"\n")
        if self._fd is None or self._lines > 2 * len(every) + FEW_LINES:
            self.keep(every)
            return
        try:
            whole = os.write(self._fd, lines) == len(lines)
        except OSError as error:
            self._failed(error)
            return
        if not whole:
            # Half a line would spoil the next one.
            self.keep(every)

    def _failed(self, error: OSError) -> None:
        """A file with gaps would make doors of one client pass for another's."""
        self.close()
        self._retry_at = self._monotonic() + RETRY_SECONDS
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
        self._tell(f"{self._path} can't be written: {error.strerror}")

    def _tell(self, fault: str) -> None:
        if fault != self._fault:
            self._fault = fault
            self._report(f"Whose the open doors are would not survive a crash: {fault}")
