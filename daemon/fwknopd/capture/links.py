"""Notices of network devices that come, go, rise and fall, from the kernel's rtnetlink.

And of their addresses: a logical network is up only once it has one.

A packet socket tells when its device goes down, but not when a device that is down
already is deleted, and that is how an uplink redials: down, gone, made anew. Without
these notices the capture would sit on a device that is no more, deaf for good.
"""

from __future__ import annotations

import socket
import struct

_GROUPS = 0x1 | 0x10 | 0x100  # links, IPv4 addresses, IPv6 addresses
_READ = 65536
# What is left, or an error that stays, wakes us again: nobody else may wait for it.
_MOST = 256
_HEADER = struct.Struct("=IHHII")
_LINK_MESSAGES = (16, 17)  # RTM_NEWLINK, RTM_DELLINK


class LinkNotices:
    """A socket that becomes readable when a link or address changes. Opening raises OSError."""

    def __init__(self) -> None:
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0
        )
        self._socket.bind((0, _GROUPS))

    def fileno(self) -> int:
        """Readable when a link has changed."""
        return self._socket.fileno()

    def drain(self) -> bool:
        """Take all notices; whether a link changed, and not only an address.

        What else they say is looked up where it is needed.
        """
        links = False
        for _ in range(_MOST):
            try:
                notices = self._socket.recv(_READ)
            except BlockingIOError:
                break
            except OSError:
                # ENOBUFS: some were lost, which is as good as having seen them.
                links = True
                continue
            if not notices:
                break
            links = links or tells_of_link(notices)
        return links

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()


def tells_of_link(notices: bytes) -> bool:
    """Is one of these rtnetlink messages about a link?"""
    at = 0
    while at + _HEADER.size <= len(notices):
        length, kind, _flags, _sequence, _sender = _HEADER.unpack_from(notices, at)
        if kind in _LINK_MESSAGES or length < _HEADER.size:
            return True
        at += (length + 3) & ~3
    return False
