"""Changes that are in the file but not confirmed yet, remembered over the death of the page.

One small private file beside the configuration holds what it replaced and until when. Whoever
finds it later, at the next start for one, knows what to put back. The time is that of the
monotonic clock and belongs to one run of the machine: after a reboot nobody has confirmed.
"""

from __future__ import annotations

import base64
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fwknop_webui.atomic_file import replace_file
from fwknop_webui.clock import Clock
from fwknop_webui.i18n import _
from fwknop_webui.untyped import number, text
from fwknopd.uci_store import MAX_FILE_SIZE, Content, Exchange, StoreError

_MAX_BYTES = 6 * MAX_FILE_SIZE
"""Three contents of the largest size, in base64."""


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """``deadline`` is in monotonic seconds of the run ``boot``; ``seconds`` is the time given."""

    id: str
    user: str
    seconds: float
    deadline: float
    boot: str
    exchange: Exchange = field(repr=False)

    def left(self, clock: Clock) -> float:
        """Seconds until it is taken back; 0 after a reboot."""
        if clock.boot != self.boot:
            return 0.0
        return max(0.0, min(self.seconds, self.deadline - clock.monotonic()))


class UnconfirmedFile:
    """The file that remembers. It holds keys, so nobody else may read it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, unconfirmed: Unconfirmed) -> None:
        """Remember. Raises StoreError."""
        exchange = unconfirmed.exchange
        data = {
            "id": unconfirmed.id,
            "user": unconfirmed.user,
            "seconds": unconfirmed.seconds,
            "deadline": unconfirmed.deadline,
            "boot": unconfirmed.boot,
            "before": _encoded(exchange.before.file),
            "pending": _encoded(exchange.before.delta),
            "after": _encoded(exchange.after),
        }
        try:
            replace_file(self.path, json.dumps(data) + "\n")
        except OSError as error:
            raise self._error(error) from error

    def read(self) -> Unconfirmed | None:
        """What is remembered; None when there is nothing, or nothing that makes sense."""
        try:
            return _unconfirmed(json.loads(self._bytes()))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._error(error) from error
        except (ValueError, RecursionError):
            # It is written whole or not at all: this is none of ours.
            return None

    def forget(self) -> None:
        """Nothing is waiting any more. Raises StoreError."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise self._error(error) from error

    def _bytes(self) -> bytes:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(self.path, flags), "rb") as file:
            found = os.fstat(file.fileno())
            # What is put back must not be somebody else's word.
            if not stat.S_ISREG(found.st_mode) or found.st_mode & 0o022:
                return b""
            return file.read(_MAX_BYTES)

    def _error(self, error: OSError) -> StoreError:
        reason = error.strerror or str(error)
        return StoreError(
            f"{self.path}: {reason}", _("Look whether the disk is full or read-only.")
        )


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _unconfirmed(data: Mapping[str, object]) -> Unconfirmed | None:
    """Raises ValueError."""
    if not isinstance(data, dict) or not data.keys() >= {"before", "pending", "after"}:
        return None
    before, pending, after = (
        base64.b64decode(text(data, name), validate=True) for name in ("before", "pending", "after")
    )
    return Unconfirmed(
        id=text(data, "id"),
        user=text(data, "user"),
        seconds=number(data, "seconds"),
        deadline=number(data, "deadline"),
        boot=text(data, "boot"),
        exchange=Exchange(Content(before, pending), after),
    )
