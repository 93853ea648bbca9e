"""Raw netlink sockets to nftables: one for requests, one for notifications.

Thin: bytes go through nfnetlink.py, and failures stay OSErrors for the caller to
put into words.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence
from contextlib import suppress

from fwknopd.firewall.nfnetlink import (
    NFNLGRP_NFTABLES,
    NLM_F_DUMP,
    NLM_F_DUMP_INTR,
    NLMSG_DONE,
    NLMSG_ERROR,
    Message,
    Request,
    encode,
    encode_batch,
    parse_messages,
)

NETLINK_NETFILTER = 12
SOL_NETLINK = 270
NETLINK_ADD_MEMBERSHIP = 1
NETLINK_CAP_ACK = 10
# The one socket option family that MIPS, a common router, numbers its own way.
SO_SNDBUFFORCE = 31 if os.uname().machine.startswith("mips") else 32

# Seconds. The kernel answers while it handles the request; this is for a sick one.
TIME_LIMIT = 5.0
# Bytes. A limit, not an allocation: thousands of doors can go in one batch.
SEND_LIMIT = 16 << 20
# The kernel cuts dumps to 32 KiB.
DATAGRAM = 32768
# Notifications read per call, so that a flood of them can't hold the daemon.
DRAIN_LIMIT = 256
DUMP_ATTEMPTS = 5


class NftSocket:
    """Requests and their answers. Every method raises OSError."""

    def __init__(self) -> None:
        self._socket = _open_socket(TIME_LIMIT)
        with suppress(OSError):  # An answer that quotes the request is only longer.
            self._socket.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
        with suppress(PermissionError):  # The first request tells it in plain words.
            self._socket.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, SEND_LIMIT)
        self._sequence = 1

    def transact(self, requests: Sequence[Request]) -> list[int]:
        """Do all ``requests`` or none; the errno of each, and 0 for those without fault.

        Raised is what is wrong with the transaction as a whole, or the first fault
        if there are more than the receive buffer holds.
        """
        first = self._next_sequence(len(requests) + 2)
        self._socket.send(encode_batch(requests, first))
        errors = [0] * len(requests)
        last = first + len(requests)
        while True:
            for message in self._receive():
                if message.kind != NLMSG_ERROR or not first <= message.sequence <= last:
                    continue  # The late answer to an earlier request.
                if message.sequence == first:
                    raise _os_error(message.error)
                errors[message.sequence - first - 1] = message.error
                if message.sequence == last:
                    return errors

    def ask(self, request: Request) -> list[Message]:
        """The messages that answer ``request``, a dump or a single one."""
        for _ in range(DUMP_ATTEMPTS):
            messages = self._ask_once(request)
            if not any(message.flags & NLM_F_DUMP_INTR for message in messages):
                return messages
        raise _os_error(errno.EINTR)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _ask_once(self, request: Request) -> list[Message]:
        sequence = self._next_sequence(1)
        self._socket.send(encode(request, sequence))
        answers: list[Message] = []
        while True:
            for message in self._receive():
                if message.sequence != sequence:
                    continue
                if message.kind in (NLMSG_ERROR, NLMSG_DONE):
                    if message.error:
                        raise _os_error(message.error)
                    return answers
                answers.append(message)
            if answers and request.flags & NLM_F_DUMP != NLM_F_DUMP:
                return answers

    def _receive(self) -> list[Message]:
        try:
            return parse_messages(self._socket.recv(DATAGRAM))
        except OSError as error:
            if error.errno == errno.ENOBUFS:
                raise _first_fault(self._socket) from error
            raise
        except ValueError as error:
            raise OSError(errno.EBADMSG, str(error)) from error

    def _next_sequence(self, count: int) -> int:
        # Never reused within a run of the daemon that anybody will see, so that a
        # late answer isn't taken for that of a later request.
        sequence = self._sequence if self._sequence + count < 1 << 32 else 1
        self._sequence = sequence + count
        return sequence


class NftNotices:
    """What others, and we, change in nftables, as the kernel announces it."""

    def __init__(self) -> None:
        self._socket = _open_socket(0.0)
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


def _open_socket(time_limit: float) -> socket.socket:
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    opened.settimeout(time_limit)
    opened.bind((0, 0))
    return opened


def _first_fault(full: socket.socket) -> OSError:
    """Empty a buffer that overflowed; the first error in it, or ENOBUFS without one."""
    faults: list[int] = []
    full.settimeout(0.0)
    with suppress(BlockingIOError, ValueError):
        while True:
            messages = parse_messages(full.recv(DATAGRAM))
            faults += [message.error for message in messages if message.kind == NLMSG_ERROR]
    full.settimeout(TIME_LIMIT)
    return _os_error(next(filter(None, faults), errno.ENOBUFS))


def _os_error(code: int) -> OSError:
    return OSError(code, os.strerror(code))
