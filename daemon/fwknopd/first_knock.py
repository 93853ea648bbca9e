"""Whether anybody's knock was ever accepted here, for whoever sets a router up.

Nothing of what opens doors depends on it. It is written down when somebody asks, so a knock
costs nothing more for it.
"""

from __future__ import annotations

import os
from pathlib import Path

from fwknopd.run_file import leave_trace


class FirstKnock:
    """``path``: a file that is there once a knock was accepted; None keeps it nowhere."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._before: bool | None = None

    def was_before(self, *, accepted: bool) -> bool:
        """Whether one was accepted under an earlier process; ``accepted``: by this one, too."""
        if self._path is None:
            return False
        if self._before is None:
            self._before = os.path.lexists(self._path)
        if accepted and not os.path.lexists(self._path):
            leave_trace(self._path)
        return self._before
