"""Sockets in another network namespace, without a process there.

The namespace belongs to the thread that makes a socket, and the socket keeps it:
a thread of its own enters, makes the socket, and ends.
"""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

CLONE_NEWNET = 0x40000000

T = TypeVar("T")

_libc = ctypes.CDLL(None, use_errno=True)


def socket_in(
    namespace: Path | None, family: socket.AddressFamily, kind: socket.SocketKind
) -> socket.socket:
    """A socket in ``namespace`` (None: the one we are in). Raises OSError."""
    return _inside(namespace, lambda: socket.socket(family, kind))


def enable_forwarding(namespace: Path) -> None:
    """Make a namespace pass packets on between its devices. Raises OSError."""

    def write() -> None:
        # /proc/sys/net shows the network of the thread that opens it.
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1\n")
        Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("1\n")

    _inside(namespace, write)


def _inside(namespace: Path | None, action: Callable[[], T]) -> T:
    if namespace is None:
        return action()

    def enter_and_act() -> T:
        enter_network(namespace)
        return action()

    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(enter_and_act).result()


def enter_network(namespace: Path) -> None:
    """Move the calling thread, and only it, into a network namespace. Raises OSError."""
    descriptor = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(descriptor, CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(namespace))
    finally:
        os.close(descriptor)
