"""Which captures a configuration asks for, as values that can be compared at a reload."""

from __future__ import annotations

from dataclasses import dataclass

from fwknopd.capture.bpf import CaptureFilter

DEFAULT_DEVICE = "eth0"
"""The C daemon's, when nothing else names a device."""


@dataclass(frozen=True, slots=True)
class PcapPlan:
    """Sniff on one device: the named one, or the one a logical network has at the moment.

    ``any_direction``: also take what this machine itself sends there.
    """

    device: str
    network: str
    filter: CaptureFilter
    snaplen: int
    promiscuous: bool
    any_direction: bool = False

    @property
    def name(self) -> str:
        """What status calls it before a device is known."""
        return self.device or f"network {self.network}"


@dataclass(frozen=True, slots=True)
class UdpPlan:
    """Take packets from a UDP socket; ``devices`` are those whose traffic doors open for."""

    port: int
    devices: tuple[str, ...]

    @property
    def name(self) -> str:
        """What status calls it."""
        return f"udp port {self.port}"


CapturePlan = PcapPlan | UdpPlan
