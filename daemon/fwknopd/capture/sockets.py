"""Sockets that wait for knocks on a port, and what can be wrong with one, in words."""

from __future__ import annotations

import errno
import select
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from fwknopd.capture import CaptureError, CaptureFault
from fwknopd.policy.packet import Address

ALL_ADDRESSES: tuple[Address, ...] = (IPv4Address(0), IPv6Address(0))

BACKLOG = 256
"""Connections the kernel holds for a TCP port until they are taken."""


@dataclass(frozen=True, slots=True)
class PortKind:
    """TCP or UDP: its name, the variable that sets the port, and netstat's letter for it."""

    name: str
    option: str
    letter: str
    type: socket.SocketKind


UDP_PORT = PortKind("UDP", "UDPSERV_PORT", "u", socket.SOCK_DGRAM)
TCP_PORT = PortKind("TCP", "TCPSERV_PORT", "t", socket.SOCK_STREAM)


def open_sockets(
    kind: PortKind,
    addresses: Sequence[Address],
    port: int,
    prepare: Callable[[socket.socket], None],
) -> list[socket.socket]:
    """A socket bound to ``port`` on each address, made ready by ``prepare`` first.

    An IPv6 address is left out silently on a system without it, as long as another
    address is left. Raises CaptureError.
    """
    with ExitStack() as undo:
        opened = []
        for address in addresses:
            made = _open(kind, address, port, prepare, optional=len(addresses) > 1)
            if made is not None:
                opened.append(undo.enter_context(made))
        if not opened:
            fault = OSError(0, "no such address family")
            raise _listen_error(kind, addresses[0], port, fault)
        undo.pop_all()
    return opened


def _open(
    kind: PortKind,
    address: Address,
    port: int,
    prepare: Callable[[socket.socket], None],
    *,
    optional: bool,
) -> socket.socket | None:
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        opened = socket.socket(family, kind.type)
    except OSError as error:
        if optional and error.errno == errno.EAFNOSUPPORT:
            return None
        raise _listen_error(kind, address, port, error) from None
    try:
        opened.setblocking(False)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        prepare(opened)
        opened.bind((str(address), port))
        if kind.type is socket.SOCK_STREAM:
            opened.listen(BACKLOG)
    except OSError as error:
        opened.close()
        if optional and family == socket.AF_INET6 and error.errno == errno.EADDRNOTAVAIL:
            return None
        raise _listen_error(kind, address, port, error) from None
    return opened


def new_epoll(kind: PortKind, port: int) -> select.epoll:
    """One descriptor for several sockets: readable when one of them is. Raises CaptureError."""
    try:
        return select.epoll()
    except OSError as error:
        raise _listen_error(kind, ALL_ADDRESSES[0], port, error) from None


def _listen_error(kind: PortKind, address: Address, port: int, error: OSError) -> CaptureError:
    """Why a port can't be listened on."""
    where = f"{kind.name} port {port} of {address}"
    if error.errno == errno.EADDRINUSE:
        return CaptureError(
            CaptureFault.PORT_IN_USE,
            f"{where} is in use by another program",
            f"See who has it with: netstat -l{kind.letter}np | grep :{port} ; "
            f"or set another {kind.option}",
            kind.option,
        )
    if error.errno == errno.EACCES:
        return CaptureError(
            CaptureFault.NOT_PERMITTED,
            f"listening on {where} is not permitted",
            f"Set {kind.option} to 1024 or above, or run the daemon as root",
            kind.option,
        )
    return CaptureError(
        CaptureFault.OTHER,
        f"listening on {where} failed: {error.strerror}",
        f"Check the address and {kind.option}",
        kind.option,
    )
