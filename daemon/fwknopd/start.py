"""Where the program fwknopd begins."""

from __future__ import annotations

import gc
import signal


def main() -> int:
    """Run fwknopd; returns the exit code.

    Loading it takes a router a second, and a SIGHUP in that time must not end it. Nothing is
    lost: the configuration is read afterwards, and by then the daemon listens to signals.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # Next to nothing of what is loaded is garbage, and to look for it again and again takes a
    # tenth of the time. The daemon enables it when it has started.
    gc.disable()
    from fwknopd.cli import main as run

    return run()
