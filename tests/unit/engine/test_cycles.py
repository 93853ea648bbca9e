"""Command cycles through the engine: opened, extended, closed in time and in order, told of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from fwknopd import open_cycles
from fwknopd.command_queue import PER_CLIENT
from fwknopd.cycle_table import OpenCycle
from fwknopd.engine import Engine
from fwknopd.events import Event
from fwknopd.knock_commands import KnockCommands
from fwknopd.log_lines import INFO, log_lines
from fwknopd.open_cycles import RETRY_SECONDS, TRIES
from fwknopd.policy.command import Ended
from fwknopd.policy.stanza import Stanza
from fwknopd.spa.message import MessageType

from .conftest import PHONE, Knock, Rig, Runner, other_client

CYCLE = replace(
    PHONE,
    open_ports=None,
    cmd_cycle_open="open $SRC $PORT",
    cmd_cycle_close="close $SRC $PORT",
    cmd_cycle_timer=60,
)
WHO = "[198.51.100.9] (stanza phone)"


class Memory:
    """What is kept, at each moment that something changes."""

    def __init__(self, runner: Runner) -> None:
        self.kept: list[str] = []
        self.fault = ""
        self.history: list[tuple[list[str], list[str]]] = []
        self._runner = runner

    def keep(self, cycles: Sequence[OpenCycle]) -> str:
        self.kept = [cycle.closing.text for cycle in cycles]
        self.history.append((self.kept, self._runner.texts()))
        return self.fault


@pytest.fixture
def memory(rig: Rig) -> Memory:
    """The rig's engine with a client of cycles and a memory for them."""
    memory = Memory(rig.runner)
    rig.engine.commands.loaded = KnockCommands(
        rig.runner, rig.engine.events, rig.clock.monotonic, memory
    )
    rig.use(CYCLE)
    return memory


def pass_time(rig: Rig, seconds: float) -> None:
    rig.clock.advance(seconds)
    rig.engine.tick()


def left(rig: Rig) -> list[tuple[str, float]]:
    now = rig.clock.monotonic()
    return [(each.client, each.expires - now) for each in rig.engine.commands.loaded.cycles.table]


def lines(rig: Rig) -> list[str]:
    events: list[Event] = rig.engine.events.recent(1000)
    return [text for event in events for _, text in log_lines(event)]


def stages(rig: Rig) -> list[tuple[Any, Any, Any]]:
    return [(e["purpose"], e["stage"], e["request"]) for e in rig.events("command")]


def test_opened_and_closed_in_time(rig: Rig, knock: Knock, memory: Memory) -> None:
    rig.engine.handle(knock())
    assert rig.runner.end() == "open 192.0.2.7 22"
    assert rig.engine.next_due() == rig.clock.monotonic() + 60
    pass_time(rig, 59.9)
    assert rig.runner.texts() == []
    pass_time(rig, 0.1)
    ((command, closing, _),) = rig.runner.begun
    assert (command.text, closing) == ("close 192.0.2.7 22", True)
    rig.runner.end()
    assert left(rig) == []
    assert rig.engine.next_due() is None
    assert rig.doors() == []


def test_the_log_is_the_c_daemons(rig: Rig, knock: Knock, memory: Memory) -> None:
    rig.engine.handle(knock())
    rig.runner.end()
    pass_time(rig, 60)
    rig.runner.end(Ended(1))
    assert lines(rig)[1:] == [
        f"{WHO} Running CMD_CYCLE_OPEN command: open 192.0.2.7 22",
        f"{WHO} Running CMD_CYCLE_CLOSE command in 60 seconds: close 192.0.2.7 22",
        f"{WHO} CMD_CYCLE_OPEN: command returned 0, pid_status: 0",
        "[192.0.2.7] (stanza phone) Timer expired, running CMD_CYCLE_CLOSE command: "
        "close 192.0.2.7 22",
        "[192.0.2.7] (stanza phone) CMD_CYCLE_CLOSE: command returned 0, pid_status: 1",
    ]
    assert {severity for e in rig.engine.events.recent(99) for severity, _ in log_lines(e)} == {
        INFO
    }


def test_the_verdict_says_what_is_run(rig: Rig, knock: Knock, memory: Memory) -> None:
    rig.use(replace(CYCLE, cmd_exec_user="nobody"))
    rig.engine.handle(knock())
    (verdict,) = rig.events("verdict")
    assert (verdict["verdict"], verdict["reason"]) == ("accept", "accepted")
    facts = ("command", "account", "closing", "closes_in")
    assert [verdict[name] for name in facts] == [
        *("open 192.0.2.7 22", "nobody/nobody", "close 192.0.2.7 22", 60)
    ]
    assert "setuid/setgid user/group to nobody/nobody" in lines(rig)[1]


def test_nothing_to_close(rig: Rig, knock: Knock, memory: Memory) -> None:
    rig.use(replace(CYCLE, cmd_cycle_close="NONE"))
    rig.engine.handle(knock())
    assert rig.runner.end() == "open 192.0.2.7 22"
    assert rig.engine.next_due() is None
    assert memory.history == []
    assert lines(rig)[1] == f"{WHO} Running CMD_CYCLE_OPEN command: open 192.0.2.7 22"
    assert "CMD_CYCLE_CLOSE" not in "".join(lines(rig))


def test_knocking_again_extends(rig: Rig, knock: Knock, memory: Memory) -> None:
    rig.engine.handle(knock())
    rig.runner.end()
    pass_time(rig, 40)
    rig.engine.handle(knock())
    # A set with times of its own wants to hear of it.
    assert rig.runner.end() == "open 192.0.2.7 22"
    assert left(rig) == [("phone", 60)]
    pass_time(rig, 20)
    assert rig.runner.texts() == []
    pass_time(rig, 40)
    assert rig.runner.texts() == ["close 192.0.2.7 22"]
    rig.runner.end()
    pass_time(rig, 999)
    assert rig.runner.texts() == []


def test_a_shorter_wish_does_not_shorten(rig: Rig, knock: Knock, memory: Memory) -> None:
    rig.engine.handle(knock())
    rig.engine.handle(knock(message_type=MessageType.CLIENT_TIMEOUT_ACCESS, timeout=5))
    assert left(rig) == [("phone", 60)]


def test_another_address_is_another_cycle(rig: Rig, knock: Knock, memory: Memory) -> None:
    rig.engine.handle(knock("192.0.2.7,tcp/22"))
    pass_time(rig, 10)
    rig.engine.handle(knock("192.0.2.8,tcp/22"))
    assert left(rig) == [("phone", 50), ("phone", 60)]


def test_times_in_a_closing_command_make_no_other_cycle(
    rig: Rig, knock: Knock, memory: Memory
) -> None:
    rig.use(replace(CYCLE, cmd_cycle_close="close $SRC $TIMEOUT"))
    for _ in range(2):
        rig.engine.handle(knock())
        pass_time(rig, 10)
    assert left(rig) == [("phone", 50)]
    assert memory.kept == [f"close 192.0.2.7 {int(rig.clock.now()) - 10 + 60}"]


def test_what_closes_waits_for_what_opens(rig: Rig, knock: Knock, memory: Memory) -> None:
    rig.engine.handle(knock())
    pass_time(rig, 60)
    assert rig.runner.texts() == ["open 192.0.2.7 22"]
    rig.runner.end()
    assert rig.runner.texts() == ["close 192.0.2.7 22"]


def test_a_knock_while_it_closes_opens_anew(rig: Rig, knock: Knock, memory: Memory) -> None:
    rig.engine.handle(knock())
    rig.runner.end()
    pass_time(rig, 60)
    rig.engine.handle(knock())
    assert rig.runner.texts() == ["close 192.0.2.7 22"]
    assert memory.kept == ["close 192.0.2.7 22"] * 2
    rig.runner.end()
    assert rig.runner.end() == "open 192.0.2.7 22"
    assert left(rig) == [("phone", 60)]


def test_a_failed_opening_is_closed_all_the_same(rig: Rig, knock: Knock, memory: Memory) -> None:
    rig.engine.handle(knock())
    rig.runner.end(Ended(fault="there is no program 'open'"))
    pass_time(rig, 60)
    assert rig.runner.texts() == ["close 192.0.2.7 22"]


# What is kept


def test_it_is_written_down_before_anything_is_run(rig: Rig, knock: Knock, memory: Memory) -> None:
    rig.engine.handle(knock())
    assert memory.history == [(["close 192.0.2.7 22"], [])]


def test_it_is_forgotten_when_it_is_closed(rig: Rig, knock: Knock, memory: Memory) -> None:
    rig.engine.handle(knock())
    rig.runner.end()
    pass_time(rig, 60)
    assert memory.kept == ["close 192.0.2.7 22"]
    rig.runner.end(Ended(7))
    assert memory.kept == []


def test_a_memory_that_fails_is_told_of_once(rig: Rig, knock: Knock, memory: Memory) -> None:
    memory.fault = "the disk is full"
    for _ in range(3):
        rig.engine.handle(knock())
    (error,) = rig.events("error")
    assert error["detail"] == ("Open command cycles would not survive a crash: the disk is full")
    assert rig.runner.texts() == ["open 192.0.2.7 22"]
    memory.fault = ""
    rig.engine.handle(knock())
    memory.fault = "the disk is full"
    rig.engine.handle(knock())
    assert len(rig.events("error")) == 2


def test_a_successor_goes_on(rig: Rig, knock: Knock, memory: Memory) -> None:
    rig.engine.handle(knock())
    rig.runner.end()
    found = [replace(each, owner="") for each in rig.engine.commands.loaded.cycles.table]
    successor = KnockCommands(rig.runner, rig.engine.events, rig.clock.monotonic, memory)
    successor.adopt(found, "")
    rig.engine.commands.loaded = successor
    rig.clock.advance(59)
    rig.engine.handle(knock())
    rig.runner.end()
    assert left(rig) == [("phone", 60)]
    pass_time(rig, 60)
    assert rig.runner.texts() == ["close 192.0.2.7 22"]
    assert rig.events("error") == []


def test_what_was_over_meanwhile_is_closed_at_once(rig: Rig, knock: Knock, memory: Memory) -> None:
    rig.engine.handle(knock())
    rig.runner.end()
    found = [replace(each, owner="") for each in rig.engine.commands.loaded.cycles.table]
    rig.engine.commands.loaded = KnockCommands(
        rig.runner, rig.engine.events, rig.clock.monotonic, memory
    )
    rig.engine.commands.loaded.adopt(found, "a line was torn")
    pass_time(rig, 3600)
    assert rig.runner.texts() == ["close 192.0.2.7 22"]
    (error,) = rig.events("error")
    assert error["detail"] == "Command cycles of an earlier run: a line was torn"


# Closing that fails


def test_what_does_not_end_is_tried_again(rig: Rig, knock: Knock, memory: Memory) -> None:
    rig.engine.handle(knock())
    rig.runner.end()
    pass_time(rig, 60)
    for _ in range(TRIES - 1):
        rig.runner.end(Ended(signal=9, late=True))
        assert rig.runner.texts() == []
        assert memory.kept == ["close 192.0.2.7 22"]
        pass_time(rig, RETRY_SECONDS)
    assert rig.runner.texts() == ["close 192.0.2.7 22"]
    rig.runner.end(Ended(fault="no process could be started"))
    (error,) = rig.events("error")
    assert "may still be open" in str(error["detail"])
    assert "Run it by hand: close 192.0.2.7 22" in str(error["detail"])
    assert (error["client"], error["source"]) == ("phone", "192.0.2.7")
    assert memory.kept == []
    assert rig.engine.next_due() is None


def test_a_new_knock_takes_the_place_of_a_failed_closing(
    rig: Rig, knock: Knock, memory: Memory
) -> None:
    rig.engine.handle(knock())
    rig.runner.end()
    pass_time(rig, 60)
    rig.engine.handle(knock())
    rig.runner.end(Ended(signal=9, late=True))
    rig.runner.end()
    assert left(rig) == [("phone", 60)]
    (cycle,) = rig.engine.commands.loaded.cycles.table
    assert cycle.failures == 0


# Several clients


SHARED = {"cmd_cycle_open": "vpn start", "cmd_cycle_close": "vpn stop", "cmd_cycle_timer": 60}


def test_what_two_clients_hold_is_undone_when_the_last_one_ends(
    rig: Rig, knock: Knock, memory: Memory
) -> None:
    laptop = other_client(open_ports=None, **SHARED)
    rig.use(replace(CYCLE, **SHARED), laptop)  # type: ignore[arg-type]
    rig.engine.handle(knock())
    pass_time(rig, 30)
    rig.engine.handle(knock(keys=laptop.keys))
    while rig.runner.begun:
        rig.runner.end()
    pass_time(rig, 30)
    assert rig.runner.texts() == []
    assert stages(rig)[-1] == ("close", "spared", "vpn stop")
    assert lines(rig)[-1] == (
        "[192.0.2.7] (stanza phone) CMD_CYCLE_CLOSE command not run: another client's cycle that "
        "undoes the same is still open: vpn stop"
    )
    assert memory.kept == ["vpn stop"]
    pass_time(rig, 30)
    assert rig.runner.texts() == ["vpn stop"]


def test_what_another_client_just_undoes_is_opened_after_that(
    rig: Rig, knock: Knock, memory: Memory
) -> None:
    laptop = other_client(open_ports=None, **SHARED)
    rig.use(replace(CYCLE, **SHARED), laptop)  # type: ignore[arg-type]
    rig.engine.handle(knock())
    rig.runner.end()
    pass_time(rig, 60)
    rig.engine.handle(knock(keys=laptop.keys))
    assert rig.runner.texts() == ["vpn stop"]
    pass_time(rig, 60)
    # The laptop's time is over before anything was opened for it: still in this order.
    ends = [rig.runner.end() for _ in range(3)]
    assert ends == ["vpn stop", "vpn start", "vpn stop"]
    assert rig.runner.begun == []
    rig.engine.handle(knock(keys=laptop.keys))
    assert rig.runner.end() == "vpn start"


def test_a_slow_opening_is_undone_after_another_client_has_opened_the_same(
    rig: Rig, knock: Knock, memory: Memory
) -> None:
    laptop = other_client(open_ports=None, **SHARED)
    rig.use(replace(CYCLE, **SHARED), laptop)  # type: ignore[arg-type]
    rig.engine.handle(knock())
    rig.engine.handle(knock(keys=laptop.keys))
    pass_time(rig, 60)
    assert rig.runner.texts() == ["vpn start"], "the phone's, which takes its time"
    assert [rig.runner.end() for _ in range(3)] == ["vpn start", "vpn start", "vpn stop"]
    assert memory.kept == []


def gone(rig: Rig, *stanzas: Stanza) -> None:
    rig.use(*stanzas)
    rig.engine.commands.loaded.close_of_the_gone(stanzas, "its client is gone")


@pytest.mark.parametrize(
    "change",
    [
        lambda stanza: None,
        lambda stanza: replace(stanza, enabled=False),
        lambda stanza: replace(stanza, name="renamed", keys=other_client().keys),
    ],
)
def test_a_client_that_is_gone_is_closed_at_once(
    rig: Rig, knock: Knock, memory: Memory, change: Callable[[Stanza], Stanza | None]
) -> None:
    rig.engine.handle(knock())
    rig.runner.end()
    after = change(CYCLE)
    gone(rig, *([after] if after else []))
    assert rig.runner.texts() == ["close 192.0.2.7 22"]
    assert "Running, as its client is gone, CMD_CYCLE_CLOSE command: close" in lines(rig)[-1]


def test_a_client_that_stays_keeps_what_is_open(rig: Rig, knock: Knock, memory: Memory) -> None:
    rig.engine.handle(knock())
    rig.runner.end()
    gone(rig, replace(CYCLE, number=7, name="renamed", cmd_cycle_close="other"))
    assert left(rig) == [("phone", 60)]
    pass_time(rig, 60)
    # Closed by the command of the time it was opened.
    assert rig.runner.texts() == ["close 192.0.2.7 22"]


# Bounds


def test_cycles_are_bounded(
    rig: Rig, knock: Knock, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_cycles, "LIMIT", 2)
    for last in (1, 2, 3, 1):
        rig.engine.handle(knock(f"192.0.2.{last},tcp/22"))
        while rig.runner.begun:
            rig.runner.end()
    verdicts = rig.events("verdict")
    assert [v["reason"] for v in verdicts] == [
        *("accepted", "accepted", "too-many-commands", "accepted")
    ]
    assert verdicts[2]["detail"] == "2 command cycles are open already"


def test_openings_that_wait_are_bounded(rig: Rig, knock: Knock, memory: Memory) -> None:
    for _ in range(PER_CLIENT + 1):
        rig.engine.handle(knock())
    assert rig.events("verdict")[-1]["reason"] == "too-many-commands"
    assert len(left(rig)) == 1


# Not in test mode, and at the end


def test_test_mode_runs_nothing(rig: Rig, knock: Knock, memory: Memory) -> None:
    rig.use(CYCLE, test=True)
    rig.engine.handle(knock())
    assert rig.runner.texts() == []
    assert memory.history == []
    assert rig.events("verdict")[0]["detail"] == "test mode: the command is not run"


def test_a_log_only_client_runs_nothing(rig: Rig, knock: Knock, memory: Memory) -> None:
    rig.use(replace(CYCLE, log_only=True))
    rig.engine.handle(knock())
    assert rig.runner.texts() == []
    assert rig.events("verdict")[0]["detail"] == (
        "nothing is done (log_only); otherwise it runs 'open' '192.0.2.7' '22', for 60 s at most, "
        "and after 60 s 'close' '192.0.2.7' '22', for 60 s at most"
    )


def test_the_end_of_the_daemon_closes_everything(rig: Rig, knock: Knock, memory: Memory) -> None:
    rig.engine.handle(knock("192.0.2.7,tcp/22"))
    rig.engine.handle(knock("192.0.2.8,tcp/22"))
    rig.engine.commands.loaded.stop()
    assert rig.runner.waited == [2.0]
    for expected in ("open 192.0.2.7 22", "close 192.0.2.7 22"):
        assert rig.runner.end() == expected
    # Whatever was not done by then is done at the next start.
    assert memory.kept == ["close 192.0.2.8 22"]


def test_an_end_without_cycles_waits_for_nothing(rig: Rig, memory: Memory) -> None:
    rig.engine.commands.loaded.stop()
    assert rig.runner.waited == []


def test_an_engine_without_a_memory(rig: Rig, knock: Knock) -> None:
    assert isinstance(rig.engine, Engine)
    rig.use(CYCLE)
    rig.engine.handle(knock())
    rig.runner.end()
    pass_time(rig, 60)
    assert rig.runner.end() == "close 192.0.2.7 22"
    assert rig.events("error") == []


def test_what_waits_for_a_client_that_is_gone_is_not_run(
    rig: Rig, knock: Knock, memory: Memory
) -> None:
    rig.engine.handle(knock())
    rig.engine.handle(knock())
    gone(rig)
    assert rig.runner.end() == "open 192.0.2.7 22"
    assert rig.runner.texts() == ["close 192.0.2.7 22"]


def test_a_revoked_cycle_is_over_for_who_adopts_it(rig: Rig, knock: Knock, memory: Memory) -> None:
    rig.engine.handle(knock())
    rig.engine.commands.loaded.revoke(lambda asked: True)
    (cycle,) = rig.engine.commands.loaded.cycles.closing
    assert cycle.expires == rig.clock.monotonic()
