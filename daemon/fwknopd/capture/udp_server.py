"""Knocks through ordinary UDP sockets: for places where packets can't be captured.

Needs an open port in the firewall, and scanners can see it; in return it needs no
privilege, and the kernel puts fragments together. Unlike the C daemon, whose server
sees every packet as sent to 0.0.0.0, this one learns the true destination, so that
DESTINATION rules work.
"""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from math import inf

from fwknopd.capture import CaptureStats
from fwknopd.capture.link_layer import UDP
from fwknopd.capture.sockets import ALL_ADDRESSES, UDP_PORT, new_epoll, open_sockets
from fwknopd.policy.packet import Address, Packet

# The longest a knock may be (protocol notes 10); the kernel says when it cut a longer one.
_MAX_PAYLOAD = 1500
_RECEIVE_BUFFER = 1024 * 1024
_IP_PKTINFO = getattr(socket, "IP_PKTINFO", 8)
_SO_RXQ_OVFL = 40
_IN6_PKTINFO = struct.Struct("16sI")
_IN_PKTINFO = struct.Struct("I4s4s")
_U32 = struct.Struct("I")
_ANCILLARY_BYTES = socket.CMSG_SPACE(_IN6_PKTINFO.size) + socket.CMSG_SPACE(_U32.size)


class UdpServerCapture:
    """Datagrams sent to ``port`` on ``addresses``. Opening raises CaptureError.

    An IPv6 address is left out silently on a system without IPv6, as long as another
    address is left to listen on.
    """

    def __init__(self, port: int, addresses: Sequence[Address] = ALL_ADDRESSES) -> None:
        self.name = f"udp:{port}"
        self._port = port
        self._received = 0
        self._dropped: dict[int, int] = {}
        self._sockets: dict[int, socket.socket] = {}
        # One descriptor for several sockets: an epoll is readable when one of them is.
        self._ready = new_epoll(UDP_PORT, port)
        try:
            for opened in open_sockets(UDP_PORT, addresses, port, _set_options):
                self._sockets[opened.fileno()] = opened
                self._ready.register(opened, select.EPOLLIN)
        except BaseException:
            self.close()
            raise

    def fileno(self) -> int:
        """Readable while datagrams wait on any of the sockets."""
        return -1 if self._ready.closed else self._ready.fileno()

    def read(self, limit: int) -> list[Packet]:
        """At most ``limit`` datagrams; those longer than any knock are left out."""
        packets: list[Packet] = []
        if self._ready.closed:
            return packets
        for descriptor, _events in self._ready.poll(0):
            if len(packets) < limit:
                self._drain(self._sockets[descriptor], limit, packets)
        return packets

    def due(self) -> float:
        """Never: nothing here waits for time to pass."""
        return inf

    def detail(self) -> str:
        """The addresses listened on."""
        return ", ".join(str(opened.getsockname()[0]) for opened in self._sockets.values())

    def stats(self) -> CaptureStats:
        """Datagrams fetched, and those the full socket buffer lost."""
        return CaptureStats(self._received, sum(self._dropped.values()))

    def close(self) -> None:
        """Close every socket."""
        for opened in self._sockets.values():
            opened.close()
        self._sockets.clear()
        self._ready.close()

    def _drain(self, opened: socket.socket, limit: int, packets: list[Packet]) -> None:
        while len(packets) < limit:
            try:
                payload, ancillary, flags, peer = opened.recvmsg(_MAX_PAYLOAD, _ANCILLARY_BYTES)
            except BlockingIOError:
                return
            except OSError:
                return  # an ICMP error some sender provoked; what else waits is read next time
            self._received += 1
            destination = self._destination(opened, ancillary)
            if payload and destination is not None and not flags & socket.MSG_TRUNC:
                packets.append(self._packet(payload, peer, destination))

    def _packet(self, payload: bytes, peer: tuple[str, int], destination: Address) -> Packet:
        # A link-local peer carries its device after a "%", which is no part of an address.
        source = ip_address(peer[0].partition("%")[0])
        return Packet(payload, source, destination, peer[1], self._port, UDP, "udp")

    def _destination(
        self, opened: socket.socket, ancillary: list[tuple[int, int, bytes]]
    ) -> Address | None:
        """The address the datagram was sent to; the loss counter comes the same way."""
        destination: Address | None = None
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == _SO_RXQ_OVFL:
                self._dropped[opened.fileno()] = _U32.unpack_from(data)[0]
            elif level == socket.IPPROTO_IP and kind == _IP_PKTINFO:
                destination = IPv4Address(_IN_PKTINFO.unpack_from(data)[2])
            elif level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
                destination = IPv6Address(_IN6_PKTINFO.unpack_from(data)[0])
        return destination


def _set_options(opened: socket.socket) -> None:
    if opened.family == socket.AF_INET6:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        opened.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    opened.setsockopt(socket.SOL_SOCKET, _SO_RXQ_OVFL, 1)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
