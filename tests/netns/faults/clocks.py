"""A daemon's time of day, set while it runs.

Only that: the clock that counts since the boot goes on, as on a router whose NTP client sets
the time. The namespaces of Linux have no such clock of their own, and setting the machine's
would harm everybody else, so the process's own Python is told another time.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Mapping
from pathlib import Path

_IN_THE_DAEMON = """\
import mmap, os, struct, time

with open(os.environ["WALL_CLOCK"], "rb") as _file:
    _ahead = mmap.mmap(_file.fileno(), 8, prot=mmap.PROT_READ)
_true = time.time
time.time = lambda: _true() + struct.unpack("d", _ahead)[0]
"""


class WallClock:
    """``ahead`` of this machine's by so many seconds. Made before the daemon is started."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "ahead"
        self._file.write_bytes(bytes(8))
        # Python runs a module of this name before everything else.
        (folder / "sitecustomize.py").write_text(_IN_THE_DAEMON)
        self.ahead = 0.0

    @property
    def environment(self) -> Mapping[str, str]:
        """What makes a daemon live by it."""
        return {"PYTHONPATH": str(self._folder), "WALL_CLOCK": str(self._file)}

    def now(self) -> float:
        """Epoch seconds, as the daemon has them."""
        return time.time() + self.ahead

    def set_ahead(self, seconds: float) -> None:
        """From now on."""
        self.ahead = seconds
        fd = os.open(self._file, os.O_WRONLY)
        try:
            # One write of eight bytes in one page: nobody reads half of it.
            os.pwrite(fd, struct.pack("d", seconds), 0)
        finally:
            os.close(fd)
