"""The request socket against answers a kernel gives only on a bad day."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterator

import pytest

from fwknopd.firewall import netlink_socket
from fwknopd.firewall.netlink import (
    NLM_F_DUMP_INTR,
    NLMSG_DONE,
    NLMSG_ERROR,
    parse_messages,
)
from fwknopd.firewall.netlink_socket import AT_ONCE
from fwknopd.firewall.nfnetlink import Element, Nft, add_element, dump_elements
from fwknopd.firewall.nft_socket import NftSocket, OutcomeUnknown

REQUEST = add_element("t", Element("open4", bytes(12)), 1000)
DUMP = dump_elements("t", "open4")


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The other end of the next NftSocket: what is sent here are the kernel's answers."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(0.1)
    monkeypatch.setattr(netlink_socket, "open_socket", lambda *_: ours)
    with ours, theirs:
        yield theirs


def answer(kind: int, sequence: int, code: int = 0, flags: int = 0) -> bytes:
    """A message with an errno, as NLMSG_ERROR and NLMSG_DONE are."""
    return struct.pack("=IHHIIi", 20, kind, flags, sequence, 0, -code)


def test_late_answers_to_earlier_requests_are_passed_over(kernel: socket.socket) -> None:
    requests = NftSocket()
    kernel.send(answer(NLMSG_ERROR, 2))
    assert requests.transact([REQUEST]) == [0]
    for late in (answer(NLMSG_ERROR, 2, errno.EBUSY), answer(NLMSG_DONE, 3)):
        kernel.send(late)
    kernel.send(answer(NLMSG_ERROR, 5))
    assert requests.transact([REQUEST]) == [0]


def test_each_request_of_a_batch_gets_its_own_error(kernel: socket.socket) -> None:
    kernel.send(answer(NLMSG_ERROR, 3, errno.ENOENT) + answer(NLMSG_ERROR, 4, errno.EBUSY))
    assert NftSocket().transact([REQUEST] * 3) == [0, errno.ENOENT, errno.EBUSY]


def test_an_error_of_the_whole_batch_is_raised(kernel: socket.socket) -> None:
    kernel.send(answer(NLMSG_ERROR, 1, errno.EPERM))
    with pytest.raises(PermissionError):
        NftSocket().transact([REQUEST])


def test_after_silence_the_outcome_is_unknown(kernel: socket.socket) -> None:
    assert kernel.fileno() >= 0
    with pytest.raises(OutcomeUnknown):
        NftSocket().transact([REQUEST])


@pytest.mark.parametrize("damage", [b"", b"\0" * 3, b"\0" * 20, b"\xff" * 20])
def test_a_damaged_answer_is_an_error(kernel: socket.socket, damage: bytes) -> None:
    kernel.send(answer(NLMSG_ERROR, 2)[:-4] + damage)
    with pytest.raises(OSError):
        NftSocket().transact([REQUEST])


def test_a_dump_that_was_overtaken_by_a_change_is_asked_for_again(kernel: socket.socket) -> None:
    kernel.send(answer(Nft.NEWSETELEM, 1, flags=NLM_F_DUMP_INTR) + answer(NLMSG_DONE, 1))
    kernel.send(answer(Nft.NEWSETELEM, 2) + answer(NLMSG_DONE, 2))
    [message] = NftSocket().ask(DUMP)
    assert message.sequence == 2


def test_a_dump_that_is_always_overtaken_is_given_up(kernel: socket.socket) -> None:
    for sequence in range(1, 10):
        kernel.send(
            answer(Nft.NEWSETELEM, sequence, flags=NLM_F_DUMP_INTR) + answer(NLMSG_DONE, sequence)
        )
    with pytest.raises(InterruptedError):
        NftSocket().ask(DUMP)


def test_a_dump_that_fails_is_an_error(kernel: socket.socket) -> None:
    kernel.send(answer(NLMSG_ERROR, 1, errno.ENOENT))
    with pytest.raises(FileNotFoundError):
        NftSocket().ask(DUMP)


def test_requests_by_themselves_get_their_own_errors_in_their_own_order(
    kernel: socket.socket,
) -> None:
    # The first two in one datagram and out of order, behind the late answer to another.
    kernel.send(
        answer(NLMSG_ERROR, 77, errno.EPERM)
        + answer(NLMSG_ERROR, 2, errno.ENOENT)
        + answer(NLMSG_ERROR, 1)
    )
    kernel.send(answer(NLMSG_ERROR, 3, errno.EBUSY))
    assert NftSocket().do([REQUEST] * 3) == [0, errno.ENOENT, errno.EBUSY]


def test_many_requests_are_sent_in_parts_the_answers_to_which_fit(kernel: socket.socket) -> None:
    count = AT_ONCE + 1
    for number in range(1, count + 1):
        kernel.send(answer(NLMSG_ERROR, number))
    assert NftSocket().do([REQUEST] * count) == [0] * count
    assert [len(parse_messages(kernel.recv(65536))) for _ in range(2)] == [AT_ONCE, 1]


def test_no_request_is_no_message(kernel: socket.socket) -> None:
    kernel.setblocking(False)
    assert NftSocket().do([]) == []
    with pytest.raises(BlockingIOError):
        kernel.recv(1)
