"""Keeps our rules in the kernel: made at start, made again when somebody deletes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fwknopd.engine import Engine
from fwknopd.events import EventKind, FirewallWork
from fwknopd.firewall import Diagnosis, FirewallError

RETRY_SECONDS = 1.0

DIAGNOSIS_SECONDS = 5.0
"""How long a diagnosis is believed: each costs two runs of nft, and pages ask all the time."""


class FirewallGuard:
    """Knows whether the rules stand, for which devices, and why not."""

    def __init__(self, engine: Engine, monotonic: Callable[[], float]) -> None:
        self._engine = engine
        self._monotonic = monotonic
        self.devices: tuple[str, ...] = ()
        self.ready = False
        self.problem = "not started yet"
        self.retry_at: float | None = None
        self._diagnosis: Diagnosis | None = None
        self._diagnosed_at = self._diagnosis_took = 0.0
        self._told: frozenset[str] = frozenset()
        engine.doors.recover = self.recover

    def start(self, devices: Sequence[str]) -> int:
        """Make the rules, adopt open doors; how many those are. Raises FirewallError."""
        self._engine.firewall.start(devices)
        adopted = self._engine.doors.adopt(self._engine.settings.stanzas)
        self._stands(devices)
        self._tell_of_others()
        return adopted

    def cover(self, devices: Sequence[str]) -> None:
        """Guard these devices from now on; a fault is reported and tried again."""
        if tuple(devices) != self.devices or not self.ready:
            self._restore(tuple(devices))
            self._tell_of_others()

    def notified(self) -> None:
        """The firewall's descriptor is readable: put lost rules and doors back."""
        self.recover()

    def recover(self) -> bool:
        """Put rules and doors back if they were deleted from outside; whether they stand again."""
        if not self._engine.firewall.rules_lost():
            return False
        self._report("The firewall rules were deleted from outside; putting them back.")
        self.ready = False
        self._restore(self.devices)
        return self.ready

    def diagnosis(self, believed: float = DIAGNOSIS_SECONDS) -> Diagnosis:
        """Whether doors really let people in, at most ``believed`` seconds old.

        Or as old as it took to find out, if that was longer: half of the time is others'.
        """
        if not self.ready:
            return Diagnosis(False, self.problem)
        now = self._monotonic()
        age = now - self._diagnosed_at
        if self._diagnosis is None or age >= max(believed, self._diagnosis_took):
            self._diagnosis = self._diagnose()
            self._diagnosed_at = self._monotonic()
            self._diagnosis_took = self._diagnosed_at - now
        return self._diagnosis

    def _diagnose(self) -> Diagnosis:
        try:
            return self._engine.firewall.diagnose()
        except FirewallError as error:
            return Diagnosis(False, str(error))

    def _tell_of_others(self) -> None:
        """Say what others' rules do to ours, once and when it is something else."""
        if not self.devices or not self.ready:
            return
        diagnosis = self.diagnosis()
        texts = [*([] if diagnosis.ready else [diagnosis.detail]), *diagnosis.warnings]
        for text in texts:
            if text not in self._told:
                self._report(text)
        self._told = frozenset(texts)

    def next_due(self) -> float | None:
        """Monotonic second at which `run_timers` has something to do, None when never."""
        look_at = self._engine.firewall.look_at()
        if self.retry_at is None or look_at is None:
            return look_at if self.retry_at is None else self.retry_at
        return min(self.retry_at, look_at)

    def run_timers(self, now: float) -> None:
        """Try again what failed, and look after the rules, when the time has come."""
        if self.retry_at is not None and self.retry_at <= now:
            self._restore(self.devices)
        look_at = self._engine.firewall.look_at()
        if look_at is not None and look_at <= now:
            self.recover()

    def _restore(self, devices: tuple[str, ...]) -> None:
        self.devices = devices
        try:
            count = self._engine.doors.restore(devices)
        except FirewallError as error:
            self._failed(str(error))
            return
        if not self.ready:
            self._report(
                "The firewall rules stand again; "
                f"{'1 open door' if count == 1 else f'{count} open doors'} restored."
            )
        self._stands(devices)

    def _failed(self, why: str) -> None:
        self._engine.events.firewall_errors[FirewallWork.RESTORE] += 1
        if why != self.problem:
            self._report(f"The firewall rules can't be made: {why}")
        self.ready, self.problem = False, why
        self.retry_at = self._monotonic() + RETRY_SECONDS

    def _stands(self, devices: Sequence[str]) -> None:
        self.devices, self.ready, self.problem = tuple(devices), True, ""
        self.retry_at = self._diagnosis = None

    def _report(self, text: str) -> None:
        self._engine.events.record(EventKind.FIREWALL, detail=text)
