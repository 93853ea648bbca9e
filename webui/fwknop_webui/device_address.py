"""The address a network device has now, asked of the kernel: no program, no rights, no network."""

from __future__ import annotations

import fcntl
import socket
import struct

_SIOCGIFADDR = 0x8915
_LONGEST_NAME = 15


def device_address(device: str) -> str:
    """The device's IPv4 address; "" when it has none, or isn't there."""
    name = device.encode("utf-8", "surrogateescape")
    if not 0 < len(name) <= _LONGEST_NAME or b"\0" in name:
        return ""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            answer = fcntl.ioctl(asking.fileno(), _SIOCGIFADDR, struct.pack("40s", name))
        except OSError:
            return ""
    return socket.inet_ntoa(answer[20:24])
