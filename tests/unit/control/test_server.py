"""The control server over a real socket: manners, hostility and the stream of events."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from fwknopd.control.client import ControlClient, ControlError
from fwknopd.control.protocol import MAX_ANSWER, MAX_LINE, VerbError
from fwknopd.control.server import MAX_CLIENTS, MAX_FOLLOW_LINES, MAX_FOLLOWERS, Handler
from tests.unit.control.running import RunningServer, connect, read_line

Json = dict[str, Any]
PAST: list[Json] = [{"id": number, "event": "verdict"} for number in range(1, 6)]


def events(arguments: Json) -> Json:
    after, limit = arguments.get("after", 0), arguments.get("limit", 100)
    recent = [event for event in PAST if event["id"] > after]
    return {"events": recent[len(recent) - min(limit, len(recent)) :], "last": 5}


def revoke(arguments: Json) -> Json:
    if arguments.get("client") == "stuck":
        raise VerbError("firewall", "the door is still open", "Try again")
    if arguments.get("client") == "huge":
        return {"text": "x" * MAX_ANSWER}
    if arguments.get("client") == "big":
        return {"text": "x" * 1_900_000}
    if arguments.get("client") == "endless":
        return {"expires": float("inf")}
    if arguments.get("client") == "bug":
        raise KeyError("client")
    return {"revoked": 1, "arguments": arguments}


HANDLERS: dict[str, Handler] = {
    "status": lambda _: {"version": "1", "filler": "x" * 50_000},
    "grants": lambda _: {"grants": []},
    "events": events,
    "revoke": revoke,
}


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningServer]:
    with RunningServer(tmp_path / "control.sock", HANDLERS) as server:
        yield server


@pytest.fixture
def client(running: RunningServer) -> ControlClient:
    return ControlClient(running.path)


def ask(connection: socket.socket, line: bytes) -> Json:
    connection.sendall(line)
    answer: Json = json.loads(read_line(connection))
    return answer


STATUS = b'{"verb": "status"}\n'
GRANTS = b'{"verb": "grants"}\n'


def test_a_verb_is_answered(client: ControlClient) -> None:
    assert client.call("grants") == {"grants": []}
    assert client.call("revoke", client="phone") == {
        "revoked": 1,
        "arguments": {"client": "phone"},
    }


def test_a_refusal_keeps_its_words(client: ControlClient) -> None:
    with pytest.raises(ControlError) as raised:
        client.call("revoke", client="stuck")
    assert (raised.value.code, raised.value.remedy) == ("firewall", "Try again")
    assert not raised.value.is_down


def test_a_faulty_handler_is_an_answer_not_an_end(client: ControlClient) -> None:
    with pytest.raises(ControlError, match="KeyError: 'client'") as raised:
        client.call("revoke", client="bug")
    assert raised.value.code == "internal"
    assert client.call("grants") == {"grants": []}


class Upgraded(dict[str, Handler]):
    """Handlers of a program whose files were replaced before anybody asked."""

    def get(self, verb: str, default: object = None, /) -> Any:
        if verb == "status":
            raise ValueError("zip() argument 2 is longer than argument 1")
        return super().get(verb)


def test_what_cannot_be_loaded_is_an_answer_not_an_end(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with RunningServer(path, Upgraded(HANDLERS)):
        client = ControlClient(path)
        with pytest.raises(ControlError, match=r"status: ValueError: zip\(\)") as raised:
            client.call("status")
        assert raised.value.code == "internal" and "restart fwknopd" in raised.value.remedy
        assert client.call("grants") == {"grants": []}


def test_a_result_that_is_no_json_is_an_answer_not_an_end(client: ControlClient) -> None:
    with pytest.raises(ControlError, match="ValueError") as raised:
        client.call("revoke", client="endless")
    assert raised.value.code == "internal"
    assert client.call("grants") == {"grants": []}


def test_too_long_an_answer_is_refused(client: ControlClient) -> None:
    with pytest.raises(ControlError) as raised:
        client.call("revoke", client="huge")
    assert raised.value.code == "too-large"


def test_a_verb_this_daemon_lacks_is_named(client: ControlClient) -> None:
    with pytest.raises(ControlError, match="doesn't know reload"):
        client.call("reload")


def test_several_requests_on_one_connection(running: RunningServer) -> None:
    with connect(running.path) as connection:
        connection.sendall(GRANTS * 50)
        for _ in range(50):
            assert json.loads(read_line(connection))["ok"] is True


def test_a_request_may_come_in_pieces(running: RunningServer) -> None:
    with connect(running.path) as connection:
        for byte in GRANTS[:-1]:
            connection.sendall(bytes([byte]))
        assert ask(connection, GRANTS[-1:])["ok"] is True


def test_who_only_sends_and_then_listens_gets_the_answers(running: RunningServer) -> None:
    """As ``echo ... | nc -U`` does."""
    with connect(running.path) as connection:
        connection.sendall(GRANTS * 2)
        connection.shutdown(socket.SHUT_WR)
        assert [read_line(connection)[:11] for _ in range(3)] == [b'{"ok":true,'] * 2 + [b""]


@pytest.mark.parametrize(
    "line",
    [b"\n", b"\0\n", b"GET / HTTP/1.0\r\n", b"[" * 3000 + b"\n", b"\xff" * 100 + b"\n", b"{}\n"],
)
def test_hostile_lines_are_refused_and_the_next_is_served(
    running: RunningServer, line: bytes
) -> None:
    with connect(running.path) as connection:
        assert ask(connection, line)["error"]["code"] == "bad-request"
        assert ask(connection, GRANTS)["ok"] is True


@pytest.mark.parametrize("flood", [b"x" * MAX_LINE * 3, b"x" * MAX_LINE + b"\n" + GRANTS])
def test_an_endless_line_ends_the_connection(running: RunningServer, flood: bytes) -> None:
    with connect(running.path) as connection:
        with suppress(BrokenPipeError):  # refused before it had finished
            connection.sendall(flood)
        assert b"longer than 4096 bytes" in read_line(connection)
        with suppress(ConnectionResetError):
            assert connection.recv(100) == b""
    running.await_clients(0)


def test_a_client_that_takes_no_answers_holds_up_nobody(
    running: RunningServer, client: ControlClient
) -> None:
    with connect(running.path) as lazy:
        lazy.sendall(STATUS * 100)
        running.await_clients(1)
        assert client.call("grants") == {"grants": []}
        lazy.shutdown(socket.SHUT_WR)
        answers = b"".join(iter(lambda: lazy.recv(1 << 20), b"")).splitlines()
    assert len(answers) == 100, "its requests waited until it took the answers"
    assert {len(answer) for answer in answers} == {len(answers[0])}


def test_clients_that_take_no_answers_are_dropped_before_memory_runs_out(
    running: RunningServer, client: ControlClient
) -> None:
    lazy = [connect(running.path) for _ in range(10)]
    for connection in lazy:
        connection.sendall(b'{"verb": "revoke", "arguments": {"client": "big"}}\n')
        connection.recv(1)  # its answer has been made: 1.9 MB, of which the kernel holds some
    running.await_clients(2)
    assert client.call("grants") == {"grants": []}
    for connection in lazy:
        connection.close()


def test_a_new_client_always_gets_in(running: RunningServer, client: ControlClient) -> None:
    idle = [connect(running.path) for _ in range(MAX_CLIENTS + 4)]
    running.await_clients(MAX_CLIENTS)
    assert client.call("grants") == {"grants": []}
    assert idle[0].recv(1) == b"", "the longest silent one makes room"
    assert ask(idle[-1], GRANTS)["ok"] is True
    for connection in idle:
        connection.close()


def test_who_asks_takes_no_place_from_a_silent_follower(running: RunningServer) -> None:
    follower = ControlClient(running.path).follow(limit=1)
    next(follower)
    idle = [connect(running.path) for _ in range(MAX_CLIENTS + 4)]
    running.await_clients(MAX_CLIENTS)
    running.publish({"id": 6})
    assert next(follower)["id"] == 6
    for connection in idle:
        connection.close()


def test_followers_leave_places_for_who_asks(running: RunningServer, client: ControlClient) -> None:
    followers = [ControlClient(running.path).follow(limit=1) for _ in range(MAX_CLIENTS + 4)]
    for follower in followers:
        next(follower)
    running.await_clients(MAX_FOLLOWERS)
    assert client.call("grants") == {"grants": []}
    running.publish({"id": 6})
    assert [next(follower)["id"] for follower in followers[-MAX_FOLLOWERS:]] == [6] * MAX_FOLLOWERS
    with pytest.raises(ControlError, match="closed the connection"):
        next(followers[0])


def test_many_clients_at_once_get_their_own_answers(running: RunningServer) -> None:
    answers: dict[str, object] = {}

    def call(name: str) -> None:
        client = ControlClient(running.path)
        for _ in range(20):
            answers[name] = client.call("revoke", client=name)["arguments"]["client"]
            assert answers[name] == name

    threads = [threading.Thread(target=call, args=(f"phone{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert answers == {f"phone{n}": f"phone{n}" for n in range(8)}


def test_hanging_up_in_the_middle_is_nobodys_problem(
    running: RunningServer, client: ControlClient
) -> None:
    for line in (b"", b'{"verb": "sta', STATUS, STATUS * 5):
        with connect(running.path) as connection:
            connection.sendall(line)
    running.await_clients(0)
    assert client.call("grants") == {"grants": []}


def test_an_idle_server_does_not_turn(running: RunningServer) -> None:
    with connect(running.path) as idle, connect(running.path) as partial:
        partial.sendall(b'{"verb": ')
        running.await_clients(2)
        before = running.in_loop(lambda: running.turns)
        threading.Event().wait(0.2)
        after = running.in_loop(lambda: running.turns)
        assert isinstance(before, int)
        assert isinstance(after, int)
        assert after - before <= 2, "the loop spins"
        assert ask(idle, GRANTS)["ok"] is True


def test_the_asking_process_is_known(tmp_path: Path) -> None:
    def who(_: Json) -> Json:
        peer = serving.server.peer
        assert peer is not None
        return {"pid": peer.pid, "uid": peer.uid, "gid": peer.gid}

    with RunningServer(tmp_path / "control.sock", {"status": who}) as serving:
        answer = ControlClient(serving.path).call("status")
        assert serving.server.peer is None
    assert answer == {"pid": os.getpid(), "uid": os.geteuid(), "gid": os.getegid()}


# Following events


def test_events_follow_the_past_without_a_gap(
    running: RunningServer, client: ControlClient
) -> None:
    stream = client.follow(limit=2)
    assert [next(stream)["id"] for _ in range(2)] == [4, 5]
    for number in range(6, 106):
        running.publish({"id": number})
    assert [next(stream)["id"] for _ in range(100)] == list(range(6, 106))
    stream.close()  # type: ignore[attr-defined]
    running.await_clients(0)


def test_following_from_a_known_event(running: RunningServer, client: ControlClient) -> None:
    stream = client.follow(after=3, limit=100)
    assert [next(stream)["id"] for _ in range(2)] == [4, 5]


def test_everybody_who_follows_hears_it_and_nobody_else(
    running: RunningServer, client: ControlClient
) -> None:
    streams = [client.follow(limit=1) for _ in range(3)]
    for stream in streams:
        next(stream)
    with connect(running.path) as other:
        running.await_clients(4)
        running.publish({"id": 6})
        assert [next(stream)["id"] for stream in streams] == [6, 6, 6]
        assert ask(other, GRANTS)["ok"] is True


def test_a_follower_who_says_more_is_not_answered(running: RunningServer) -> None:
    with connect(running.path) as follower:
        ask(follower, b'{"verb":"events","arguments":{"follow":true}}\n' + GRANTS)
        follower.sendall(GRANTS * 1000)
        running.publish({"id": 6})
        assert json.loads(read_line(follower)) == {"id": 6}


def test_a_follower_who_does_not_listen_is_dropped(
    running: RunningServer, client: ControlClient
) -> None:
    with connect(running.path) as deaf:
        ask(deaf, b'{"verb":"events","arguments":{"follow":true}}\n')
        attentive = client.follow(limit=1)
        next(attentive)
        number = 0
        while running.in_loop(lambda: running.server.clients) == 2:
            number += 1
            assert number < 20 * MAX_FOLLOW_LINES, "it is never dropped"
            running.publish({"id": number, "detail": "x" * 2000})
            assert next(attentive)["id"] == number
        assert number > MAX_FOLLOW_LINES
        assert client.call("grants") == {"grants": []}


def test_the_daemons_end_ends_the_stream(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "control.sock", HANDLERS) as running:
        stream = ControlClient(running.path).follow(limit=1)
        next(stream)
    with pytest.raises(ControlError, match="closed the connection"):
        next(stream)
