"""What the kernel says of a network device, by name: its number, and whether it is up."""

from __future__ import annotations

import fcntl
import socket
import struct

from fwknopd.capture import CaptureError, CaptureFault

ANY_DEVICE = "any"
"""libpcap's name for all devices at once."""

_SIOCGIFFLAGS = 0x8913
_IFF_UP = 1
_REQUEST = struct.Struct("16sh14x")


def device_index(device: str) -> int:
    """The kernel's number for the device, 0 for ``any``; it changes when one is made anew.

    Raises CaptureError when there is none of that name.
    """
    if device == ANY_DEVICE:
        return 0
    try:
        return socket.if_nametoindex(device)
    except (OSError, ValueError):
        # Which of the two does not tell why: it asks through a socket, and may have got none.
        present = _numbers()
    if device not in present:
        raise CaptureError(
            CaptureFault.NO_DEVICE,
            f"there is no network device {device!r}",
            f"Set PCAP_INTF to one of: {', '.join(present)}; or wait until the device appears",
        )
    return present[device]


def _numbers() -> dict[str, int]:
    """All devices. Raises CaptureError."""
    try:
        return {name: number for number, name in socket.if_nameindex()}
    except OSError as error:
        raise CaptureError(
            CaptureFault.OTHER,
            f"the kernel can't be asked for its network devices: {error.strerror}",
            "Close other programs, or restart the daemon",
        ) from None


def is_up(device: str) -> bool:
    """Has somebody set the device up? False too when it is gone."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            answer = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, _REQUEST.pack(device.encode(), 0))
    except OSError:
        return False
    return bool(_REQUEST.unpack(answer)[1] & _IFF_UP)
