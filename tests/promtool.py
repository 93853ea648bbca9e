"""promtool, which checks and tests rules for Prometheus, and metrics."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

UNPACKED = Path(__file__).parents[1] / ".venv/prometheus/usr/bin/promtool"


def find_promtool() -> str | None:
    """One that is installed, or the one package/dev/prepare.py has unpacked."""
    return shutil.which("promtool") or (str(UNPACKED) if UNPACKED.exists() else None)


def promtool(*arguments: str | Path, said: str = "") -> str:
    """What it says. It fails the test with just that when it finds something wrong."""
    program = find_promtool()
    assert program, "a test that runs it must carry the marker 'promtool'"
    done = subprocess.run(
        [program, *arguments],
        input=said,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
