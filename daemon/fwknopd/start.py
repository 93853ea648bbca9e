"""Where the program fwknopd begins."""

from __future__ import annotations

import gc
import signal
from types import FrameType


def main() -> int:
    """Run fwknopd; returns the exit code.

    Loading it takes a router a second, and signals of that time must do what they ask for. A
    SIGHUP must not end it. Nothing is lost: the configuration is read afterwards, and by then the
    daemon listens to signals. A SIGTERM must end it: without a handler the kernel keeps it from
    the first process of a jail.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    # Next to nothing of what is loaded is garbage, and to look for it again and again takes a
    # tenth of the time. The daemon enables it when it has started.
    gc.disable()
    from fwknopd.cli import main as run

    return run()


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)
