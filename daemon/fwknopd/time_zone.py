"""How far this machine's wall clock is ahead of UTC, now or at another moment.

The zone may be changed while the daemon runs, in LuCI for instance, so it is looked up each
time. On OpenWrt it stands in /etc/TZ, as in ``CET-1CEST,M3.5.0,M10.5.0/3``; not every C
library looks there. Elsewhere /etc/localtime counts. A TZ in the environment wins over both.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

OPENWRT_FILE = Path("/etc/TZ")
LONGEST = 200
"""Characters of a zone."""


class TimeZone:
    """The zone that is set; ``file`` holds it on OpenWrt, and is missing elsewhere."""

    def __init__(self, file: Path = OPENWRT_FILE) -> None:
        self._file = file
        self._given = "TZ" in os.environ
        self._known = (0, 0)

    def offset(self, now: float) -> int:
        """Seconds ahead of UTC at ``now`` (epoch seconds), summer time included."""
        if not self._given:
            with suppress(OSError, ValueError):  # there is none, or it can't be read: as before
                self._read()
        time.tzset()
        return time.localtime(now).tm_gmtoff

    def _read(self) -> None:
        found = self._file.stat()
        version = (found.st_mtime_ns, found.st_ino)
        if version == self._known:
            return
        self._known = version
        zone = self._file.read_text("ascii")[:LONGEST].strip()
        if zone:
            os.environ["TZ"] = zone
