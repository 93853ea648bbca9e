"""Commands of knocks through the engine: what is run, what is told, what is never run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fwknopd.command_queue import PER_CLIENT
from fwknopd.engine import EngineSettings
from fwknopd.events import Event
from fwknopd.log_lines import INFO, WARNING, log_lines
from fwknopd.policy.command import Ended
from fwknopd.policy.settings import PolicySettings
from fwknopd.policy.stanza import Stanza
from fwknopd.spa.message import MessageType

from .conftest import PHONE, Knock, Rig

COMMAND = MessageType.COMMAND
HEADER = "(stanza phone) SPA Packet from IP: 198.51.100.9 received with access source match"


@pytest.fixture
def phone(rig: Rig) -> Stanza:
    """A client that may run commands."""
    stanza = replace(PHONE, enable_cmd_exec=True)
    rig.use(stanza)
    return stanza


def lines(rig: Rig) -> list[tuple[int, str]]:
    """The log of everything so far."""
    events: list[Event] = rig.engine.events.recent(1000)
    return [line for event in events for line in log_lines(event)]


def test_a_command_is_run(rig: Rig, knock: Knock, phone: Stanza) -> None:
    rig.engine.handle(knock("192.0.2.7,reboot -f", message_type=COMMAND))
    (verdict,) = rig.events("verdict")
    assert (verdict["verdict"], verdict["reason"]) == ("accept", "accepted")
    assert (verdict["request"], verdict["command"]) == ("192.0.2.7,reboot -f", "reboot -f")
    assert rig.runner.texts() == ["reboot -f"]
    assert rig.events("command") == []
    assert rig.doors() == []


def test_its_end_is_told(rig: Rig, knock: Knock, phone: Stanza) -> None:
    rig.engine.handle(knock("192.0.2.7,false", message_type=COMMAND))
    rig.runner.end(Ended(1, seconds=0.25))
    (event,) = rig.events("command")
    assert event["detail"] == "ended with status 1 after 0.2 s"
    assert (event["client"], event["source"], event["request"]) == (
        "phone",
        "198.51.100.9",
        "false",
    )
    facts = ("purpose", "account", "status", "signal", "late", "seconds")
    assert [event[name] for name in facts] == ["knock", "", 1, 0, False, 0.25]


def test_the_log_says_it_in_the_c_daemons_words(rig: Rig, knock: Knock, phone: Stanza) -> None:
    rig.use(replace(phone, cmd_exec_user="nobody"))
    rig.engine.handle(knock("192.0.2.7,id  -u", message_type=COMMAND))
    rig.runner.end(Ended(3))
    who = "[198.51.100.9] (stanza phone)"
    assert lines(rig) == [
        (INFO, HEADER),
        (INFO, f"{who} Processing SPA Command message: command='id  -u'."),
        (INFO, f"{who} Running command 'id -u' setuid/setgid user/group to nobody/nobody"),
        (INFO, f"{who} CMD_EXEC: command returned 0, pid_status: 3"),
    ]


@pytest.mark.parametrize(
    ("ended", "status", "text"),
    [
        (Ended(signal=15, seconds=2), 143, "It was ended by signal 15 after 2.0 s"),
        (Ended(signal=9, late=True), 137, "It took more than 60 s and was killed"),
        (Ended(fault="there is no program 'x'"), 255, "It could not be run: there is no program"),
    ],
)
def test_other_ends_in_the_log(
    rig: Rig, knock: Knock, phone: Stanza, ended: Ended, status: int, text: str
) -> None:
    rig.engine.handle(knock("192.0.2.7,x", message_type=COMMAND))
    rig.runner.end(ended)
    severity, line = lines(rig)[-1]
    assert severity == WARNING
    assert f"CMD_EXEC: command returned 0, pid_status: {status}. {text}" in line


def test_a_flood_is_refused_and_says_why(rig: Rig, knock: Knock, phone: Stanza) -> None:
    for number in range(PER_CLIENT + 2):
        rig.engine.handle(knock(f"192.0.2.7,sleep {number}", message_type=COMMAND))
    verdicts = rig.events("verdict")
    assert [v["reason"] for v in verdicts[:PER_CLIENT]] == ["accepted"] * PER_CLIENT
    assert [v["reason"] for v in verdicts[PER_CLIENT:]] == ["too-many-commands"] * 2
    assert "8 commands of this client are running or waiting already" in str(verdicts[-1]["detail"])
    assert rig.runner.texts() == ["sleep 0"]


def test_doors_open_while_a_command_runs(rig: Rig, knock: Knock, phone: Stanza) -> None:
    rig.engine.handle(knock("192.0.2.7,sleep 9", message_type=COMMAND))
    rig.engine.handle(knock())
    assert rig.doors() == ["192.0.2.7 tcp/22"]


def test_test_mode_runs_nothing(rig: Rig, knock: Knock, phone: Stanza) -> None:
    rig.use(phone, test=True)
    rig.engine.handle(knock("192.0.2.7,reboot", message_type=COMMAND))
    assert rig.runner.texts() == []
    (verdict,) = rig.events("verdict")
    assert verdict["detail"] == "test mode: the command is not run"
    assert lines(rig)[1][1].startswith("[198.51.100.9] (stanza phone) --test mode enabled")


def test_a_packet_that_was_used_runs_nothing_again(rig: Rig, knock: Knock, phone: Stanza) -> None:
    packet = knock("192.0.2.7,reboot", message_type=COMMAND)
    rig.engine.handle(packet)
    rig.runner.end()
    rig.engine.handle(packet)
    assert rig.runner.texts() == []
    assert [entry.client for entry in rig.remembered] == ["phone"]


def test_the_servers_settings_are_those_of_the_knock(rig: Rig, knock: Knock, phone: Stanza) -> None:
    sudo = replace(phone, enable_cmd_sudo_exec=True)
    policy = PolicySettings(sudo_exe="/opt/sudo", cmd_exec_timeout=5)
    rig.engine.configure(EngineSettings(policy, (sudo,)))
    rig.engine.handle(knock("192.0.2.7,id", message_type=COMMAND))
    ((command, closing, _),) = rig.runner.begun
    assert (command.text, command.seconds, closing) == ("/opt/sudo id", 5, False)


HOSTILE = "a\nfake: line\x1b[2J\r\x7f' {detail} %s \x85\\x"


def test_hostile_bytes_stay_in_their_line(rig: Rig, knock: Knock, phone: Stanza) -> None:
    rig.engine.handle(knock(f"192.0.2.7,{HOSTILE}", message_type=COMMAND))
    rig.runner.end(Ended(fault="there is no program 'a\n'"))
    told = [str(event) for kind in ("verdict", "command") for event in rig.events(kind)]
    for text in (*told, *(line for _, line in lines(rig))):
        assert text.isprintable()
        assert text.isascii()
    assert "a\\x0afake: line\\x1b[2J" in lines(rig)[1][1]
