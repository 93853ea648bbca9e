"""Capturing with libpcap, through pypcap: live from one device, or from a file.

The only module that loads the packet library, and only when a capture is opened.
pypcap has edges that this module keeps from everybody else: ``dispatch`` reports an
error by a negative number only, error texts are bytes, methods of a closed handle
crash the process, and a name is tried as a file before it is tried as a device.
"""

from __future__ import annotations

import os
import stat
from math import inf
from pathlib import Path
from typing import Any

from fwknopd.capture import CaptureError, CaptureFault, CaptureStats
from fwknopd.capture.bpf import CaptureFilter
from fwknopd.capture.device import ANY_DEVICE, device_index, is_up
from fwknopd.capture.faults import bad_file, bad_filter, gone, open_error
from fwknopd.capture.link_layer import MAX_FRAME, knows_datalink, parse_frame
from fwknopd.policy.packet import Packet

# In immediate mode the ring spends a slot of snaplen plus about 80 bytes on each packet.
RING_BYTES = 2 * 1024 * 1024

_ETHERNET = 1


class PcapCapture:
    """Packets that come in on one network device.

    ``snaplen`` and ``buffer_size`` are bytes. Opening raises CaptureError.
    """

    def __init__(
        self,
        device: str,
        filter: CaptureFilter | str = "",
        snaplen: int = MAX_FRAME,
        promisc: bool = False,
        buffer_size: int = RING_BYTES,
        *,
        any_direction: bool = False,
    ) -> None:
        self.name = device
        self._index = device_index(device)
        self._last_stats = CaptureStats(0, 0)
        self._handle: Any = _open_live(device, snaplen, promisc, buffer_size)
        try:
            self._datalink = _usable_datalink(self._handle, device)
            self._handle.setnonblock(True)
            self.filter = _set_filter(self._handle, filter)
            if not any_direction:
                self._handle.setdirection(_library().PCAP_D_IN)
        except BaseException:
            self.close()
            raise

    def fileno(self) -> int:
        """The packet socket; also wakes when the device goes."""
        return int(self._handle.fileno()) if self._handle else -1

    def read(self, limit: int) -> list[Packet]:
        """Drain at most ``limit`` frames, then parse them.

        Emptying the ring comes first: parsing a frame takes longer than fetching one,
        and a burst must not overflow the ring meanwhile. Raises CaptureError once the
        device is gone or has been replaced by another of its name.
        """
        if not self._handle or limit < 1:
            return []
        frames, failed = _dispatch(self._handle, limit)
        if not frames:
            self._check(failed)
        return _parse_all(self._datalink, frames, self.name)

    def due(self) -> float:
        """Never: nothing here waits for time to pass."""
        return inf

    def detail(self) -> str:
        """Says so when the device is down: nothing can arrive, but nothing is broken."""
        if self.name == ANY_DEVICE or is_up(self.name):
            return ""
        return f"the device {self.name} is down"

    def stats(self) -> CaptureStats:
        """What the kernel counted: passed the filter, and lost for want of room."""
        if self._handle:
            self._last_stats = _stats(self._handle, self._last_stats)
        return self._last_stats

    def close(self) -> None:
        """Give the socket and the ring back."""
        handle, self._handle = self._handle, None
        if handle:
            self._last_stats = _stats(handle, self._last_stats)
            handle.close()

    def _check(self, failed: bool) -> None:
        if failed:
            raise gone(self.name, _text(self._handle.geterr()))
        try:
            index = device_index(self.name)
        except CaptureError as error:
            if error.fault is not CaptureFault.NO_DEVICE:
                return  # that can't be told now, and is as it was until it can
            raise gone(self.name, "it was removed") from None
        if index != self._index:
            raise gone(self.name, "another device has taken its name")


class PcapFileCapture:
    """Packets of a capture file, once through, as if they came in now."""

    def __init__(self, path: str | Path, filter: CaptureFilter | str = "") -> None:
        # An absolute path can never be taken for a device name.
        self._path = Path(path).absolute()
        self.name = str(path)
        self.exhausted = False
        self._damage: str | None = None
        self._received = 0
        self._handle: Any = _open_file(self._path)
        try:
            self._datalink = _usable_datalink(self._handle, self.name)
            self.filter = _set_filter(self._handle, filter)
        except BaseException:
            self.close()
            raise

    def fileno(self) -> int:
        """The file; always ready, so it can't be waited for: read until ``exhausted``."""
        return int(self._handle.fileno()) if self._handle else -1

    def read(self, limit: int) -> list[Packet]:
        """The next ``limit`` frames; raises CaptureError where the file is damaged."""
        if not self._handle or self.exhausted or limit < 1:
            return []
        frames, failed = _dispatch(self._handle, limit)
        self._received += len(frames)
        if failed:  # the library says so once only, perhaps after the last whole frames
            self._damage = _text(self._handle.geterr())
        self.exhausted = not frames
        if self.exhausted and self._damage is not None:
            raise bad_file(self.name, self._damage)
        return _parse_all(self._datalink, frames, "file")

    def due(self) -> float:
        """Never: nothing here waits for time to pass."""
        return inf

    def detail(self) -> str:
        """Whether there is more to come."""
        return "read to its end" if self.exhausted else ""

    def stats(self) -> CaptureStats:
        """Frames that passed the filter; a file loses none."""
        return CaptureStats(self._received, 0)

    def close(self) -> None:
        """Close the file."""
        handle, self._handle = self._handle, None
        if handle:
            handle.close()


def _library() -> Any:
    try:
        import pcap
    except ImportError as error:
        raise CaptureError(
            CaptureFault.OTHER,
            f"the packet capture library can't be loaded ({error})",
            "Install python3-pypcap, or use the UDP server (ENABLE_UDP_SERVER)",
        ) from None
    return pcap


def _open_live(device: str, snaplen: int, promisc: bool, buffer_size: int) -> Any:
    try:
        handle = _library().pcap(
            name=device,
            snaplen=snaplen,
            promisc=promisc,
            timeout_ms=100,  # unused in immediate mode; 0 would mean "wait for ever"
            immediate=True,
            buffer_size=buffer_size,
        )
    except OSError as error:
        raise open_error(device, _text(error.args[0] if error.args else error)) from None
    if not stat.S_ISSOCK(os.fstat(handle.fileno()).st_mode):
        handle.close()
        raise CaptureError(
            CaptureFault.OTHER,
            f"a capture file named {device} in the current directory hides the device",
            "Start the daemon in another directory, or rename that file",
        )
    return handle


def _open_file(path: Path) -> Any:
    if not path.is_file():
        raise bad_file(str(path), "no such file")
    try:
        handle = _library().pcap(name=str(path))
    except OSError:
        # It was then tried as a device, whose complaint would only mislead.
        raise bad_file(str(path), "not a capture file, or not readable") from None
    return handle


def _usable_datalink(handle: Any, name: str) -> int:
    datalink = int(handle.datalink())
    if not knows_datalink(datalink):
        raise CaptureError(
            CaptureFault.OTHER,
            f"{name} has link type {datalink}, which can't be read",
            "Capture on the device that carries IP, such as the bridge or the uplink",
        )
    return datalink


def _set_filter(handle: Any, wanted: CaptureFilter | str) -> str:
    """Set the best filter the library takes and return it; "" is no filter.

    Raises CaptureError when the admin's own filter is at fault.
    """
    user, kernel = (wanted, wanted) if isinstance(wanted, str) else (wanted.user, wanted.kernel)
    # On its own first: an unbalanced "a) or (b" would be valid between our brackets.
    complaint = _try_filter(handle, user)
    if complaint is not None:
        raise bad_filter(user, complaint)
    if kernel == user or _try_filter(handle, kernel) is not None:
        _try_filter(handle, user)
        return user
    return kernel


def check_filter(text: str) -> None:
    """Judge a filter while there is no device to set it on. Raises CaptureError."""
    try:
        _library().bpf(text.encode(), _ETHERNET)
    except (OSError, ValueError) as error:
        raise bad_filter(text, _text(error.args[0] if error.args else error)) from None


def _try_filter(handle: Any, text: str) -> str | None:
    """None when the filter is in force, else the library's complaint."""
    try:
        handle.setfilter(text)
    except (OSError, ValueError) as error:
        return _text(error.args[0] if error.args else error)
    return None


def _dispatch(handle: Any, limit: int) -> tuple[list[bytes], bool]:
    """At most ``limit`` waiting frames, and whether the library reported an error."""
    frames: list[bytes] = []
    take = frames.append
    count = handle.dispatch(limit, lambda _time, frame: take(frame))
    return frames, count < 0


def _parse_all(datalink: int, frames: list[bytes], via: str) -> list[Packet]:
    return [packet for frame in frames if (packet := parse_frame(datalink, frame, via)) is not None]


def _stats(handle: Any, before: CaptureStats) -> CaptureStats:
    try:
        received, dropped, _by_device = handle.stats()
    except OSError:  # the device has gone
        return before
    return CaptureStats(received, dropped)


def _text(message: object) -> str:
    return message.decode(errors="replace") if isinstance(message, bytes) else str(message)
