"""The end of the service: orderly whatever fails, and not at a signal that means otherwise."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from fwknopd.spa.packet import SpaKeys
from tests.unit.connection_table import Table
from tests.unit.service.configs import PHONE, uci_client
from tests.unit.service.rig import Rig

STRANGER = SpaKeys(b"s" * 32, b"s" * 64)
DAEMON = Path(__file__).parents[3] / "daemon"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(rig: Rig, number: signal.Signals) -> None:
    service = rig.start()
    rig.knock()
    os.kill(os.getpid(), number)
    service.run()
    assert rig.doors() == ["192.0.2.7 tcp/22"], "nothing is taken away before the end"
    service.stop()
    assert rig.firewall.stopped
    assert rig.devices.on("eth1") == []
    told = rig.events("stop")
    assert told == [
        f"Got {number.name}. Exiting...",
        "Shutting down fwknopd; its firewall rules are removed",
    ]


def test_the_packet_limit_ends_it(rig: Rig) -> None:
    service = rig.start(packet_limit=2)
    rig.devices.put("eth1", *[rig.packet() for _ in range(3)])
    service.run()
    assert rig.verdicts() == ["accepted"] * 2


def test_a_capture_that_cannot_be_closed_keeps_no_rules_standing(rig: Rig) -> None:
    service = rig.start()
    rig.devices.opened[0].fails_to_close = True
    with pytest.raises(OSError, match="can't be closed"):
        service.stop()
    assert rig.firewall.stopped


def test_a_log_that_fails_keeps_no_rules_standing(rig: Rig) -> None:
    service = rig.start()

    def full(_: object) -> None:
        raise OSError("the disk is full")

    rig.devices.put("eth1", *[rig.packet(keys=STRANGER) for _ in range(3)])
    rig.settle()
    service.events.sinks.append(full)
    with pytest.raises(OSError, match="disk is full"):
        service.stop()
    assert rig.firewall.stopped
    assert rig.devices.on("eth1") == []
    service.events.sinks.clear()


@pytest.mark.parametrize("keeps", [False, True])
def test_whose_door_outlives_the_daemon_is_not_cut_off(rig: Rig, *, keeps: bool) -> None:
    """As FLUSH_IPT_AT_EXIT N has it."""
    rig.uci(uci_client("phone", PHONE, "cut_at_expiry '1'"))
    service = rig.start(uci=str(rig.folder / "fwknopd"), interface="eth1")
    table = service.engine.doors.endings.connections = Table()
    rig.knock()
    rig.firewall.keeps_doors = keeps
    service.stop()
    assert len(table.cuts) == len(rig.events("revoke")) == (0 if keeps else 1)
    (told,) = rig.events("stop")
    assert told.startswith("Shutting down fwknopd; its firewall rules ")
    assert told.endswith("stay (FLUSH_IPT_AT_EXIT is N)" if keeps else "are removed")


def test_rules_that_stay_are_not_called_removed(rig: Rig) -> None:
    service = rig.start()
    rig.firewall.refuses = frozenset({"stop"})
    service.stop()
    assert rig.events("stop") == []
    assert any("can't be removed" in text for text in rig.events("error"))


HUP_WHILE_LOADING = """
import os, signal, sys
from fwknopd import runner
from fwknopd.config.problems import ConfigError
from fwknopd.options import Options

def load(options):
    os.kill(os.getpid(), signal.SIGHUP)
    raise ConfigError(())

runner.load_configuration = load
print(runner.run(Options(foreground=True)))
"""


def test_hup_during_the_start_does_not_end_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HUP_WHILE_LOADING],
        env={"PYTHONPATH": str(DAEMON)},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, done.stdout) == (0, "1\n")


def test_signals_mean_what_they_did_after_the_end(rig: Rig) -> None:
    before = signal.getsignal(signal.SIGTERM)
    rig.start()
    assert signal.getsignal(signal.SIGTERM) is not before
    rig.signals.close()
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("fault", [OSError(errno.EMFILE, "Too many open files"), MemoryError()])
def test_what_the_system_refuses_ends_nothing_and_is_told_once(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    service, turns = rig.start(), count(1)

    def turn() -> None:
        if next(turns) < 5:
            raise fault
        service._end("enough")

    monkeypatch.setattr(service, "turn", turn)
    service.run()
    assert next(turns) == 6
    (told,) = rig.events("error")
    assert told.startswith("The system refused fwknopd something: ")
    assert told.endswith(("Too many open files", "MemoryError"))


def test_a_mistake_of_ours_ends_the_daemon(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that whoever started it starts it anew, with everything in order."""
    service = rig.start()

    def turn() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(service, "turn", turn)
    with pytest.raises(ZeroDivisionError):
        service.run()
