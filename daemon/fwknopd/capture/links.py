"""Notices of network devices that come, go, rise and fall, from the kernel's rtnetlink.

A packet socket tells when its device goes down, but not when a device that is down
already is deleted, and that is how an uplink redials: down, gone, made anew. Without
these notices the capture would sit on a device that is no more, deaf for good.
"""

from __future__ import annotations

import socket

_RTMGRP_LINK = 1
_READ = 65536


class LinkNotices:
    """A socket that becomes readable when any link changes. Opening raises OSError."""

    def __init__(self) -> None:
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0
        )
        self._socket.bind((0, _RTMGRP_LINK))

    def fileno(self) -> int:
        """Readable when a link has changed."""
        return self._socket.fileno()

    def drain(self) -> None:
        """Take all notices. What they say is looked up where it is needed, so none is read."""
        while True:
            try:
                if not self._socket.recv(_READ):
                    return
            except BlockingIOError:
                return
            except OSError:
                # ENOBUFS: some were lost, which is as good as having seen them.
                continue

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()
