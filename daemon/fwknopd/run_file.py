"""Files of the run directory that tell the next process what this one has done.

They are only believed if nobody else can have written them, and only made whole: beside the
old one, then renamed.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Tells this boot of the machine from others; where that can't be told, never the same."""
    with suppress(OSError):
        return BOOT_ID.read_text().strip()
    return os.urandom(8).hex()


def read_own(path: Path, limit: int) -> bytes:
    """All of a file that nobody else can have written. Raises OSError."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    with os.fdopen(os.open(path, flags), "rb") as file:
        if why := _not_ours(os.fstat(file.fileno()), limit):
            raise OSError(0, why)
        return file.read(limit)


def replace_own(path: Path, data: bytes, *, sync: bool = False) -> None:
    """Make a private file of ``data``; with ``sync`` it is on the disk. Raises OSError."""
    new = path.with_name(f"{path.name}.new")
    with suppress(FileNotFoundError):
        new.unlink()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(new, flags, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        if sync:
            os.fsync(file.fileno())
    new.replace(path)


def leave_trace(path: Path) -> bool:
    """Make an empty file that says a daemon ran here; whether it was there already."""
    there = os.path.lexists(path)
    with suppress(OSError):
        path.touch(mode=0o600, exist_ok=True)
    return there


def note_gaps(trace: Path, *, gaps: bool) -> None:
    """Have the trace say that the list of used packets lacks some, or that it lacks none."""
    with suppress(OSError):
        replace_own(trace, b"gaps\n" if gaps else b"")


def tells_of_gaps(trace: Path) -> bool:
    """Did an earlier run leave a list that lacks packets, and could not even say so in it?"""
    with suppress(OSError):
        return trace.stat().st_size > 0
    return False


def _not_ours(found: os.stat_result, limit: int) -> str:
    """Why the file may be somebody else's; "" when it can't be."""
    if not stat.S_ISREG(found.st_mode):
        return "it is not a regular file"
    if found.st_uid != os.geteuid():
        return "it belongs to another user"
    if found.st_mode & 0o077 or found.st_nlink != 1:
        return "others can reach it"
    if found.st_size > limit:
        return f"it has more than {limit} bytes"
    return ""
