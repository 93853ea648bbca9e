"""All captures of the running daemon: changed as a whole, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from math import inf

from fwknopd.capture import Capture
from fwknopd.capture.plan import CapturePlan, PcapPlan, TcpPlan, UdpPlan
from fwknopd.capture.reopening import ReopeningCapture

Opener = Callable[[CapturePlan], Capture]

_KINDS: dict[type[CapturePlan], str] = {PcapPlan: "pcap", UdpPlan: "udp", TcpPlan: "tcp"}


def open_capture(plan: CapturePlan) -> Capture:
    """Open what a plan describes. Raises CaptureError."""
    # pypcap is only loaded by a daemon that sniffs.
    if isinstance(plan, UdpPlan):
        from fwknopd.capture.udp_server import UdpServerCapture

        return UdpServerCapture(plan.port)
    if isinstance(plan, TcpPlan):
        from fwknopd.capture.tcp_server import TcpServerCapture

        return TcpServerCapture(plan.port)
    from fwknopd.capture.pcap import PcapCapture

    how = plan.how
    return PcapCapture(
        plan.device, how.filter, how.snaplen, how.promiscuous, any_direction=how.any_direction
    )


class Staged:
    """Captures for the time after a change: new ones, open already, and those that stay.

    Nothing has been changed yet, and `discard` leaves it at that.
    """

    def __init__(
        self,
        captures: Mapping[CapturePlan, ReopeningCapture],
        new: Sequence[ReopeningCapture],
    ) -> None:
        self.captures = dict(captures)
        self.new = tuple(new)

    def raise_lasting_fault(self) -> None:
        """Raises CaptureError if a new capture has a fault that doesn't pass by itself."""
        for capture in self.new:
            if capture.fault is not None and not capture.fault.passing:
                raise capture.fault

    def discard(self) -> None:
        """Close the new ones."""
        close_all(self.new)


class CaptureSet:
    """One reopening capture per plan; a plan that stays the same at a change is left alone."""

    def __init__(self, monotonic: Callable[[], float], opener: Opener = open_capture) -> None:
        self._monotonic = monotonic
        self._opener = opener
        self._by_plan: dict[CapturePlan, ReopeningCapture] = {}

    def __iter__(self) -> Iterator[ReopeningCapture]:
        return iter(tuple(self._by_plan.values()))

    def plans(self) -> Collection[CapturePlan]:
        """What is captured, or waited for."""
        return self._by_plan.keys()

    def stage(self, plans: Sequence[CapturePlan]) -> Staged:
        """Open what is new in ``plans`` beside the captures there are."""
        staged: dict[CapturePlan, ReopeningCapture] = {}
        new: list[ReopeningCapture] = []
        try:
            for plan in plans:
                kept = self._by_plan.get(plan) or staged.get(plan)
                if kept is None:
                    kept = self._capture(plan)
                    new.append(kept)
                    kept.open()
                staged[plan] = kept
        except BaseException:
            close_all(new)
            raise
        return Staged(staged, new)

    def swap(self, staged: Staged) -> list[ReopeningCapture]:
        """Use the staged captures from now on; returns those to be drained and closed."""
        before, self._by_plan = self._by_plan, staged.captures
        return [old for plan, old in before.items() if self._by_plan.get(plan) is not old]

    def _capture(self, plan: CapturePlan) -> ReopeningCapture:
        kind = _KINDS[type(plan)]
        return ReopeningCapture(plan.name, kind, lambda: self._opener(plan), self._monotonic)

    def next_due(self) -> float:
        """Monotonic second at which one is to be read though nothing came, or reopened; or inf."""
        return min([capture.next_due() for capture in self._by_plan.values()], default=inf)

    def retry(self, now: float) -> bool:
        """Try those whose time has come; whether one captures again."""
        waiting = [c for c in self if c.retry_at is not None and c.retry_at <= now]
        return any([capture.open() for capture in waiting])

    def hurry(self) -> bool:
        """Try all that wait, whatever their time; whether one captures again."""
        return any([capture.hurry() for capture in self])

    def close(self) -> None:
        """Close all."""
        captures, self._by_plan = list(self), {}
        close_all(captures)


def close_all(captures: Sequence[ReopeningCapture]) -> None:
    """Close every one, and raise what went wrong only then."""
    with ExitStack() as closing:
        for capture in captures:
            closing.callback(capture.close)
