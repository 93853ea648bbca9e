"""Notices that somebody ran the old iptables, whose kernel interface announces nothing.

Its programs take turns by a lock file in /run, and so does OpenWrt's fw3. The kernel tells
when such a file is let go of. Looking costs nothing until then.

Loaded only with the old iptables: nothing else of the daemon needs ctypes.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

FOLDERS = ("/run", "/var/run")
LOCKS = frozenset({b"xtables.lock", b"fw3.lock"})
IN_CLOSE_WRITE, IN_CLOSE_NOWRITE, IN_DELETE = 0x8, 0x10, 0x200
# More was to be told than the kernel keeps.
IN_Q_OVERFLOW = 0x4000
_EVENT = struct.Struct("iIII")
_READ = 65536


class LockNotices:
    """Tells of the locks in ``folders``. Opening raises OSError."""

    def __init__(self, folders: Iterable[str] = FOLDERS) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise _os_error()
        mask = IN_CLOSE_WRITE | IN_CLOSE_NOWRITE | IN_DELETE
        watched = [
            libc.inotify_add_watch(self._descriptor, os.fsencode(folder), mask)
            for folder in dict.fromkeys(Path(folder).resolve() for folder in folders)
        ]
        if max(watched, default=-1) < 0:
            error = _os_error()
            self.close()
            raise error

    def fileno(self) -> int:
        """Readable when there are notices."""
        return self._descriptor

    def drain(self) -> bool:
        """Whether a lock was let go of since the last time. Never blocks, never raises."""
        heard = False
        with suppress(BlockingIOError):
            while True:
                heard = tells_of_lock(os.read(self._descriptor, _READ)) or heard
        return heard

    def close(self) -> None:
        """Stop listening."""
        os.close(self._descriptor)


def tells_of_lock(events: bytes) -> bool:
    """Is one of these inotify events about a lock?"""
    at = 0
    while at + _EVENT.size <= len(events):
        _, mask, _, length = _EVENT.unpack_from(events, at)
        at += _EVENT.size
        name = events[at : at + length].rstrip(b"\0")
        if mask & IN_Q_OVERFLOW or name in LOCKS:
            return True
        at += length
    return False


def _os_error() -> OSError:
    code = ctypes.get_errno()
    return OSError(code, os.strerror(code))
