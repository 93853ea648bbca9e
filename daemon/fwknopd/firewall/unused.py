"""No firewall, for a daemon whose clients all run commands instead of opening doors."""

from __future__ import annotations

from collections.abc import Sequence

from fwknopd.firewall import Diagnosis, FirewallError, TimedDoor
from fwknopd.grants import Door


class UnusedFirewall:
    """Has no rules, and refuses doors."""

    name = "none"
    keeps_doors = False
    closes_late = 0.0

    def start(self, devices: Sequence[str]) -> None:
        """Nothing to make."""

    def open(self, doors: Sequence[TimedDoor]) -> None:
        """Refused: a client that opens doors has come with a reload. Raises FirewallError."""
        raise FirewallError(
            "no firewall is in use, because all clients ran commands when the daemon was "
            "started. Restart it; on OpenWrt: /etc/init.d/fwknopd restart"
        )

    def close(self, doors: Sequence[Door]) -> None:
        """Nothing can be open."""

    def read(self) -> list[TimedDoor]:
        """Nothing."""
        return []

    def next_due(self) -> float | None:
        """None: nothing ever ends."""
        return None

    def expire(self) -> None:
        """Nothing to do."""

    def stop(self) -> None:
        """Nothing to take away."""

    def place(self, door: Door) -> str:
        """In no place."""
        return self.name

    def fileno(self) -> int | None:
        """None: there is nothing to watch."""
        return None

    def rules_lost(self) -> bool:
        """False: there is nothing to lose."""
        return False

    def look_at(self) -> float | None:
        """None: there is nothing to look at."""
        return None

    def diagnose(self) -> Diagnosis:
        """Always ready, for what it is needed for."""
        return Diagnosis(True, "none is needed: every client runs commands (CMD_CYCLE_OPEN)")
