"""What kind of file system a folder lies on."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

VOLATILE = frozenset({"tmpfs", "ramfs"})
"""File systems that a reboot empties."""


def is_volatile(folder: Path) -> bool:
    """Does a reboot take away what is in a folder, or will be when it is made?"""
    while not folder.exists():
        folder = folder.parent
    device = folder.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    with suppress(OSError), Path("/proc/self/mountinfo").open() as mounts:
        for mount in mounts:
            fields = mount.split(" ")
            if fields[2] == wanted:
                return fields[fields.index("-") + 1] in VOLATILE
    return False
