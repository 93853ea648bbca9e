"""Where to find promtool, which checks and tests rules for Prometheus."""

from __future__ import annotations

import shutil
from pathlib import Path

UNPACKED = Path(__file__).parents[1] / ".venv/prometheus/usr/bin/promtool"


def find_promtool() -> str | None:
    """One that is installed, or the one package/dev/prepare.py has unpacked."""
    return shutil.which("promtool") or (str(UNPACKED) if UNPACKED.exists() else None)
