"""What a daemon answers fwknopctl. It may be of another version, or another program.

The first byte chooses the question, the rest is all that the daemon sends.
"""

from __future__ import annotations

import contextlib
import io
import os
import socket
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import ClassVar
from unittest import mock

from fwknopd.control.client import ControlClient
from fwknopd.control.protocol import VerbError, encode_error, encode_result
from fwknopd.ctl import main
from fwknopd.ctl.status import NOT_READY
from fwknopd.verbs import Verbs
from tests.fuzz.mutators import behind_first_byte
from tests.fuzz.target import Target
from tests.fuzz.targets.control import json_lines, knock, service
from tests.fuzz.targets.state import folder
from tests.interop.spa_vectors import load_vectors

QUESTIONS = (
    ["status"],
    ["grants"],
    ["events"],
    ["events", "--follow"],
    ["revoke", "--client", "phone"],
    ["revoke", "--all", "--cut"],
    ["reload"],
    ["version"],
    ["explain", "--all", "PACKET"],
    ["status", "--json"],
)


class Answered(ControlClient):
    """A client whose daemon sends what the test says."""

    said = b""
    ends: ClassVar[list[socket.socket]] = []

    def _connect(self, timeout: float) -> socket.socket:
        ours, theirs = socket.socketpair()
        ours.settimeout(timeout)
        theirs.sendall(self.said)
        theirs.shutdown(socket.SHUT_WR)
        self.ends.append(theirs)
        return ours


def check_answers(data: bytes) -> None:
    """An exit code and lines without control characters, whatever the daemon sends."""
    choice, Answered.said = (data[0] if data else 0) % len(QUESTIONS), data[1:]
    question = [packet_file() if word == "PACKET" else word for word in QUESTIONS[choice]]
    with asking(), captured() as (out, err):
        code = main(question)
    while Answered.ends:
        Answered.ends.pop().close()
    assert code in (0, 1, NOT_READY)
    for line in (out.getvalue() + err.getvalue()).split("\n"):
        assert line.isprintable(), line


@contextmanager
def asking() -> Iterator[None]:
    """Have everybody ask `Answered`."""
    with mock.patch("fwknopd.ctl.daemon.ControlClient", Answered):
        yield


@contextmanager
def captured() -> Iterator[tuple[io.StringIO, io.StringIO]]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield out, err


@cache
def packet_file() -> str:
    path = folder() / "packet"
    path.write_bytes(load_vectors()[0].packet)
    return os.fspath(path)


def answer_seeds() -> list[bytes]:
    """What a real daemon answers to each question."""
    rig = service()
    knock(rig)
    table = Verbs(rig.service).table()
    packet = b64encode(load_vectors()[0].packet).decode()
    said = [
        encode_result(table[verb](arguments))
        for verb, arguments in (
            ("status", {}),
            ("grants", {}),
            ("events", {"limit": 3}),
            ("events", {"limit": 3}),
            ("revoke", {"client": "phone"}),
            ("revoke", {"all": True, "cut": True}),
            ("reload", {}),
            ("status", {}),
            ("explain", {"payload": packet}),
            ("status", {}),
        )
    ]
    event = encode_result({"x": 1}).replace(b'"ok":true,"result":', b'"event":"verdict","result":')
    refused = encode_error(VerbError("busy", "it is busy", "Wait"))
    return [
        *(bytes([place]) + line for place, line in enumerate(said)),
        b"\3" + said[3] + event,
        b"\0" + refused,
    ]


ANSWER_WORDS = (
    *("ok", "result", "error", "code", "message", "remedy", "grants", "past", "events"),
    *("captures", "firewall", "warnings", "configuration", "detail", "time", "expires"),
    *("clients", "replay", "entries", "counters", "connections", "cut", "spared", "uncut"),
    *("packet", "problems", "opened"),
)

TARGETS = (
    Target(
        "control_answers",
        "Whatever a daemon answers, fwknopctl ends with an exit code and prints nothing but "
        "whole, visible lines.",
        check_answers,
        answer_seeds,
        behind_first_byte(json_lines(ANSWER_WORDS)),
        tuple(f'"{word}"'.encode() for word in ANSWER_WORDS),
        longest=6000,
    ),
)
