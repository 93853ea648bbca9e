"""Making the control socket: who may reach it, and that only one daemon has it.

The lock beside the socket is held as long as the daemon lives and goes with it, even
after kill -9, so a socket file without a locked lock is left over and may be removed.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import struct
from dataclasses import dataclass
from pathlib import Path

from fwknopd.config.problems import shell_word

# More than there are places: connecting must not fail while the daemon judges a burst.
BACKLOG = 64
_PEER = struct.Struct("3i")


class ControlSocketError(Exception):
    """The control socket can't be made; says why and what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message}. {remedy}")
        self.message = message
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a connection, as the kernel knows it."""

    pid: int
    uid: int
    gid: int


class Listener:
    """A listening control socket; ``group`` may use it beside its owner.

    Raises ControlSocketError.
    """

    def __init__(self, path: Path, group: int | None) -> None:
        self.path = path
        try:
            _prepare_folder(path.parent, group)
            self._lock = _lock(path)
            try:
                _remove_stale(path)
                self.socket = _bind(path, group)
                self._identity = _identity(path)
            except BaseException:
                os.close(self._lock)
                raise
        except OSError as error:
            raise ControlSocketError(
                f"the control socket {path} can't be made: {error.strerror or error}",
                "Run the daemon as root, or name a socket elsewhere with --control",
            ) from None

    def close(self) -> None:
        """Stop listening, and remove the file unless somebody else's stands there now."""
        if self.socket.fileno() < 0:
            return
        self.socket.close()
        try:
            if _identity(self.path) == self._identity:
                self.path.unlink()
        except OSError:
            pass  # gone already, or its folder is
        os.close(self._lock)


def peer_of(connection: socket.socket) -> Peer:
    """The process, user and group that made the connection."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    return Peer(*_PEER.unpack(credentials))


def _prepare_folder(folder: Path, group: int | None) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    if status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
        raise ControlSocketError(
            f"everybody may write to {folder}, and so replace the control socket",
            f"Take that right away (chmod o-w {shell_word(str(folder))}), or use another folder",
        )
    # A private folder of our own is opened for the group; any other is left as it is, and so
    # is one that is open already: a daemon with few rights may not give files to a group.
    if group is None or status.st_uid != os.geteuid() or status.st_mode & 0o007:
        return
    if (status.st_gid, status.st_mode & 0o777) != (group, 0o750):
        os.chown(folder, -1, group)
        folder.chmod(0o750)


def _lock(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    lock = os.open(f"{path}.lock", flags, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise _in_use(path) from None
    return lock


def _in_use(path: Path) -> ControlSocketError:
    owner = _owner(path)
    which = "" if owner is None else f" (process {owner.pid})"
    return ControlSocketError(
        f"another fwknopd{which} already has the control socket {path}",
        "Stop that one first, or give this one a socket of its own with --control",
    )


def _owner(path: Path) -> Peer | None:
    """Who listens at ``path``, None if nobody does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
            return peer_of(probe)
        except OSError:
            return None


def _remove_stale(path: Path) -> None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        raise ControlSocketError(
            f"{path} exists and is not a socket", "Remove it, or name another with --control"
        )
    if _owner(path) is not None:
        raise _in_use(path)
    path.unlink()


def _bind(path: Path, group: int | None) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Nobody may connect before the rights are as they should be, so they are set
    # between bind and listen, and start from the narrowest.
    narrowest = os.umask(0o177)
    try:
        listener.setblocking(False)
        listener.bind(str(path))
        if group is not None:
            os.chown(path, -1, group)
        path.chmod(0o660)
        listener.listen(BACKLOG)
    except BaseException:
        if listener.getsockname():
            path.unlink(missing_ok=True)
        listener.close()
        raise
    finally:
        os.umask(narrowest)
    return listener


def _identity(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_dev, status.st_ino
