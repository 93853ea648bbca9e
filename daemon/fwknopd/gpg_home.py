"""A home folder for one run of gpg: the client's key ring by links, everything else its own.

gpg writes into its home at every run (locks, sockets, trust database) and leaves a gpg-agent
behind that serves whoever uses that home. A key ring may be on flash, or be its owner's
in daily use with an agent that holds passphrases. So gpg gets a folder in memory that
links to the ring, is used once, and whose agent ends with it.
"""

from __future__ import annotations

import os
import signal
import socket
from contextlib import closing, suppress
from pathlib import Path

PREFIX = "fwknopd-gpg-"
COPIED = "trustdb.gpg"
"""gpg brings it up to date as it reads it."""

LARGEST_COPY = 4 << 20
MOST_ENTRIES = 1000

_OWN = ("S.", ".#", "gnupg_spawn", "random_seed")
_AGENTS = ("S.gpg-agent", "S.keyboxd", "S.scdaemon", "S.dirmngr")


def new_folder() -> Path:
    """Where the next run is to have its home; nothing is made yet.

    The path is short, because those of sockets are. It names this process, so that the
    next one can tell what a dead one left.
    """
    base = Path(os.environ.get("TMPDIR") or "/tmp")  # noqa: S108 - made with mkdir, private
    return base / f"{PREFIX}{os.getpid()}-{os.urandom(6).hex()}"


def furnish(folder: Path, ring: Path) -> None:
    """Make the home and link the ``ring`` into it. Raises OSError."""
    folder.mkdir(mode=0o700)
    with os.scandir(ring) as entries:
        for count, entry in enumerate(entries):
            if count >= MOST_ENTRIES:
                break
            if entry.name == COPIED:
                _copy(ring / entry.name, folder / entry.name)
            elif not entry.name.startswith(_OWN) and not entry.name.endswith(".lock"):
                (folder / entry.name).symlink_to(ring / entry.name)


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as file, target.open("xb") as copy:
        copy.write(file.read(LARGEST_COPY))


# The end


def vacate(folder: Path) -> None:
    """End what serves the home, and remove it. Never raises."""
    # It loads what unpacks archives too: only in children, and where there was a gpg.
    import shutil

    for name in _AGENTS:
        _tell_to_end(folder / name)
    shutil.rmtree(folder, ignore_errors=True)


def clear(folder: Path) -> None:
    """`vacate` a home whose run was killed: what serves it may be past talking to."""
    for pid in _processes_of(folder):
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    vacate(folder)


def clear_abandoned() -> None:
    """`clear` the homes of processes that are no more."""
    mine = new_folder().parent.glob(f"{PREFIX}*-*")
    for folder in mine:
        pid = folder.name.removeprefix(PREFIX).partition("-")[0]
        with suppress(OSError):
            details = folder.lstat()
            if details.st_uid == os.geteuid() and not Path("/proc", pid).exists():
                clear(folder)


def _tell_to_end(path: Path) -> None:
    """Ask an agent to end, in the words of its protocol (Assuan)."""
    with suppress(OSError), closing(socket.socket(socket.AF_UNIX)) as connection:
        connection.settimeout(1.0)
        connection.connect(str(path))
        connection.recv(1000)
        connection.sendall(b"KILLAGENT\n")
        connection.recv(1000)


def _processes_of(folder: Path) -> list[int]:
    """Those that were started with this home, by their command lines."""
    home = b"\0".join((b"--homedir", bytes(folder), b""))
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if home in path.read_bytes():
                found.append(int(path.parent.name))
    return found
