"""Which captures a configuration asks for, as values that can be compared at a reload."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fwknopd.capture.bpf import CaptureFilter
from fwknopd.capture.device import ANY_DEVICE

DEFAULT_DEVICE = "eth0"
"""The C daemon's, when nothing else names a device."""


@dataclass(frozen=True, slots=True)
class Sniffing:
    """How to sniff, on whatever device. ``any_direction``: also what this machine sends."""

    filter: CaptureFilter
    snaplen: int
    promiscuous: bool
    any_direction: bool = False


@dataclass(frozen=True, slots=True)
class PcapPlan:
    """Sniff on one device."""

    device: str
    how: Sniffing

    @property
    def name(self) -> str:
        """What status calls it."""
        return self.device


@dataclass(frozen=True, slots=True)
class UdpPlan:
    """Take packets from a UDP socket."""

    port: int

    @property
    def name(self) -> str:
        """What status calls it."""
        return f"udp port {self.port}"


@dataclass(frozen=True, slots=True)
class TcpPlan:
    """Take packets from TCP connections."""

    port: int

    @property
    def name(self) -> str:
        """What status calls it."""
        return f"tcp port {self.port}"


CapturePlan = PcapPlan | UdpPlan | TcpPlan


@dataclass(frozen=True, slots=True)
class CaptureRequest:
    """The devices a configuration names, and the logical networks whose devices count too.

    Doors open for traffic of those devices. Packets are sniffed on them, or come to
    ``udp_port`` when ``how`` is None; and to ``tcp_port`` besides. Without any of the three
    there are no captures at all.
    """

    devices: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    how: Sniffing | None = None
    udp_port: int | None = None
    tcp_port: int | None = None

    def covered(self, resolved: Iterable[str]) -> tuple[str, ...]:
        """Every device once, with ``resolved`` as the networks' devices.

        Two networks are often on one device (wan and wan6), and `any` is all of them: a
        packet seen twice would be taken for a replay.
        """
        found = dict.fromkeys((*self.devices, *resolved))
        return (ANY_DEVICE,) if ANY_DEVICE in found else tuple(sorted(found))

    def plans(self, resolved: Iterable[str]) -> tuple[CapturePlan, ...]:
        """The captures, with ``resolved`` as the networks' devices."""
        tcp = () if self.tcp_port is None else (TcpPlan(self.tcp_port),)
        if self.udp_port is not None:
            return (UdpPlan(self.udp_port), *tcp)
        if self.how is None:
            return tcp
        return (*(PcapPlan(device, self.how) for device in self.covered(resolved)), *tcp)
