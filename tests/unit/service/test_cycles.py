"""Command cycles in the whole service: real commands, reloads, verbs, the end."""

from __future__ import annotations

import os
import time
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from fwknopd.control.protocol import encode_result
from fwknopd.cycle_journal import CycleJournal
from fwknopd.firewall import FirewallError
from fwknopd.firewall.unused import UnusedFirewall
from fwknopd.grants import Door
from fwknopd.options import Options
from fwknopd.part_settings import needs_firewall
from fwknopd.runner import _firewall
from fwknopd.startup import load_configuration
from tests.unit.service.configs import LAPTOP, PHONE, stanza
from tests.unit.service.doubles import NOW
from tests.unit.service.rig import Rig


def cycle(folder: Path, *lines: str, timer: int = 60) -> str:
    """A client whose knocks make a file, which goes away in time."""
    return stanza(
        PHONE,
        f"CMD_CYCLE_OPEN touch {folder}/$SRC",
        f"CMD_CYCLE_CLOSE rm {folder}/$SRC",
        f"CMD_CYCLE_TIMER {timer}",
        *lines,
    )


@pytest.fixture
def opened(rig: Rig) -> Path:
    """A started service, and the file that stands for what is open."""
    rig.access(cycle(rig.folder))
    rig.start()
    return rig.folder / "192.0.2.7"


def knock(rig: Rig, opened: Path) -> None:
    assert rig.knock() == "accepted"
    rig.until(opened.exists)


def doors(rig: Rig) -> list[dict[str, Any]]:
    answer = rig.ask("grants")
    assert encode_result(answer)
    found: list[dict[str, Any]] = answer["grants"]
    return found


def test_open_for_its_time(rig: Rig, opened: Path) -> None:
    knock(rig, opened)
    rig.pass_time(59)
    assert opened.exists()
    rig.pass_time(1)
    rig.until(lambda: not opened.exists())
    rig.until(lambda: "ended with status 0" in rig.events("command")[-1])


def test_it_is_listed_like_a_door(rig: Rig, opened: Path) -> None:
    knock(rig, opened)
    (door,) = doors(rig)
    assert (door["client"], door["address"], door["port"]) == ("#1", "192.0.2.7", "tcp/22")
    assert door["command"] == f"rm {opened}"
    assert (door["nat"], door["local"]) == (None, False)
    assert (door["opened"], door["expires"]) == (NOW, NOW + 60)
    assert rig.ask("status")["grants"] == 1


@pytest.mark.parametrize("by", ["id", "client", "address", "all"])
def test_revoking_closes_at_once(rig: Rig, opened: Path, by: str) -> None:
    knock(rig, opened)
    (door,) = doors(rig)
    other = {"id": "0" * 10, "client": "#2", "address": "192.0.2.8", "all": False}
    if by != "all":
        assert rig.ask("revoke", **{by: other[by]})["revoked"] == 0
    assert rig.ask("revoke", **{by: door.get(by, True)})["revoked"] == 1
    rig.until(lambda: not opened.exists())
    assert doors(rig) == []
    assert any("revoked" in text for text in rig.events("command"))


def test_a_reload_keeps_it_with_its_own_closing_command(rig: Rig, opened: Path) -> None:
    knock(rig, opened)
    rig.access(cycle(rig.folder / "elsewhere"))
    assert rig.ask("reload")["reloaded"]
    assert len(doors(rig)) == 1
    rig.pass_time(60)
    rig.until(lambda: not opened.exists())


def test_a_reload_without_its_client_closes_it(rig: Rig, opened: Path) -> None:
    knock(rig, opened)
    rig.access(stanza(LAPTOP))
    assert rig.ask("reload")["reloaded"]
    rig.until(lambda: not opened.exists())


def test_the_end_closes_it(rig: Rig, opened: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fwknopd.knock_commands.STOP_SECONDS", 60.0)
    knock(rig, opened)
    began = time.monotonic()
    rig.service.stop()
    assert not opened.exists()
    assert time.monotonic() - began < 40, "no longer than the command takes"


def test_the_end_waits_for_a_closing_command_only_so_long(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fwknopd.knock_commands.STOP_SECONDS", 0.3)
    journal = CycleJournal(rig.folder / "cycles")
    # Opening it for reading waits until somebody opens it for writing.
    fifo = rig.folder / "fifo"
    os.mkfifo(fifo)
    lines = ("CMD_CYCLE_OPEN true", f"CMD_CYCLE_CLOSE cat {fifo}", "CMD_CYCLE_TIMER 9")
    rig.access(stanza(PHONE, *lines))
    rig.start(cycles=journal)
    assert rig.knock() == "accepted"
    rig.until(lambda: rig.events("command"))
    began = time.monotonic()
    rig.service.stop()
    # By itself it would end after a minute, killed.
    assert time.monotonic() - began < 40
    assert [cycle.closing.text for cycle in journal.load().cycles] == [f"cat {fifo}"]
    fifo.write_text("")


# No firewall


def test_no_firewall_where_every_client_runs_commands(rig: Rig) -> None:
    def configured() -> Any:
        return load_configuration(rig.options)

    rig.access(cycle(rig.folder))
    assert not needs_firewall(configured())
    rig.access(cycle(rig.folder), stanza(LAPTOP))
    assert needs_firewall(configured())
    assert needs_firewall(None)


def test_then_none_has_to_be_installed(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise FirewallError("nft is missing")

    monkeypatch.setattr("fwknopd.runner.choose_firewall", missing)
    configuration = load_configuration(rig.options)
    assert configuration is not None
    settings = configuration.settings
    assert _firewall(Options(), settings, needed=False).name == "none"
    for options, needed in ((Options(), True), (Options(firewall="nftables"), False)):
        with pytest.raises(FirewallError):
            _firewall(options, settings, needed=needed)


def test_a_client_that_opens_doors_later_waits_for_a_restart(rig: Rig) -> None:
    rig.access(cycle(rig.folder))
    rig.start(firewall=UnusedFirewall())
    assert rig.ask("status")["firewall"]["ready"]
    rig.access(cycle(rig.folder), stanza(LAPTOP))
    answer = rig.ask("reload")
    assert answer["reloaded"]
    assert any("started without a firewall" in p["message"] for p in answer["problems"])
    assert rig.knock(keys=LAPTOP) == "firewall-error"
    assert rig.knock() == "accepted"


def test_the_firewall_that_is_none() -> None:
    firewall = UnusedFirewall()
    firewall.start(("eth1",))
    door = Door(ip_address("192.0.2.7"), None)
    firewall.close([door])
    firewall.expire()
    firewall.stop()
    assert firewall.read() == []
    assert (firewall.next_due(), firewall.fileno(), firewall.look_at()) == (None, None, None)
    assert not firewall.rules_lost()
    assert firewall.place(door) == "none"
    with pytest.raises(FirewallError, match="Restart it"):
        firewall.open([])
