"""The unit for servers with systemd, and its companion for clients that run commands."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fwknopd.options import parse_options
from fwknopd.sandbox import TRADE
from tests.package.router import ROOT

pytestmark = pytest.mark.systemd

FOLDER = ROOT / "package/systemd"
HOME = "/opt/fwknop-wrt/.venv/bin"
UNIT = (FOLDER / "fwknopd.service").read_text()


def values(name: str) -> list[str]:
    return [line.partition("=")[2] for line in UNIT.splitlines() if line.startswith(f"{name}=")]


@pytest.mark.parametrize("with_commands", [False, True])
def test_systemd_understands_every_line(tmp_path: Path, with_commands: bool) -> None:
    unit = tmp_path / "fwknopd.service"
    # Programs must be there; this installation is elsewhere.
    unit.write_text(UNIT.replace(HOME, str(Path(sys.executable).parent)))
    if with_commands:
        (tmp_path / "fwknopd.service.d").mkdir()
        shutil.copy(FOLDER / "commands.conf", tmp_path / "fwknopd.service.d")
    command = ["systemd-analyze", "verify", "--man=no", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_daemon_understands_its_command_line() -> None:
    (start,) = values("ExecStart")
    program, *arguments = shlex.split(start)
    assert program == f"{HOME}/fwknopd"
    options = parse_options(arguments)
    assert (options.foreground, options.syslog_only) == (True, True)
    assert options.digest_file == "/var/lib/fwknop/digest.cache"
    assert values("StateDirectory") == ["fwknop"]


def test_it_has_the_rights_of_its_trade() -> None:
    (capabilities,) = values("CapabilityBoundingSet")
    assert set(capabilities.split()) == {f"CAP_{right.name}" for right in TRADE}
    assert values("NoNewPrivileges") == ["yes"]
    assert values("ProtectSystem") == ["strict"]


def test_it_comes_back_whatever_ended_it_and_however_often() -> None:
    assert values("Restart") == ["on-failure"]
    # A hangup counts as a clean end, and may come while the program is being loaded.
    assert values("RestartForceExitStatus") == ["SIGHUP"]
    assert values("StartLimitIntervalSec") == ["0"]


def test_what_the_unit_forbids_commands_may_do() -> None:
    """Whatever it restricts, the companion takes back, with no word left over."""
    lines = (FOLDER / "commands.conf").read_text().splitlines()
    freed = {line.partition("=")[0] for line in lines if line[:1].isalpha()}
    starts = ("Capability", "NoNew", "Protect", "Private", "Restrict", "Lock", "SystemCall")
    restricted = {line.partition("=")[0] for line in UNIT.splitlines() if line.startswith(starts)}
    assert freed == restricted
