"""Which devices lie on top of others: a bridge on its ports, a VLAN on what carries it.

A knock is seen on the device below, too, but its connection comes in by the one on top, and
that is the name which firewall rules see. netifd knows of that for its networks; for a device
somebody named, the kernel does. Numbers are those of its uapi header if_link.h.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from fwknopd.capture.device import ANY_DEVICE
from fwknopd.config.device_names import is_device_name

TIME_LIMIT = 1.0
"""Seconds for the kernel's answer, which it gives at once."""

_READ = 1 << 16
_HEADER = struct.Struct("=IHHII")
_LINK = struct.Struct("=BxHiII")
_ATTRIBUTE = struct.Struct("=HH")
_NUMBER = struct.Struct("=i")
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_RTM_NEWLINK, _RTM_GETLINK = 16, 18
_REQUEST_DUMP = 0x301
_IFNAME, _LINK_BELOW, _MASTER, _LINKINFO, _ELSEWHERE = 3, 5, 10, 18, 37
_INFO_KIND = 1
_TYPE_MASK = 0x3FFF

# What comes in by these was seen below as it is. A tunnel's packets were not, and what a veth
# names is its other end.
_CARRIED = (b"vlan", b"macvlan", b"ipvlan")


@dataclass(frozen=True, slots=True)
class Link:
    """A device by its number; ``master`` and ``below`` are numbers too, 0 for none."""

    index: int
    name: str
    master: int = 0
    below: int = 0


def devices_on_top(names: Collection[str]) -> tuple[str, ...]:
    """The devices on top of these, now. Raises OSError."""
    return on_top_of(names, _all_links())


def on_top_of(names: Collection[str], links: Sequence[Link]) -> tuple[str, ...]:
    """Their bridges and VLANs, and those of these, in a fixed order. Pure.

    One that is called ``any`` is left out: to the rules that word is every device.
    """
    by_index = {link.index: link for link in links}
    found = {link.index for link in links if link.name in names}
    todo = list(found)
    while todo:
        index = todo.pop()
        above = {link.index for link in links if link.below == index}
        above.add(by_index[index].master)
        new = (above & by_index.keys()) - found
        found |= new
        todo += new
    over = {by_index[index].name for index in found} - {*names, ANY_DEVICE}
    return tuple(sorted(filter(is_device_name, over)))


def _all_links() -> list[Link]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as asking:
        asking.settimeout(TIME_LIMIT)
        size = _HEADER.size + _LINK.size
        asking.send(_HEADER.pack(size, _RTM_GETLINK, _REQUEST_DUMP, 1, 0) + bytes(_LINK.size))
        links: list[Link] = []
        while True:
            answer = asking.recv(_READ)
            links += parse_links(answer)
            if ends(answer):
                return links


def ends(answer: bytes) -> bool:
    """Is this the end of the kernel's answer, or nothing that goes on?"""
    kinds = [kind for kind, _ in _messages(answer)]
    return not kinds or kinds[-1] in (_NLMSG_DONE, _NLMSG_ERROR)


def parse_links(answer: bytes) -> list[Link]:
    """The devices in a piece of it; what can't be read is left out. Pure."""
    return [
        link
        for kind, payload in _messages(answer)
        if kind == _RTM_NEWLINK and len(payload) >= _LINK.size
        for link in (_link(payload),)
        if link.name
    ]


def _link(payload: bytes) -> Link:
    index = _LINK.unpack_from(payload)[2]
    found = dict(_attributes(payload[_LINK.size :]))
    kind = dict(_attributes(found.get(_LINKINFO, b""))).get(_INFO_KIND, b"").rstrip(b"\0")
    # A number that counts in another network namespace is nobody's here.
    is_carried = kind in _CARRIED and _ELSEWHERE not in found
    return Link(
        index,
        found.get(_IFNAME, b"").rstrip(b"\0").decode("utf-8", "replace"),
        _number(found.get(_MASTER)),
        _number(found.get(_LINK_BELOW)) if is_carried else 0,
    )


def _number(content: bytes | None) -> int:
    if content is None or len(content) != _NUMBER.size:
        return 0
    number: int = _NUMBER.unpack(content)[0]
    return number


def _messages(answer: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _HEADER.size <= len(answer):
        length, kind, *_ = _HEADER.unpack_from(answer, at)
        if length < _HEADER.size:
            return
        yield kind, answer[at + _HEADER.size : at + length]
        at += (length + 3) & ~3


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            return
        yield kind & _TYPE_MASK, data[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
