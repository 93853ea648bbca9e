"""The rights the running daemon has left, as the kernel tells them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fwknopd.sandbox import COMMANDS, TRADE, Capability
from tests.interop.program import ACCESS, Fwknopd, Running

pytestmark = pytest.mark.root

WITH_COMMANDS = f"{ACCESS}ENABLE_CMD_EXEC Y\n"


@pytest.fixture
def fwknopd(tmp_path: Path) -> Fwknopd:
    return Fwknopd(tmp_path)


def status(pid: int | str, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(f"{name}:")), 16)


def held(daemon: Running, name: str) -> set[int]:
    mask = status(daemon.process.pid, name)
    return {number for number in range(64) if mask & 1 << number}


def test_it_keeps_the_rights_of_its_trade_alone(fwknopd: Fwknopd) -> None:
    with fwknopd.foreground() as daemon:
        fwknopd.ask("status")
        for name in ("CapPrm", "CapEff", "CapBnd"):
            assert held(daemon, name) == TRADE
        assert held(daemon, "CapInh") <= TRADE
        assert status(daemon.process.pid, "NoNewPrivs") == 1
        fwknopd.knock()
        daemon.wait_for("Added access rule to")


def test_commands_need_more_and_so_may_the_programs_they_run(fwknopd: Fwknopd) -> None:
    fwknopd.write(fwknopd.access, WITH_COMMANDS)
    with fwknopd.foreground() as daemon:
        fwknopd.ask("status")
        assert held(daemon, "CapPrm") == held(daemon, "CapEff") == TRADE | COMMANDS
        assert status(daemon.process.pid, "CapBnd") == status("self", "CapBnd")
        assert status(daemon.process.pid, "NoNewPrivs") == 0


def test_files_of_others_are_read_and_changed_all_the_same(fwknopd: Fwknopd) -> None:
    os.chown(fwknopd.access, 65534, 65534)
    with fwknopd.foreground() as daemon:
        fwknopd.ask("status")
        assert held(daemon, "CapEff") == TRADE | {Capability.DAC_OVERRIDE}
        assert fwknopd.ask("reload")["reloaded"] is True


def test_so_are_those_that_files_name(fwknopd: Fwknopd) -> None:
    theirs = fwknopd.folder / "theirs.conf"
    fwknopd.write(theirs, ACCESS)
    os.chown(theirs, 65534, 65534)
    fwknopd.write(fwknopd.access, f"%include {theirs}\n")
    with fwknopd.foreground():
        assert fwknopd.ask("reload")["reloaded"] is True


def test_commands_that_come_with_a_reload_wait_for_a_restart(fwknopd: Fwknopd) -> None:
    with fwknopd.foreground():
        assert fwknopd.ask("reload")["problems"] == []
        fwknopd.write(fwknopd.access, WITH_COMMANDS)
        answer = fwknopd.ask("reload")
        assert answer["reloaded"] is True
        (problem,) = (p for p in answer["problems"] if "gave up" in p["message"])
        assert "restart" in problem["remedy"]
