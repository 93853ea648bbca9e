"""Netlink framing: messages and their attributes. Pure: bytes in, bytes out.

Numbers are those of the kernel's uapi headers netlink.h and nfnetlink.h. Headers are in
host order; netfilter puts numbers inside attributes in network order.
"""

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

NLMSG_ERROR = 2
NLMSG_DONE = 3
NLM_F_REQUEST = 0x001
NLM_F_ACK = 0x004
NLM_F_DUMP_INTR = 0x010
NLM_F_DUMP_FILTERED = 0x020
NLM_F_DUMP = 0x300
NLM_F_EXCL = 0x200
NLM_F_CREATE = 0x400
NLA_F_NESTED = 0x8000
NLA_TYPE_MASK = 0x3FFF

Keep = Callable[[bytes, int, int], bool]
"""Whether the payload between two places of a datagram is of interest."""

HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_ERROR = struct.Struct("=i")


class Request(NamedTuple):
    """A message before it has its sequence number; ``payload`` is what follows its header."""

    kind: int
    flags: int
    payload: bytes


class Message(NamedTuple):
    """A message from the kernel; ``payload`` is what follows the netlink header."""

    kind: int
    flags: int
    sequence: int
    payload: bytes

    @property
    def error(self) -> int:
        """errno of an NLMSG_ERROR or NLMSG_DONE message, 0 for success."""
        if len(self.payload) < _ERROR.size:
            return 0
        code: int = _ERROR.unpack_from(self.payload)[0]
        return -code

    def attributes(self) -> dict[int, bytes]:
        """The attributes of a message of netfilter's. Raises ValueError."""
        return dict(attributes(self.payload[4:]))


def encode(request: Request, sequence: int, extra_flags: int = 0) -> bytes:
    """One message as it goes to the kernel."""
    kind, flags, payload = request
    flags |= extra_flags | NLM_F_REQUEST
    return HEADER.pack(HEADER.size + len(payload), kind, flags, sequence, 0) + payload


def family_header(family: int) -> bytes:
    """What every payload of netfilter's begins with, before its attributes."""
    return bytes((family, 0, 0, 0))


def parse_messages(data: bytes, keep: Keep | None = None) -> list[Message]:
    """The messages of one datagram. Raises ValueError if it was cut short.

    With ``keep`` those of a subsystem only if it says so: among thousands, making each a
    message takes most of the time.
    """
    messages: list[Message] = []
    offset = 0
    while offset < len(data):
        if len(data) - offset < HEADER.size:
            raise ValueError("netlink message cut short")
        length, kind, flags, sequence, _ = HEADER.unpack_from(data, offset)
        if not HEADER.size <= length <= len(data) - offset:
            raise ValueError("netlink message cut short")
        start, end = offset + HEADER.size, offset + length
        if keep is None or kind <= NLMSG_DONE or keep(data, start, end):
            messages.append(Message(kind, flags, sequence, data[start:end]))
        offset += length + (-length & 3)
    return messages


def nested(kind: int, content: bytes) -> bytes:
    """An attribute made of attributes."""
    return attribute(kind | NLA_F_NESTED, content)


def attribute(kind: int, content: bytes) -> bytes:
    """One attribute, with its padding."""
    length = _ATTRIBUTE.size + len(content)
    return _ATTRIBUTE.pack(length, kind) + content + bytes(-length & 3)


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Numbers and contents of the attributes in ``data``. Raises ValueError."""
    offset = 0
    while offset < len(data):
        if len(data) - offset < _ATTRIBUTE.size:
            raise ValueError("netlink attribute cut short")
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if not _ATTRIBUTE.size <= length <= len(data) - offset:
            raise ValueError("netlink attribute cut short")
        yield kind & NLA_TYPE_MASK, data[offset + _ATTRIBUTE.size : offset + length]
        offset += length + (-length & 3)
