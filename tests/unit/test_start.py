"""A reload asked for while the daemon is still being loaded does not end it."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROUTERS = (ROOT / "package/fwknop-wrt/files/usr/sbin/fwknopd").read_text()
HANG_UP = """
import os, signal, sys

class HangUp:
    def find_spec(self, name, path=None, target=None):
        if name == "fwknopd.cli":
            os.kill(os.getpid(), signal.SIGHUP)

sys.meta_path.insert(0, HangUp())
sys.argv = ["fwknopd", "--version"]
"""


def servers() -> str:
    """What pip makes of the entry point."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, _, function = project["scripts"]["fwknopd"].partition(":")
    return f"from {module} import {function}\nraise SystemExit({function}())\n"


@pytest.mark.parametrize("program", [ROUTERS, servers()], ids=["router", "server"])
def test_a_hangup_while_it_is_loaded_does_no_harm(program: str) -> None:
    command = [sys.executable, "-c", HANG_UP + program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("fwknopd server")
