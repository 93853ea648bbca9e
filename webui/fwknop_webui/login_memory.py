"""Locks and failed logins outlive a restart: a small file beside the password file.

Without it, whoever can make the page restart (or waits for a reboot) guesses five times
more. It is written with every try: at most a few a minute, since the lockout itself
slows them down. A file that is missing or damaged counts as nothing known.
"""

from __future__ import annotations

import json
import logging
import os
import stat
import threading
from dataclasses import dataclass, field
from pathlib import Path

from fwknop_webui.atomic_file import replace_file
from fwknop_webui.clock import Clock
from fwknop_webui.lockout import Lockout
from fwknop_webui.login_history import LoginHistory
from fwknop_webui.untyped import Json, child, number, text

MAX_BYTES = 128 * 1024
"""More than any state of ours takes."""

BELIEVABLE = 1_780_272_000
"""2026-06-01: a wall clock before that was not set yet, so nothing can be reckoned from it."""

log = logging.getLogger(__name__)


def memory_file(password_file: Path) -> Path:
    """Where the state of the logins with this password file is kept."""
    return password_file.with_name(f"{password_file.name}.state")


@dataclass(slots=True)
class LoginMemory:
    """Keeps ``lockout`` and ``logins`` in the file at ``path``."""

    path: Path
    clock: Clock
    lockout: Lockout
    logins: LoginHistory
    _writing: threading.Lock = field(default_factory=threading.Lock)
    _complained: bool = False

    def load(self) -> None:
        """Take over what an earlier run knew."""
        try:
            data = _read(self.path)
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            log.warning("%s is not used: %s. Past failed logins are forgotten.", self.path, error)
            return
        self.lockout.restore(child(data, "lockout"), self._elapsed(data))
        self.logins.restore(child(data, "logins"))
        if text(data, "boot") != self.clock.boot:
            # From here on this boot's monotonic clock tells how old it is.
            self.save()

    def save(self) -> None:
        """Write what is known now. Never raises: a full flash must not keep anybody out."""
        # Taken inside the lock: an older state must not be written after a newer one.
        with self._writing:
            try:
                replace_file(self.path, json.dumps(self._state()) + "\n")
            except OSError as error:
                if not self._complained:
                    log.warning("can't remember failed logins in %s: %s", self.path, error.strerror)
                self._complained = True
            else:
                self._complained = False

    def _state(self) -> dict[str, object]:
        return {
            "boot": self.clock.boot,
            "monotonic": self.clock.monotonic(),
            "wall": self.clock.wall(),
            "lockout": self.lockout.state(),
            "logins": self.logins.state(),
        }

    def _elapsed(self, data: Json) -> float:
        """Seconds since the state was written; 0 when that can't be told.

        Within one boot the monotonic clock tells, whatever NTP did to the wall clock.
        """
        if self.clock.boot and text(data, "boot") == self.clock.boot:
            return max(0.0, self.clock.monotonic() - number(data, "monotonic"))
        written = number(data, "wall")
        return max(0.0, self.clock.wall() - written) if written > BELIEVABLE else 0.0


def _read(path: Path) -> Json:
    """The object in the file. Raises OSError, ValueError."""
    # Not blocking, as somebody may have put a pipe in its place.
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is no regular file")
        raw = file.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise ValueError("it is too large")
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ValueError("it is damaged") from error
    if not isinstance(data, dict):
        raise ValueError("it is damaged")
    return data
