"""All captures of the running daemon: opened as the configuration says, reopened when lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import inf

from fwknopd.capture import Capture, CaptureError, CaptureFault
from fwknopd.capture.plan import CapturePlan, PcapPlan, UdpPlan
from fwknopd.capture.reopening import ReopeningCapture
from fwknopd.network import NetworkError, device_of


class CaptureSet:
    """One reopening capture per plan; a plan that stays the same at a reload is left alone."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._by_plan: dict[CapturePlan, ReopeningCapture] = {}

    def __iter__(self) -> Iterator[ReopeningCapture]:
        return iter(self._by_plan.values())

    def apply(self, plans: Sequence[CapturePlan]) -> None:
        """Close what is no longer planned, open what is new."""
        for gone in [plan for plan in self._by_plan if plan not in plans]:
            self._by_plan.pop(gone).close()
        for plan in plans:
            if plan not in self._by_plan:
                self._by_plan[plan] = self._opened(plan)

    def _opened(self, plan: CapturePlan) -> ReopeningCapture:
        kind = "udp" if isinstance(plan, UdpPlan) else "pcap"
        capture = ReopeningCapture(plan.name, kind, lambda: open_capture(plan), self._monotonic)
        capture.open()
        return capture

    def devices(self) -> tuple[str, ...]:
        """Devices whose traffic doors open for, those of lost captures included.

        A reconnect must find its doors open, so a name is kept until the plan goes.
        """
        named: set[str] = set()
        for plan, capture in self._by_plan.items():
            named.update(plan.devices if isinstance(plan, UdpPlan) else _name_of(plan, capture))
        return tuple(sorted(named))

    def next_retry(self) -> float | None:
        """Monotonic second of the next try to reopen, None while all are open."""
        return min((c.retry_at for c in self if c.retry_at is not None), default=None)

    def retry(self, due: float = inf) -> list[ReopeningCapture]:
        """Try those that are ``due`` by then, or all; returns the ones that capture again."""
        waiting = [c for c in self if c.retry_at is not None and c.retry_at <= due]
        return [capture for capture in waiting if capture.open()]

    def close(self) -> None:
        """Close all."""
        self.apply(())


def _name_of(plan: PcapPlan, capture: ReopeningCapture) -> tuple[str, ...]:
    device = capture.device or plan.device
    return (device,) if device else ()


def open_capture(plan: CapturePlan) -> Capture:
    """Open what a plan describes. Raises CaptureError."""
    # pypcap is only loaded by a daemon that sniffs.
    if isinstance(plan, UdpPlan):
        from fwknopd.capture.udp_server import UdpServerCapture

        return UdpServerCapture(plan.port)
    from fwknopd.capture.pcap import PcapCapture

    try:
        device = plan.device or device_of(plan.network)
    except NetworkError as error:
        raise CaptureError(CaptureFault.NO_DEVICE, error.message, error.remedy) from error
    return PcapCapture(
        device,
        plan.filter,
        plan.snaplen,
        plan.promiscuous,
        any_direction=plan.any_direction,
    )
