"""Starting and stopping the daemon, as far as this page is allowed to.

Here: the router's init script, where the page runs as root. On a router whose page runs
unprivileged, rpcd does the same with the user's own session (rpcd_service.py).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

TIMEOUT = 30.0
"""Seconds for an init script; procd gives the daemon five of them to end."""

MAX_SAID = 500
"""Characters of what a script said that are shown."""


class Action(StrEnum):
    """What an init script can be told."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"
    ENABLE = "enable"
    DISABLE = "disable"


class ServiceFailed(Exception):
    """It could not be done; the text is what the system said."""


class ServiceControl(Protocol):
    """The daemon as a service of this machine."""

    def is_enabled(self) -> bool | None:
        """Whether it starts at boot. None: it can't be controlled from here."""
        ...

    def run(self, action: Action) -> None:
        """Do it. Raises ServiceFailed."""
        ...


class NoControl:
    """A page without the right to."""

    def is_enabled(self) -> bool | None:
        """See ServiceControl."""
        return None

    def run(self, action: Action) -> None:
        """See ServiceControl."""
        raise ServiceFailed(f"no permission to {action.value} it")


@dataclass(frozen=True, slots=True)
class InitScript:
    """OpenWrt's rc.common interface."""

    path: Path
    timeout: float = TIMEOUT

    def is_enabled(self) -> bool | None:
        """See ServiceControl."""
        if not os.access(self.path, os.X_OK):
            return None
        try:
            return self._call("enabled")[0] == 0
        except ServiceFailed:
            return None

    def run(self, action: Action) -> None:
        """See ServiceControl."""
        status, said = self._call(action.value)
        if status != 0:
            raise ServiceFailed(said or f"{self.path} {action.value}: {status}")

    def _call(self, word: str) -> tuple[int, str]:
        """Exit status, and the end of what was said."""
        import subprocess  # Most pages never need it.

        try:
            done = subprocess.run(
                [str(self.path), word],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=self.timeout,
                check=False,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            )
        except subprocess.TimeoutExpired as error:
            raise ServiceFailed(f"{self.path} {word}: no end after {self.timeout:g} s") from error
        except OSError as error:
            raise ServiceFailed(f"{self.path}: {error.strerror}") from error
        return done.returncode, done.stdout.decode("utf-8", "replace").strip()[-MAX_SAID:]


def control_for(script: Path) -> ServiceControl:
    """What this process may do: only root's init scripts work."""
    return InitScript(script) if os.geteuid() == 0 else NoControl()
