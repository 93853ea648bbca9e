"""Any command text: its words are the C daemon's, and nothing of it breaks an event or a line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from fwknopd.command_queue import Done
from fwknopd.events import EventLog
from fwknopd.knock_commands import KnockCommands
from fwknopd.log_lines import log_lines
from fwknopd.policy.command import Command, Ended, split
from fwknopd.policy.verdict import CommandDecision
from fwknopd.reporting import command_facts
from fwknopd.spa.message import MessageType
from tests.unit.policy.knocks import Gate, client, knock, packet

# The white space of the C locale, where the C daemon parts words.
BLANKS = b" \t\n\v\f\r"
TEXTS = st.binary(max_size=120).map(lambda text: text.replace(b"\0", b""))


@given(st.lists(st.sampled_from([*BLANKS, *b"a'\"$\\;\x85\xa0\xff\x1c"])).map(bytes))
def test_words_are_those_of_the_c_daemon(text: bytes) -> None:
    assert list(split(text)) == [word for word in re.split(rb"[ \t\n\v\f\r]", text) if word]


@given(TEXTS)
def test_nothing_of_a_command_is_lost_or_added(text: bytes) -> None:
    words = split(text)
    assert b"".join(words) == text.translate(None, BLANKS)
    assert all(words)


class AtOnce:
    """Every command ends as soon as it begins."""

    def __init__(self, ended: Ended) -> None:
        self._ended = ended

    def start(self, command: Command, closing: bool, done: Done) -> None:
        done(self._ended)

    def wait(self, over: Callable[[], bool], seconds: float) -> None:
        """There is nothing to wait for."""


ENDS = st.builds(
    Ended,
    status=st.none() | st.integers(0, 255),
    signal=st.integers(0, 64),
    late=st.booleans(),
    fault=st.text(max_size=50),
    seconds=st.floats(0, 1e6),
)


@given(TEXTS.filter(split), ENDS)
def test_an_event_is_one_line_whatever_the_command(text: bytes, ended: Ended) -> None:
    log = EventLog(lambda: 0.0)
    phone = client(enable_cmd_exec=True, cmd_exec_user="nobody")
    sent = packet(knock(phone, b"192.0.2.7," + text, kind=MessageType.COMMAND))  # type: ignore[arg-type]
    decision = Gate(phone).judge(sent.payload)
    assert isinstance(decision, CommandDecision)
    assert decision.command.words == split(text)
    KnockCommands(AtOnce(ended), log, lambda: 0.0).run(sent, decision)
    (event,) = log.recent(10)
    assert "\n" not in json.dumps(event.as_json(), ensure_ascii=True)
    told = [line for _, line in log_lines(event)] + [*map(str, command_facts(decision).values())]
    assert all(line.isprintable() and line.isascii() for line in told)
