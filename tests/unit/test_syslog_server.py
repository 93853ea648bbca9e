"""Events for a log server: by the letter of RFC 5424, bounded, and never waited for."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwknopd.config.endpoint import Endpoint, parse_endpoint
from fwknopd.events import Event, EventKind, EventLog, Losses
from fwknopd.syslog_message import LARGEST, MAX_VALUE, Sender, escaped, message
from fwknopd.syslog_server import SyslogServerSink
from tests.unit.rfc5424 import Message, read

SENDER = Sender(24, "router", "fwknopd", 412)
REFUSED = os.strerror(errno.ECONNREFUSED)
VALUES = st.text() | st.text('"\\] =[\n', max_size=700)


def sent(**facts: str) -> Message:
    log = EventLog(lambda: 1_700_000_000.25)
    return read(message(log.record(EventKind.VERDICT, **facts), SENDER))


def test_a_refusal_with_all_its_facts() -> None:
    told = sent(
        source="192.0.2.7", client="phone", verdict="refuse", reason="port-not-allowed", detail="x"
    )
    assert (told.facility, told.severity) == (3, 4)
    assert told.time == "2023-11-14T22:13:20.250000Z"
    assert (told.host, told.app, told.pid, told.id) == ("router", "fwknopd", "412", "verdict")
    assert told.element == "fwknop@32473"
    assert told.facts == {
        "id": "1",
        "source": "192.0.2.7",
        "client": "phone",
        "verdict": "refuse",
        "reason": "port-not-allowed",
        "detail": "x",
    }
    assert "denied per access.conf" in told.text


@pytest.mark.parametrize(("state", "severity"), [("capturing", 6), ("waiting", 4)])
def test_a_capture_is_a_warning_only_while_it_waits(state: str, severity: int) -> None:
    event = EventLog(lambda: 1.0).record(EventKind.CAPTURE, detail="eth1", state=state)
    assert read(message(event, SENDER)).severity == severity


@given(client=VALUES, source=VALUES, request=VALUES, detail=VALUES)
def test_whatever_an_event_holds_it_is_one_message(
    client: str, source: str, request: str, detail: str
) -> None:
    log = EventLog(lambda: 1.0)
    event = log.record(
        EventKind.GRANT, client=client, source=source, request=request, detail=detail, cut=3
    )
    datagram = message(event, SENDER)
    assert len(datagram) <= LARGEST
    told = read(datagram)
    assert told.facts.keys() <= {"id", "client", "source", "request", "detail", "cut"}
    assert told.facts["id"] == "1"
    assert told.text.isprintable()


@given(VALUES)
def test_a_value_can_be_read_back(value: str) -> None:
    written = escaped(value)
    assert "\n" not in written
    if value.isprintable() and len(value.encode("utf-8", "replace")) <= MAX_VALUE:
        event = Event(1, 0.0, EventKind.START, detail=value)
        assert read(message(event, SENDER)).facts.get("detail", "") == value


@pytest.mark.parametrize("time", [float("inf"), float("nan"), 1e20, -1e20, -5.0])
def test_a_clock_beyond_all_years_has_no_time(time: float) -> None:
    assert read(message(Event(1, time, EventKind.STOP), SENDER)).time == "-"


def test_names_of_host_and_program_are_words() -> None:
    odd = Sender(24, "", "my daemon\x1b\u00fc" * 9, 1)
    told = read(message(Event(1, 0.0, EventKind.STOP), odd))
    assert told.host == "-"
    assert told.app.startswith("my_daemon__my_daemon__")


def server_family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


@pytest.fixture(params=["127.0.0.1", "::1"])
def server(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    with socket.socket(server_family(request.param), socket.SOCK_DGRAM) as made:
        made.bind((request.param, 0))
        made.settimeout(10)
        yield made


def test_each_event_is_a_datagram(server: socket.socket) -> None:
    host, port = server.getsockname()[:2]
    name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    sink = SyslogServerSink(parse_endpoint(name, ""), "door", "LOG_LOCAL3")
    log = EventLog(lambda: 1.0, sinks=[sink])
    for detail in ("one", "two"):
        log.record(EventKind.ERROR, detail=detail)
    told = [read(server.recv(4096)) for _ in range(2)]
    sink.close()
    assert [message.facts["detail"] for message in told] == ["one", "two"]
    assert {(m.facility, m.severity, m.app) for m in told} == {(19, 3, "door")}
    assert sink.losses().count == 0


def test_a_server_that_goes_away_costs_messages_which_are_counted(server: socket.socket) -> None:
    host, port = server.getsockname()[:2]
    sink = SyslogServerSink(Endpoint(ip_address(host), port), "door", "")
    times = iter(range(10, 100))
    log = EventLog(lambda: next(times), sinks=[sink])
    log.record(EventKind.START)
    assert sink.losses().count == 0
    server.close()
    # Nobody listens, and the kernel says so; that is no reason to give up.
    for _ in range(5):
        log.record(EventKind.START)
    # It says so once a second for each address at the least, on loopback every time.
    assert sink.losses() == Losses(str(Endpoint(ip_address(host), port)), 5, 15, REFUSED)
    with socket.socket(server_family(host), socket.SOCK_DGRAM) as again:
        again.bind((host, port))
        again.settimeout(10)
        log.record(EventKind.STOP)
        assert read(again.recv(4096)).id == "stop"
    assert sink.losses().count == 5
    sink.close()


def test_what_is_said_of_an_earlier_one_is_not_held_against_the_next(
    server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, port = server.getsockname()[:2]
    sink = SyslogServerSink(Endpoint(ip_address(host), port), "door", "")
    log = EventLog(lambda: 1.0, sinks=[sink])
    server.close()
    hear, again = sink._hear, socket.socket(server_family(host), socket.SOCK_DGRAM)

    def too_early() -> int:
        # The answer comes after the sink has listened, and before it sends.
        monkeypatch.undo()
        assert sink._socket is not None
        sink._socket.sendto(b"earlier", (host, port))
        again.bind((host, port))
        return 0

    log.record(EventKind.START)
    hear()
    monkeypatch.setattr(sink, "_hear", too_early)
    with again:
        again.settimeout(10)
        log.record(EventKind.STOP)
        assert read(again.recv(4096)).id == "stop"
    assert sink.losses().count == 2
    sink.close()


def test_what_is_not_even_sent_is_counted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    sink = SyslogServerSink(parse_endpoint("127.0.0.1:9", ""), "door", "")
    log = EventLog(lambda: 1.0, sinks=[sink])

    def refused(*_: object) -> None:
        raise BlockingIOError(errno.EAGAIN, "the buffer is full")

    monkeypatch.setattr(socket.socket, "sendto", refused)
    log.record(EventKind.START)
    monkeypatch.undo()
    assert sink.losses() == Losses("127.0.0.1:9", 1, 1.0, "the buffer is full")
    sink.close()


def test_without_a_socket_it_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sink = SyslogServerSink(Endpoint(parse_endpoint("::1", "").address, 9), "door", "")
    made = socket.socket

    def none_left(*_: object) -> None:
        raise OSError("no descriptor is left")

    monkeypatch.setattr("fwknopd.syslog_server.socket.socket", none_left)
    log = EventLog(lambda: 1.0, sinks=[sink])
    log.record(EventKind.START)
    monkeypatch.setattr("fwknopd.syslog_server.socket.socket", made)
    log.record(EventKind.START)
    assert sink.losses().why in ("no descriptor is left", REFUSED)
    sink.close()
