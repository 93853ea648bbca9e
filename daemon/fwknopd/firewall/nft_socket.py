"""Raw netlink sockets to nftables: one for requests, one for notifications.

Thin: bytes go through nfnetlink.py, and failures stay OSErrors for the caller to
put into words.
"""

from __future__ import annotations

import os
import socket
import struct
from array import array
from collections.abc import Collection, Sequence
from contextlib import suppress

from fwknopd.firewall.netlink import NLMSG_ERROR, Message, Request, parse_messages
from fwknopd.firewall.netlink_filter import only
from fwknopd.firewall.netlink_socket import (
    DATAGRAM,
    SOL_NETLINK,
    FirstFault,
    NetlinkSocket,
    open_socket,
    os_error,
)
from fwknopd.firewall.nfnetlink import DELETIONS, NFNLGRP_NFTABLES, encode_batch

NETLINK_ADD_MEMBERSHIP = 1
SO_ATTACH_FILTER = 26
_FILTER_HEADER = struct.Struct("@HP")
_INSTRUCTION_BYTES = 8
# The one socket option family that MIPS, a common router, numbers its own way.
SO_SNDBUFFORCE = 31 if os.uname().machine.startswith("mips") else 32

# Bytes. A limit, not an allocation: thousands of doors can go in one batch.
SEND_LIMIT = 16 << 20
SO_RCVBUFFORCE = 33
# Notifications read per call, so that a flood of them can't hold the daemon.
DRAIN_LIMIT = 256


class OutcomeUnknown(OSError):
    """The kernel's answer was lost: it may have done what it was asked, or not."""


class NftSocket(NetlinkSocket):
    """Requests, batches of them, and their answers. Every method raises OSError."""

    def __init__(self) -> None:
        super().__init__()
        with suppress(PermissionError):  # The first request tells it in plain words.
            self._socket.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, SEND_LIMIT)

    def transact(self, requests: Sequence[Request]) -> list[int]:
        """Do all ``requests`` or none; the errno of each, and 0 for those without fault.

        Raised is what is wrong with the transaction as a whole, or the first fault
        if there are more than the receive buffer holds; OutcomeUnknown without an answer.
        """
        first = self.next_sequence(len(requests) + 2)
        self._socket.send(encode_batch(requests, first))
        errors = [0] * len(requests)
        last = first + len(requests)
        while True:
            for message in self._answer():
                if message.kind != NLMSG_ERROR or not first <= message.sequence <= last:
                    continue  # The late answer to an earlier request.
                if message.sequence == first:
                    raise os_error(message.error)
                errors[message.sequence - first - 1] = message.error
                if message.sequence == last:
                    return errors

    def _answer(self) -> list[Message]:
        try:
            return self.receive()
        except FirstFault:
            raise
        except OSError as error:
            # Whatever it was: the request is with the kernel.
            raise OutcomeUnknown(error.errno, str(error)) from error


class NftNotices:
    """What others, and we, change in nftables, as the kernel announces it.

    Of some ``kinds`` only, or all of it; ``room`` is how many bytes of notices may wait, if
    not as many as the system thinks right.
    """

    def __init__(self, kinds: Collection[int] = DELETIONS, *, room: int = 0) -> None:
        self._socket = open_socket(0.0)
        # Without it we would hear of every door we open, and it would be as well.
        if kinds:
            with suppress(OSError):
                attach_filter(self._socket, only(kinds))
        if room:
            with suppress(PermissionError):  # Then some are lost, and that is noticed.
                self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, room)
        self._socket.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTABLES)

    def fileno(self) -> int:
        """Descriptor that is readable while there are notices."""
        return self._socket.fileno()

    def drain(self) -> tuple[list[Message], bool]:
        """Pending notices, and whether they are complete. Never blocks, never raises."""
        notices: list[Message] = []
        complete = True
        for _ in range(DRAIN_LIMIT):
            try:
                notices += parse_messages(self._socket.recv(DATAGRAM))
            except BlockingIOError:
                break
            except (OSError, ValueError):
                # ENOBUFS: the kernel had more to say than our buffer could take.
                complete = False
        return notices, complete

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def attach_filter(opened: socket.socket, program: bytes) -> None:
    """Have the kernel drop what ``program`` doesn't let through. Raises OSError."""
    code = array("B", program)
    header = _FILTER_HEADER.pack(len(program) // _INSTRUCTION_BYTES, code.buffer_info()[0])
    opened.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, header)
