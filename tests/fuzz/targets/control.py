"""The control socket, from both ends: what a client asks, and what a daemon answers."""

from __future__ import annotations

import io
import json
import socket
from base64 import b64encode
from collections.abc import Sequence
from contextlib import closing
from functools import cache
from random import Random
from unittest import mock

from fwknopd.control.connection import Connection, LineTooLongError
from fwknopd.control.protocol import (
    VERBS,
    Request,
    VerbError,
    decode_request,
    encode_error,
    encode_request,
    encode_result,
)
from fwknopd.ctl.errors import CtlError
from fwknopd.ctl.rpc import METHODS, _arguments
from fwknopd.options import Options
from fwknopd.verbs import Verbs
from tests.fuzz.mutators import behind_first_byte, json_values
from tests.fuzz.target import Mutator, Target
from tests.fuzz.targets.state import folder
from tests.interop.spa_vectors import load_vectors
from tests.unit.service.configs import LAPTOP, stanza
from tests.unit.service.doubles import CountingLoop, Devices, Notices
from tests.unit.service.rig import Rig

# Requests: the first byte chooses the size of the pieces they come in.


def check_requests(data: bytes) -> None:
    """The same lines whole and in pieces; of each a request of the table, or VerbError."""
    size, text = 1 + (data[0] if data else 0), data[1:]
    whole = fed([text])
    assert whole == fed([text[at : at + size] for at in range(0, len(text), size)])
    for line in whole:
        if line is not None:
            decoded(line)


def decoded(line: bytes) -> Request | None:
    """The request in a line, None for one that is refused as it should be."""
    try:
        request = decode_request(line)
    except VerbError as error:
        assert error.code in {"bad-request", "bad-argument", "unknown-verb"}
        assert encode_error(error).count(b"\n") == 1
        return None
    (verb,) = (verb for verb in VERBS if verb.name == request.verb)
    kinds = {argument.name: argument.kind for argument in verb.arguments}
    types = {"text": str, "number": int, "flag": bool}
    for name, value in request.arguments.items():
        assert type(value) is types[kinds[name]]
    return request


def fed(pieces: Sequence[bytes]) -> list[bytes | None]:
    """The lines the server takes when these come one after the other; None: one is too long."""
    ours, theirs = socket.socketpair()
    lines: list[bytes | None] = []
    with theirs, closing(Connection(ours)) as connection:
        try:
            for piece in pieces:
                for start in range(0, len(piece), 4096):
                    theirs.sendall(piece[start : start + 4096])
                    connection.receive()
                    while connection.has_line:
                        lines.append(connection.next_line())
        except LineTooLongError:
            lines.append(None)
    return lines


def request_seeds() -> list[bytes]:
    packet = b64encode(load_vectors()[0].packet).decode()
    asked = [
        encode_request("status", {}),
        encode_request("grants", {"limit": 5}),
        encode_request("events", {"limit": 5, "after": 1, "before": 9, "follow": False}),
        encode_request("revoke", {"client": "phone", "cut": True}),
        encode_request("revoke", {"address": "192.0.2.7"}),
        encode_request("revoke", {"id": "0123456789"}),
        encode_request("revoke", {"all": True}),
        encode_request("reload", {}),
        encode_request("explain", {"payload": packet, "source": "192.0.2.7"}),
        encode_request("clients", {}),
        encode_request(
            "rehearse", {"client": 1, "access": "tcp/22", "source": "192.0.2.7", "nat": "x,1"}
        ),
        encode_request("watch", {"seconds": 5}),
        encode_request("watched", {}),
        encode_request("exposed", {"ports": "tcp/22,udp/53", "anew": True}),
    ]
    return [b"\x07" + line for line in asked] + [b"\x40" + b"".join(asked)]


REQUEST_WORDS = (
    *(verb.name for verb in VERBS),
    *(argument.name for verb in VERBS for argument in verb.arguments),
    *("verb", "arguments", "192.0.2.7", "::1", "#1", "phone", "tcp/22", "udp/53,tcp/1"),
)


def json_lines(words: Sequence[str]) -> Mutator:
    """One of the lines changed as a JSON value."""
    change = json_values(words)

    def mutate(data: bytes, random: Random) -> bytes:
        lines = data.split(b"\n")
        place = random.randrange(len(lines))
        lines[place] = change(lines[place], random)
        return b"\n".join(lines)

    return mutate


# What the verbs do with requests that agree with the table


class NoSignals:
    """In place of the pipe of signals, which would change what they do in the whole process."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()

    def fileno(self) -> int:
        return self._reader.fileno()

    def take(self) -> set[int]:
        return set()


@cache
def service() -> Rig:
    """A service that runs as long as this process."""
    home = folder() / "service"
    home.mkdir(exist_ok=True)
    notices = Notices()
    options = Options(config_file=str(home / "fwknopd.conf"), access_file=str(home / "access.conf"))
    made = Rig(home, Devices("eth1"), notices, options)
    made.conf("PCAP_INTF eth1;\nENABLE_IPT_FORWARDING Y;\n")
    made.access(stanza(), stanza(LAPTOP, "FORWARD_ALL Y"))
    with (
        mock.patch("fwknopd.intake.LinkNotices", lambda: notices),
        mock.patch("fwknopd.service.Loop", CountingLoop),
        mock.patch("tests.unit.service.rig.SignalPipe", NoSignals),
    ):
        made.start()
    return made


def check_verbs(data: bytes) -> None:
    """An answer that can be sent, or VerbError, to each request; the service goes on."""
    rig = service()
    table = Verbs(rig.service).table()
    knock(rig)
    for line in data.split(b"\n")[:20]:
        request = decoded(line)
        if request is None:
            continue
        try:
            answer = encode_result(table[request.verb](request.arguments))
        except VerbError as error:
            answer = encode_error(error)
        assert json.loads(answer)["ok"] in (True, False)
    knock(rig)


def knock(rig: Rig) -> None:
    """A client knocks, and is let in."""
    rig.clock.advance(20)
    rig.devices.put("eth1", rig.packet())
    rig.settle(2)
    assert rig.doors() == ["192.0.2.7 tcp/22"]


# What rpcd hands on: the first byte chooses the method, the rest are its arguments.


def check_ubus_call(data: bytes) -> None:
    """Arguments that the method has, or CtlError; rpcd's session is in none."""
    methods = (*METHODS, "no-such-method")
    method = methods[(data[0] if data else 0) % len(methods)]
    try:
        found = _arguments(method, io.BytesIO(data[1:]))
    except CtlError as error:
        assert str(error)
        return
    assert set(found) <= {*METHODS[method]}
    decoded(encode_request(method, found))


TARGETS = (
    Target(
        "control_requests",
        "Lines of the control socket are the same whole and in pieces; each is a request of the "
        "table or refused.",
        check_requests,
        request_seeds,
        behind_first_byte(json_lines(REQUEST_WORDS)),
        tuple(f'"{word}"'.encode() for word in REQUEST_WORDS),
        longest=9000,
    ),
    Target(
        "control_verbs",
        "Every verb answers any arguments the table lets through, or refuses them.",
        check_verbs,
        lambda: [seed[1:] for seed in request_seeds()],
        json_lines(REQUEST_WORDS),
        tuple(f'"{word}"'.encode() for word in REQUEST_WORDS),
        longest=4096,
    ),
    Target(
        "ubus_call",
        "The arguments of a call over ubus are those of the method, or refused.",
        check_ubus_call,
        lambda: [
            b'\x01{"limit": 5, "ubus_rpc_session": "0123456789abcdef"}',
            b'\x03{"client": "phone", "cut": true}',
            b"\x00",
        ],
        behind_first_byte(json_values(REQUEST_WORDS)),
        tuple(f'"{word}"'.encode() for word in REQUEST_WORDS),
        longest=5000,
    ),
)
