"""Where packets come from: one file per source, all with the interface of this page.

A capture never judges: it takes frames or datagrams off the kernel, drops those that
can't carry a payload, and hands the rest on as they are. This page imports nothing
that captures, so that looking at an error costs no packet library.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from fwknopd.policy.packet import Packet


class CaptureFault(StrEnum):
    """What kind of trouble a capture is in. Stable: the service decides by it."""

    NO_DEVICE = "no-device"
    DEVICE_DOWN = "device-down"
    DEVICE_GONE = "device-gone"
    NOT_PERMITTED = "not-permitted"
    BAD_FILTER = "bad-filter"
    BAD_FILE = "bad-file"
    PORT_IN_USE = "port-in-use"
    OTHER = "other"


# Faults that pass by themselves: an uplink that redials comes back under the same name.
PASSING_FAULTS = frozenset(
    {CaptureFault.NO_DEVICE, CaptureFault.DEVICE_DOWN, CaptureFault.DEVICE_GONE}
)


class CaptureError(Exception):
    """A capture can't be opened or has ended; says what is wrong and what to do.

    ``option`` is the variable at fault, "" when it is none.
    """

    def __init__(self, fault: CaptureFault, message: str, remedy: str, option: str = "") -> None:
        super().__init__(f"{message}. {remedy}")
        self.fault = fault
        self.message = message
        self.remedy = remedy
        self.option = option

    @property
    def passing(self) -> bool:
        """Is it worth trying again later without anybody changing the settings?"""
        return self.fault in PASSING_FAULTS


@dataclass(frozen=True, slots=True)
class CaptureStats:
    """Packets since the capture was opened.

    ``received`` counts what passed the kernel's filter, ``dropped`` what was lost
    because the daemon didn't fetch it in time.
    """

    received: int
    dropped: int


class Capture(Protocol):
    """What the service asks of a source of packets."""

    name: str

    def fileno(self) -> int:
        """Descriptor that is readable while packets wait, or when the capture has ended."""

    def read(self, limit: int) -> list[Packet]:
        """Take at most ``limit`` waiting frames; never blocks.

        Frames without a usable payload are left out, so an empty list says nothing of
        the end. Raises CaptureError when no packet can come any more.
        """

    def due(self) -> float:
        """Monotonic second at which `read` has something to do though nothing came; or inf."""

    def detail(self) -> str:
        """One line for the status page: what limits the capture now, or ""."""

    def stats(self) -> CaptureStats:
        """Counters since opening; works on a closed capture too (the last ones known)."""

    def close(self) -> None:
        """Give everything back. Calling it twice is no error."""
