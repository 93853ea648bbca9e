"""The filter for notices, run by this kernel on datagrams of our own."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwknopd.firewall.netlink_filter import MESSAGES, only
from fwknopd.firewall.nfnetlink import DELETIONS, Nft
from fwknopd.firewall.nft_socket import attach_filter

OTHERS = sorted(set(Nft) - DELETIONS)


def message(kind: int, content: int = 0) -> bytes:
    """A netlink message with so many bytes of content."""
    length = 16 + content
    return struct.pack("=IHHII", length, kind, 0, 0, 0) + b"\x08" * (content + -length % 4)


def arrives(datagram: bytes, program: bytes) -> bool:
    """Does a socket with the filter get to see it?"""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        attach_filter(ours, program)
        theirs.send(datagram)
        ours.setblocking(False)
        try:
            return ours.recv(1 << 16) == datagram
        except BlockingIOError:
            return False


PROGRAM = only(DELETIONS)


@pytest.mark.parametrize("kind", DELETIONS)
def test_a_deletion_arrives(kind: Nft) -> None:
    assert arrives(message(kind), PROGRAM)


@pytest.mark.parametrize("kind", OTHERS)
def test_nothing_else_does(kind: Nft) -> None:
    assert not arrives(message(kind, 100), PROGRAM)


@given(
    before=st.lists(st.tuples(st.sampled_from(OTHERS), st.integers(0, 300)), max_size=MESSAGES - 1),
    deleted=st.sampled_from(sorted(DELETIONS)),
)
def test_a_deletion_behind_other_messages_arrives(
    before: list[tuple[Nft, int]], deleted: Nft
) -> None:
    datagram = b"".join(message(*each) for each in before)
    assert not arrives(datagram, PROGRAM) or not before
    assert arrives(datagram + message(deleted), PROGRAM)


def test_what_is_behind_the_last_message_looked_at_is_let_through() -> None:
    many = message(Nft.NEWSETELEM) * (MESSAGES + 1)
    assert arrives(many, PROGRAM)
    assert not arrives(many[16:-16], PROGRAM)


@pytest.mark.parametrize("length", [0, 3, 0xFFFFFFFF])
def test_nonsense_harms_nobody(length: int) -> None:
    nonsense = struct.pack("=IHHII", length, Nft.NEWSETELEM, 0, 0, 0)
    assert arrives(nonsense, PROGRAM) in (True, False)
