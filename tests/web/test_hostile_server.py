"""Attacks on the real program over a real port, byte by byte where that matters."""

from __future__ import annotations

import http.client
import itertools
import os
import re
import resource
import select
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Queue
from urllib.parse import urlencode

import pytest
from waitress import buffers

from fwknop_webui import http_server
from fwknop_webui.http_server import CONNECTIONS, ROOM, RoomyServer, make_server
from fwknop_webui.lockout import FAILURES_OF_ALL, FAILURES_PER_ADDRESS
from fwknop_webui.login_memory import memory_file
from fwknop_webui.security import COOKIE, LOGIN_COOKIE
from fwknop_webui.views import ROUTES
from tests.ports import free_port
from tests.timing import quickest
from tests.web.conftest import PASSWORD, STOCK
from tests.web.test_cli import running

PATIENCE = 30.0
LAST = b"Connection: close\r\n"
SECOND = b"GET /login HTTP/1.1\r\nHost: localhost\r\n" + LAST + b"\r\n"
FORM = b"POST /login HTTP/1.1\r\nHost: localhost\r\n"


@dataclass
class Server:
    """The running program."""

    port: int
    process: subprocess.Popen[str]
    uci: Path

    def ask(
        self, method: str, path: str, body: str = "", **headers: str
    ) -> tuple[http.client.HTTPResponse, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if body:
            named["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, path, body or None, named)
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
        connection.close()
        return answer, text

    def guess(self, password: str, **headers: str) -> int:
        """Try to log in as a script would: the form first, then the password."""
        page, text = self.ask("GET", "/login")
        nonce = re.search(rf"{LOGIN_COOKIE}=([^;]+)", page.headers["Set-Cookie"])
        token = re.search(r'name="csrf" value="([^"]+)"', text)
        assert nonce and token
        body = urlencode({"csrf": token[1], "username": "root", "password": password})
        answer, _ = self.ask("POST", "/login", body, Cookie=nonce[0], **headers)
        return answer.status

    def raw(self, *pieces: bytes) -> list[str]:
        """The status of every answer until the server ends the connection."""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as connection:
            said = b""
            try:
                for piece in pieces:
                    connection.sendall(piece)
                while more := connection.recv(65536):
                    said += more
            except (BrokenPipeError, ConnectionResetError):
                # It has heard enough.
                return [*statuses(said), "reset"]
        return statuses(said)


def statuses(said: bytes) -> list[str]:
    return [code.decode() for code in re.findall(rb"HTTP/1\.[01] (\d{3}) ", said)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


def command(folder: Path, port: int) -> list[str]:
    return [
        f"--uci={folder / 'fwknopd'}",
        f"--control={folder / 'c.sock'}",
        f"--password-file={folder / 'passwd'}",
        f"--classic={folder}",
        f"--service={folder / 'none'}",
        f"--listen=127.0.0.1:{port}",
    ]


@pytest.fixture(scope="module")
def server(folder: Path, password_file: Path) -> Iterator[Server]:
    (folder / "fwknopd").write_text(STOCK)
    (folder / "passwd").write_bytes(password_file.read_bytes())
    (folder / "passwd").chmod(0o600)
    port = free_port()
    with running(*command(folder, port)) as process:
        assert process.stderr and process.stderr.readline()
        yield Server(port, process, folder / "fwknopd")


@pytest.fixture(autouse=True)
def unharmed(server: Server) -> Iterator[None]:
    """Whatever was done to it: it serves, the file is as it was, and it has logged nothing.

    A router's log is short: what strangers can have written there pushes out all else.
    """
    yield
    assert server.process.stderr
    assert not select.select([server.process.stderr], [], [], 0)[0]
    answer, _ = server.ask("GET", "/login")
    assert answer.status == 200
    assert server.uci.read_text() == STOCK
    assert server.process.poll() is None


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
        b"Content-Length: 0\r\nContent-Length: 43\r\n\r\n",
        b"Content-Length: 43\r\nContent-Length: 43\r\n\r\n",
        b"Content-Length: +0\r\n\r\n",
        b"Content-Length: -1\r\n\r\n",
        b"Content-Length: 4_3\r\n\r\n",
        b"Content-Length: 0x2b\r\n\r\n",
        b"Content-Length: 0, 43\r\n\r\n",
        b"X: a\rContent-Length: 43\r\n\r\n",
        b"X: a\0b\r\n\r\n",
        b"X: a\n\r\n",
    ],
    ids=ascii,
)
def test_requests_that_two_servers_may_read_differently_end_the_connection(
    server: Server, head: bytes
) -> None:
    found = server.raw(FORM + head + SECOND)
    assert found and found[0] in ("400", "501")
    assert found[1:] in ([], ["reset"])


def test_a_request_behind_another_one_is_one_of_its_own(server: Server) -> None:
    """The counterpart, so that the test above can't pass for another reason."""
    assert server.raw(FORM + b"Content-Length: 4\r\n\r\na=b&" + SECOND) == ["403", "200"]


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET http://evil.example/login HTTP/1.1\r\nHost: evil.example", "421"),
        (b"GET /login HTTP/1.1\r\nHost: localhost\r\nHost: evil.example", "421"),
        (b"GET /login HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: localhost", "421"),
        (b"GET /login HTTP/1.1\r\nX: y", "421"),
        (b"GET /login HTTP/1.0\r\nX: y", "421"),
        (b"PRI * HTTP/2.0\r\nX: y", "421"),
        (b"CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost", "403"),
        (b"TRACE /login HTTP/1.1\r\nHost: localhost", "403"),
        (b"<script> /login HTTP/1.1\r\nHost: localhost", "400"),
        (b"GET /\xff%ff%00 HTTP/1.1\r\nHost: localhost", "400"),
        (b"GET /login?next=\xff HTTP/1.1\r\nHost: localhost", "400"),
        (b"GET /metrics?by_client=\xff HTTP/1.1\r\nHost: localhost", "400"),
        (b"GET //evil.example/clients HTTP/1.1\r\nHost: localhost", "404"),
    ],
    ids=ascii,
)
def test_odd_requests_get_no_page(server: Server, request_line: bytes, status: str) -> None:
    assert server.raw(request_line + b"\r\n" + LAST + b"\r\n") == [status]


@pytest.mark.parametrize(
    "path",
    [
        "/static/../../../etc/passwd",
        "/static/%2e%2e/%2e%2e/etc/passwd",
        "/static/..%2f..%2fetc%2fpasswd",
        "/static/..%5c..%5cetc%5cpasswd",
        "/static//etc/passwd",
        "/static/%00",
        "/..%2f",
        "/clients/%2e%2e/advanced",
        "/import/..%2f..%2fetc%2fpasswd",
    ],
)
def test_paths_lead_out_of_nothing(server: Server, path: str) -> None:
    answer, text = server.ask("GET", path)
    assert answer.status in (303, 400, 404)
    assert "root:" not in text


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "FOO"])
def test_odd_methods_on_every_route_do_nothing(server: Server, method: str) -> None:
    for rule in sorted({route.rule for route in ROUTES}):
        path = rule.replace("<section>", "cfg03ea17").replace("<name>", "app.css")
        answer, text = server.ask(method, path)
        served = {route.method for route in ROUTES if route.rule == rule}
        assert answer.headers["Cache-Control"] == "no-store", path
        if method == "HEAD":
            usual = {200, 303, 401, 403, 404} if "GET" in served else {403, 405}
            assert (answer.status in usual, text) == (True, ""), path
        else:
            assert answer.status in (403, 405), path


def test_headers_and_bodies_have_a_limit(server: Server) -> None:
    flood = b"".join(b"X-%d: %s\r\n" % (number, b"y" * 1000) for number in range(100))
    assert server.raw(b"GET /login HTTP/1.1\r\nHost: localhost\r\n", flood, b"\r\n") in (
        ["431"],
        ["431", "reset"],
        ["reset"],
    )
    declared = server.raw(FORM + b"Content-Length: 400000000\r\n\r\n", b"x" * 500_000)
    assert declared in (["413"], ["413", "reset"], ["reset"])
    assert server.raw(FORM + LAST + b"Content-Length: 70000\r\n\r\n" + b"x" * 70_000)[0] == "413"


def multipart(*parts: bytes) -> bytes:
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"
    head = b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: %d\r\n\r\n"
    return FORM + LAST + head % len(body) + body


FIELD = b'Content-Disposition: form-data; name="csrf"\r\n\r\nx'


@pytest.mark.parametrize(
    "request_",
    [
        multipart(*[FIELD] * 900),
        multipart(b"X: " + b"y" * 60_000 + b"\r\n\r\n"),
        multipart(b"\r\n" * 20_000),
        multipart(b'Content-Disposition: form-data; name="a"; filename="../../x"\r\n\r\nz'),
        FORM + LAST + b"Content-Type: multipart/form-data\r\nContent-Length: 3\r\n\r\nabc",
        FORM
        + LAST
        + b"Content-Type: multipart/form-data; boundary=\r\nContent-Length: 4\r\n\r\n--\r\n",
        FORM
        + LAST
        + b"Content-Type: multipart/form-data; boundary=%s\r\n" % (b"b" * 5000)
        + b"Content-Length: 60000\r\n\r\n"
        + b"\r\n--b" * 12_000,
        FORM
        + LAST
        + b"Content-Type: application/x-www-form-urlencoded; charset=utf-7\r\n"
        + b"Content-Length: 60000\r\n\r\n"
        + b"&=;%" * 15_000,
    ],
    ids=[
        *("many-parts", "long-header", "empty-lines", "file-name"),
        *("no-boundary", "empty-boundary", "half-boundaries", "many-fields"),
    ],
)
def test_forms_made_to_be_expensive_are_refused_at_once(server: Server, request_: bytes) -> None:
    before = processor_seconds(server.process.pid)
    (status,) = server.raw(request_)
    assert status in ("400", "403", "413")
    # Werkzeug has been brought to a standstill by such bodies.
    assert processor_seconds(server.process.pid) - before < 4


def processor_seconds(pid: int) -> float:
    """What a process has taken so far, which other work on the machine does not change."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_whoever_holds_connections_open_keeps_nobody_out(server: Server) -> None:
    beginnings = (
        b"",
        b"GET /login HTTP/1.1\r\nX: ",
        FORM + b"Content-Length: 60000\r\n\r\nx",
        SECOND,
    )
    with ExitStack() as held:
        slow = []
        for number in range(3 * CONNECTIONS):
            address = ("127.0.0.1", server.port)
            slow.append(held.enter_context(socket.create_connection(address, PATIENCE)))
            slow[-1].sendall(beginnings[number % len(beginnings)])
        # Far below what it takes on a busy machine until the first of them are given up.
        assert quickest(8, partial(five_pages, server)) < 8
        # The newest of them is still served, once it has said all.
        slow[-2].sendall(b"x" * 59_999)
        assert slow[-2].recv(12) == b"HTTP/1.1 403"


def five_pages(server: Server) -> float:
    """Seconds that somebody waits for them."""
    started = time.monotonic()
    for _ in range(5):
        assert server.ask("GET", "/login")[0].status == 200
    return time.monotonic() - started


def test_whoever_reads_no_answer_keeps_nobody_out(server: Server) -> None:
    said = b"GET /static/app.css HTTP/1.1\r\nHost: localhost\r\n\r\n" * 300
    with ExitStack() as held:
        for _ in range(CONNECTIONS):
            slow = held.enter_context(socket.socket())
            # One window of this, and the answers get stuck in the server.
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            slow.settimeout(PATIENCE)
            slow.connect(("127.0.0.1", server.port))
            slow.sendall(said)
        assert quickest(8, partial(five_pages, server)) < 8


def test_many_at_once_and_hanging_up_leaves_no_word_in_the_log(server: Server) -> None:
    begun = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\n" + b"x" * 900
    for said in (SECOND, SECOND[:20], begun, FORM + b"Content-Length: 3\r\n\r\nabc"):
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as rude:
                # Closing it sends a reset, be there an answer on its way or not.
                rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                rude.sendall(said)
    assert server.ask("GET", "/login")[0].status == 200


def test_guessing_is_slowed_down_and_a_restart_does_not_help(
    folder: Path, server: Server, password_file: Path
) -> None:
    mine = folder / "guessed"
    mine.mkdir()
    (mine / "fwknopd").write_text(STOCK)
    (mine / "passwd").write_bytes(password_file.read_bytes())
    (mine / "passwd").chmod(0o600)
    port = free_port()
    for go in range(2):
        with running(*command(mine, port)) as process:
            assert process.stderr and process.stderr.readline()
            guessed = Server(port, process, mine / "fwknopd")
            if go == 0:
                found = [
                    guessed.guess("wrong", X_Forwarded_For=f"10.0.0.{number}")
                    for number in range(FAILURES_PER_ADDRESS)
                ]
                assert found == [401] * (FAILURES_PER_ADDRESS - 1) + [429]
            assert guessed.guess(PASSWORD) == 429
            # As a crash does, or whoever can cause one.
            process.send_signal(signal.SIGKILL)
            process.wait(PATIENCE)
    assert PASSWORD not in memory_file(mine / "passwd").read_text()
    assert FAILURES_OF_ALL > FAILURES_PER_ADDRESS


def test_a_stolen_session_is_worth_nothing_after_the_logout(server: Server) -> None:
    page, text = server.ask("GET", "/login", Cookie=f"{COOKIE}=planted")
    nonce = re.search(rf"{LOGIN_COOKIE}=([^;]+)", page.headers["Set-Cookie"])
    token = re.search(r'name="csrf" value="([^"]+)"', text)
    assert nonce and token
    body = urlencode({"csrf": token[1], "username": "root", "password": PASSWORD})
    answer, _ = server.ask("POST", "/login", body, Cookie=f"{nonce[0]}; {COOKIE}=planted")
    given = re.search(rf"{COOKIE}=([^;]+)", answer.headers["Set-Cookie"])
    assert given and given[1] != "planted"
    page, text = server.ask("GET", "/", Cookie=given[0])
    assert page.status == 200
    token = re.search(r'name="csrf" value="([^"]+)"', text)
    assert token
    assert server.ask("POST", "/logout", f"csrf={token[1]}", Cookie=given[0])[0].status == 303
    for route in ROUTES:
        path = route.rule.replace("<section>", "cfg03ea17").replace("<name>", "app.css")
        body = f"csrf={token[1]}" if route.method == "POST" else ""
        answer, _ = server.ask(route.method, path, body, Cookie=given[0])
        assert route.public or answer.status in (303, 403), path


def test_no_core_dump_is_made_of_it(server: Server) -> None:
    assert resource.prlimit(server.process.pid, resource.RLIMIT_CORE) in ((0, 0), (1, 1))


Answer = Callable[[RoomyServer], bytes | Iterator[bytes]]


@contextmanager
def serving(answer: Answer) -> Iterator[tuple[str, int]]:
    """Where the server is, with nothing behind it but ``answer``."""

    def app(_environ: object, start_response: object) -> Iterable[bytes]:
        content = answer(made)
        assert callable(start_response)
        if not isinstance(content, bytes):
            start_response("200 OK", [])
            return content
        start_response("200 OK", [("Content-Length", str(len(content)))])
        return [content]

    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            made.turn()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        # What doesn't fit here, and isn't read, is stuck in the server.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        made = make_server(listener, app, asyncore_loop_timeout=0.05)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[:2]
        finally:
            stop.set()
            thread.join()
            made.task_dispatcher.shutdown()
            for each in list(made._map.values()):
                each.close()


def read_all(connection: socket.socket) -> bytes:
    said = b""
    while more := connection.recv(1 << 20):
        said += more
    return said


def test_large_answers_lie_in_no_temporary_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup of thousands of clients is one, and full of keys."""
    written: list[str] = []
    monkeypatch.setattr(buffers.TempfileBasedBuffer, "__init__", lambda *_: written.append("x"))
    answer = b"x" * 3_000_000
    with serving(lambda _: answer) as at, socket.create_connection(at, PATIENCE) as browser:
        browser.sendall(SECOND)
        assert read_all(browser).endswith(answer)
    assert not written


def test_of_many_requests_sent_at_once_each_waits_for_the_one_before_it() -> None:
    """Or one connection has answers made that nobody reads, as many as fit in a packet."""
    waiting: list[int] = []

    def answer(made: RoomyServer) -> bytes:
        waiting.extend(len(channel.requests) for channel in made.active_channels.values())
        return b"x" * 1_000_000

    with serving(answer) as at, socket.create_connection(at, PATIENCE) as browser:
        browser.sendall(b"\r\n" + SECOND.replace(LAST, b"") * 3 + SECOND)
        said = read_all(browser)
    assert statuses(said) == ["200"] * 4
    assert said.count(b"x" * 1_000_000) == 4
    assert waiting == [1] * 4


def test_an_answer_on_its_way_is_not_cut_for_newcomers() -> None:
    answer = b"x" * 1_000_000
    with serving(lambda _: answer) as at, ExitStack() as held:
        browser = held.enter_context(socket.create_connection(at, PATIENCE))
        browser.sendall(SECOND)
        said = browser.recv(1000)
        newcomers = []
        for _ in range(2 * CONNECTIONS):
            newcomers.append(held.enter_context(socket.create_connection(at, PATIENCE)))
            said += browser.recv(1000)
        # The first of them has had to go, so there was need of places.
        assert newcomers[0].recv(1) == b""
        assert (said + read_all(browser)).endswith(answer)


def test_who_reads_nothing_any_more_makes_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also before all places are taken."""
    monkeypatch.setattr(http_server, "STALLED_SECONDS", 0.0)
    answer = b"x" * 1_000_000
    with serving(lambda _: answer) as at, ExitStack() as held:
        stuck = []
        for _ in range(CONNECTIONS - ROOM):
            stuck.append(held.enter_context(socket.create_connection(at, PATIENCE)))
            stuck[-1].sendall(SECOND)
            stuck[-1].recv(1)
        assert [each for each in stuck if not read_all(each).endswith(answer)]


def test_an_endless_answer_nobody_reads_ends_and_takes_little(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is made while it is sent, and each takes one of two threads."""
    monkeypatch.setattr(http_server, "SLOWEST_SECONDS", 0.2)
    sent = [0] * http_server.THREADS
    ended: Queue[int] = Queue()

    def pieces(number: int) -> Iterator[bytes]:
        try:
            while True:
                sent[number] += 10_000
                yield b"x" * 10_000
        finally:
            ended.put(number)

    numbers = iter(range(http_server.THREADS))
    with serving(lambda _: pieces(next(numbers))) as at, ExitStack() as held:
        for _ in sent:
            held.enter_context(socket.create_connection(at, PATIENCE)).sendall(SECOND)
        assert {ended.get(timeout=PATIENCE) for _ in sent} == set(range(http_server.THREADS))
    # What the kernel keeps comes on top.
    assert max(sent) < 8 * http_server.WAITING_BYTES


def test_who_reads_an_endless_answer_slowly_keeps_no_thread_from_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_server, "SLOWEST_SECONDS", 0.5)
    endless = itertools.repeat(b"x" * 10_000)
    answers: list[bytes | Iterator[bytes]] = [endless] * http_server.THREADS
    with serving(lambda _: answers.pop() if answers else b"here") as at, ExitStack() as held:
        slow = []
        for _ in range(http_server.THREADS):
            slow.append(held.enter_context(socket.create_connection(at, PATIENCE)))
            slow[-1].sendall(SECOND)
            assert slow[-1].recv(12) == b"HTTP/1.1 200"
        browser = held.enter_context(socket.create_connection(at, PATIENCE))
        browser.sendall(SECOND)
        waited = time.monotonic()
        while not select.select([browser], [], [], 0.05)[0]:
            assert time.monotonic() < waited + PATIENCE
            # Something of their answers always moves.
            for each in slow:
                with suppress(ConnectionResetError):
                    each.recv(30_000)
        assert read_all(browser).endswith(b"here")


def test_a_clock_that_is_set_back_keeps_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A router without a clock of its own has it set while it runs."""
    later = time.time() + 86_400
    with serving(lambda _: b"here") as at, ExitStack() as held:
        with monkeypatch.context() as before:
            before.setattr(time, "time", lambda: later)
            for _ in range(CONNECTIONS - 3):
                held.enter_context(socket.create_connection(at, PATIENCE))
            last = held.enter_context(socket.create_connection(at, PATIENCE))
            last.sendall(SECOND.replace(LAST, b""))
            assert last.recv(12) == b"HTTP/1.1 200"
        # Now every place is taken, or was.
        with socket.create_connection(at, PATIENCE) as browser:
            browser.sendall(SECOND)
            assert read_all(browser).endswith(b"here")
