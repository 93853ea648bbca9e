"""Which addresses are this router's own, by the kernel's routes."""

from __future__ import annotations

import errno

from fwknopd.firewall.netlink import Request, attribute
from fwknopd.firewall.netlink_socket import NETLINK_ROUTE, NetlinkSocket
from fwknopd.policy.stanza import Address

RTM_GETROUTE = 26
AF_INET = 2
AF_INET6 = 10
RTA_DST = 1
RTN_LOCAL = 2
# Struct rtmsg has twelve bytes: the family, the bits of the destination, and what is of no
# interest in a question. In an answer, one is the route's type.
_REST = bytes(10)
_TYPE = slice(7, 8)
_NO_WAY = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL})
"""Answers for an address to which no route leads, or one that forbids it."""


class OwnAddresses:
    """Asks the kernel, once for each address. Opening raises OSError."""

    def __init__(self) -> None:
        self._socket = NetlinkSocket(NETLINK_ROUTE)
        self._known: dict[Address, bool] = {}

    def has(self, address: Address) -> bool:
        """Is this one of the router's own? Raises OSError."""
        if address not in self._known:
            self._known[address] = self._is_local(address)
        return self._known[address]

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _is_local(self, address: Address) -> bool:
        family = AF_INET if address.version == 4 else AF_INET6
        payload = bytes((family, address.max_prefixlen)) + _REST
        request = Request(RTM_GETROUTE, 0, payload + attribute(RTA_DST, address.packed))
        try:
            answers = self._socket.ask(request)
        except OSError as error:
            if error.errno in _NO_WAY:
                return False
            raise
        return any(answer.payload[_TYPE] == bytes((RTN_LOCAL,)) for answer in answers)
