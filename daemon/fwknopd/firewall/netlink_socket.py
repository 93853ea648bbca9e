"""A raw netlink socket: requests, and the kernel's answers.

Thin: bytes go through netlink.py, and failures stay OSErrors for the caller to put into
words.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress

from fwknopd.firewall.netlink import (
    NLM_F_ACK,
    NLM_F_DUMP,
    NLM_F_DUMP_INTR,
    NLMSG_DONE,
    NLMSG_ERROR,
    Keep,
    Message,
    Request,
    encode,
    parse_messages,
)

NETLINK_ROUTE = 0
NETLINK_NETFILTER = 12
SOL_NETLINK = 270
NETLINK_CAP_ACK = 10

# Seconds. The kernel answers while it handles the request; this is for a sick one.
TIME_LIMIT = 5.0
# The kernel cuts dumps to 32 KiB.
DATAGRAM = 32768
DUMP_ATTEMPTS = 5
# Requests sent at once, so that their answers fit the receive buffer of any kernel.
AT_ONCE = 64


class FirstFault(OSError):
    """What the kernel refused first, found among answers of which others were lost."""


class NetlinkSocket:
    """Requests and their answers. Every method raises OSError."""

    def __init__(self, protocol: int = NETLINK_NETFILTER) -> None:
        self._socket = open_socket(TIME_LIMIT, protocol)
        with suppress(OSError):  # An answer that quotes the request is only longer.
            self._socket.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
        self._sequence = 1

    def ask(self, request: Request) -> list[Message]:
        """The messages that answer ``request``, a dump or a single one."""
        for _ in range(DUMP_ATTEMPTS):
            messages = list(self.answers(request))
            if not any(message.flags & NLM_F_DUMP_INTR for message in messages):
                return messages
        raise os_error(errno.EINTR)

    def answers(self, request: Request, keep: Keep | None = None) -> Iterator[Message]:
        """The same one by one, as they come; of a dump that was overtaken by a change too.

        Of those of a dump only what ``keep`` says, if given.
        """
        sequence = self.next_sequence(1)
        self._socket.send(encode(request, sequence))
        answered = False
        while True:
            for message in self.receive(keep):
                if message.sequence != sequence:
                    continue
                if message.kind in (NLMSG_ERROR, NLMSG_DONE):
                    if message.error:
                        raise os_error(message.error)
                    return
                answered = True
                yield message
            if answered and request.flags & NLM_F_DUMP != NLM_F_DUMP:
                return

    def do(self, requests: Sequence[Request]) -> list[int]:
        """Do each of ``requests`` by itself, in this order; the errno of each, 0 for success."""
        errors: list[int] = []
        for start in range(0, len(requests), AT_ONCE):
            errors += self._do_at_once(requests[start : start + AT_ONCE])
        return errors

    def _do_at_once(self, requests: Sequence[Request]) -> list[int]:
        first = self.next_sequence(len(requests))
        numbered = enumerate(requests, first)
        self._socket.send(b"".join(encode(each, number, NLM_F_ACK) for number, each in numbered))
        errors: dict[int, int] = {}
        while len(errors) < len(requests):
            for message in self.receive():
                number = message.sequence - first
                if message.kind == NLMSG_ERROR and 0 <= number < len(requests):
                    errors[number] = message.error
        return [errors[number] for number in range(len(requests))]

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def receive(self, keep: Keep | None = None) -> list[Message]:
        """The messages of the next datagram, and of a subsystem only what ``keep`` says."""
        try:
            return parse_messages(self._socket.recv(DATAGRAM), keep)
        except OSError as error:
            if error.errno == errno.ENOBUFS:
                raise _first_fault(self._socket) from error
            raise
        except ValueError as error:
            raise OSError(errno.EBADMSG, str(error)) from error

    def next_sequence(self, count: int) -> int:
        """The first of ``count`` numbers that no other request has."""
        # Never reused within a run of the daemon that anybody will see, so that a
        # late answer isn't taken for that of a later request.
        sequence = self._sequence if self._sequence + count < 1 << 32 else 1
        self._sequence = sequence + count
        return sequence


def open_socket(time_limit: float, protocol: int = NETLINK_NETFILTER) -> socket.socket:
    """A socket that waits so many seconds for an answer; 0 is not at all."""
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
    opened.settimeout(time_limit)
    opened.bind((0, 0))
    return opened


def os_error(code: int) -> OSError:
    """The error of this number."""
    return OSError(code, os.strerror(code))


def _first_fault(full: socket.socket) -> OSError:
    """Empty a buffer that overflowed; the first error in it, or ENOBUFS without one."""
    faults: list[int] = []
    full.settimeout(0.0)
    with suppress(BlockingIOError, ValueError):
        while True:
            messages = parse_messages(full.recv(DATAGRAM))
            faults += [message.error for message in messages if message.kind == NLMSG_ERROR]
    full.settimeout(TIME_LIMIT)
    fault = next(filter(None, faults), 0)
    return FirstFault(fault, os.strerror(fault)) if fault else os_error(errno.ENOBUFS)
