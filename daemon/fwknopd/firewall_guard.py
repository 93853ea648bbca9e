"""Keeps our rules in the kernel: made at start, made again when somebody deletes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fwknopd.engine import Engine
from fwknopd.events import EventKind
from fwknopd.firewall import FirewallError

RETRY_SECONDS = 1.0


class FirewallGuard:
    """Knows whether the rules stand, for which devices, and why not."""

    def __init__(self, engine: Engine, monotonic: Callable[[], float]) -> None:
        self._engine = engine
        self._monotonic = monotonic
        self.devices: tuple[str, ...] = ()
        self.ready = False
        self.problem = "not started yet"
        self.retry_at: float | None = None

    def start(self, devices: Sequence[str]) -> int:
        """Make the rules, adopt open doors; how many those are. Raises FirewallError."""
        self._engine.firewall.start(devices)
        adopted = self._engine.adopt()
        self._stands(devices)
        return adopted

    def cover(self, devices: Sequence[str]) -> None:
        """Guard these devices from now on; a fault is reported and tried again."""
        if tuple(devices) != self.devices or not self.ready:
            self._restore(tuple(devices))

    def notified(self) -> None:
        """The firewall's descriptor is readable: put lost rules and doors back."""
        if self._engine.firewall.rules_lost():
            self._report("The firewall rules were deleted from outside; putting them back.")
            self._restore(self.devices)

    def retry(self, now: float) -> None:
        """Try again what failed, when its time has come."""
        if self.retry_at is not None and self.retry_at <= now:
            self._restore(self.devices)

    def _restore(self, devices: tuple[str, ...]) -> None:
        self.devices = devices
        try:
            count = self._engine.restore(devices)
        except FirewallError as error:
            self._failed(str(error))
            return
        if not self.ready:
            self._report(f"The firewall rules stand again; {count} open doors restored.")
        self._stands(devices)

    def _failed(self, why: str) -> None:
        if why != self.problem:
            self._report(f"The firewall rules can't be made: {why}")
        self.ready, self.problem = False, why
        self.retry_at = self._monotonic() + RETRY_SECONDS

    def _stands(self, devices: Sequence[str]) -> None:
        self.devices, self.ready, self.problem = tuple(devices), True, ""
        self.retry_at = None

    def _report(self, text: str) -> None:
        self._engine.events.record(EventKind.FIREWALL, detail=text)
