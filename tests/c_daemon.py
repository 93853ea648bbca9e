"""fwknop's own server, the yardstick of tests and of `make bench`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

UNPACKED = Path(__file__).parents[1] / ".venv/fwknop-server/usr/sbin/fwknopd"
"""Where `package/dev/prepare.py` puts it."""


def find_c_daemon() -> Path | None:
    """Its program, None if there is none."""
    installed = shutil.which("fwknopd", path="/usr/local/sbin:/usr/sbin")
    candidates = [UNPACKED, *([Path(installed)] if installed else [])]
    return next(filter(is_c_daemon, candidates), None)


def is_c_daemon(path: Path) -> bool:
    """Whether this is it, and can be run here."""
    if not os.access(path, os.X_OK):
        return False
    done = subprocess.run([path, "-V"], capture_output=True, text=True, timeout=10)
    return done.returncode == 0 and "fwknop-wrt" not in done.stdout
