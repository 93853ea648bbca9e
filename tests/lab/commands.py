"""Short system commands: run, checked, with a message that names what failed."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from tests.lab.errors import LabError
from tests.lab.process import SYSTEM_PATH

SECONDS = 20.0


def run_checked(argv: Sequence[str], text: str = "") -> str:
    """Run a command with ``text`` as its input; returns what it wrote. Raises LabError."""
    environment = {"PATH": SYSTEM_PATH, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            argv, input=text, capture_output=True, text=True, timeout=SECONDS, env=environment
        )
    except FileNotFoundError as error:
        raise LabError(f"the program {argv[0]} is missing", "Install it: make setup.") from error
    if done.returncode:
        raise LabError(f"{' '.join(argv)} failed ({done.returncode}): {done.stderr.strip()}")
    return done.stdout
