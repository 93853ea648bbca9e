"""The web page's process needs no root: a group may use the control socket, others not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fwknopd.control.client import ControlClient, ControlError

pytestmark = pytest.mark.root

NOBODY = 65534
STRANGE_GROUP = 54321
ACCESS = "SOURCE ANY\nKEY_BASE64 Sz80RjpXOlhH2olGuKBUamHKcqyMBsS9BTgLaMugUsg=\n"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that others may enter, which pytest's own is not."""
    with tempfile.TemporaryDirectory() as name:
        made = Path(name)
        made.chmod(0o755)
        for file, text in (("fwknopd.conf", "VERBOSE 0;\n"), ("access.conf", ACCESS)):
            (made / file).write_text(text)
            (made / file).chmod(0o600)
        yield made


@contextmanager
def daemon(folder: Path, group: str) -> Iterator[None]:
    command = [
        *(sys.executable, "-m", "fwknopd.cli", "-f", "--test", "--events", "-", "-i", "lo"),
        *("-c", str(folder / "fwknopd.conf"), "-a", str(folder / "access.conf")),
        *("--run-dir", str(folder / "run"), "--control-group", group),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "start"
        yield
        process.terminate()


def asks_as(socket: Path, gid: int) -> bool:
    """Does a process of no rights but this group get an answer?"""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(gid)
            os.setuid(NOBODY)
            os._exit(0 if "pid" in ControlClient(socket).call("status") else 1)
        except ControlError:
            os._exit(1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_the_group_may_ask_and_others_may_not(folder: Path) -> None:
    with daemon(folder, "nogroup"):
        socket = folder / "run/control.sock"
        assert asks_as(socket, NOBODY)
        assert not asks_as(socket, STRANGE_GROUP)


def test_an_unknown_group_is_named(folder: Path) -> None:
    command = [sys.executable, "-m", "fwknopd.cli", "-f", "--test", "-i", "lo"]
    command += ["-c", str(folder / "fwknopd.conf"), "-a", str(folder / "access.conf")]
    command += ["--run-dir", str(folder / "run"), "--control-group", "no-such-group"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert "no-such-group" in done.stderr
    assert "groupadd" in done.stderr
