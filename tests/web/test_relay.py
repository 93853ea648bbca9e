"""What comes from the relay is believed, what doesn't is turned away; and the page ends unused."""

from __future__ import annotations

import http.client
import stat
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from werkzeug.test import run_wsgi_app

from fwknop_webui.cli import main
from fwknop_webui.front import FRONT, Front
from fwknop_webui.hosts import is_address
from fwknop_webui.relay import Door, Relayed, Use, parse_front, plain_address
from fwknop_webui.services import WebConfig
from fwknop_webui.sessions import SessionStore
from tests.web.test_cli import environment
from tests.web.visitor import Visitor

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

# The program, with less patience.
HASTY = """
import sys
from fwknop_webui import behind
from fwknop_webui.cli import main
behind.IDLE_SECONDS, behind.LOOK_SECONDS = 0.3, 0.05
sys.exit(main())
"""


class Inner:
    """An application that keeps the environment it gets."""

    def __init__(self) -> None:
        self.seen: WSGIEnvironment = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        self.seen = environ
        start_response("200 OK", [])
        return [b"in"]


def ask(app: Relayed, **headers: str) -> str:
    answered: list[str] = []

    def start_response(status: str, _headers: list[tuple[str, str]], _exc: Any = None) -> Any:
        answered.append(status)

    environ = {f"HTTP_X_FWKNOP_{name.upper()}": value for name, value in headers.items()}
    app(environ | {"REMOTE_ADDR": "127.0.0.1", "wsgi.url_scheme": "http"}, start_response)
    return answered[0]


def test_the_relay_says_who_asks() -> None:
    inner = Inner()
    app = Relayed(inner, "secret", Use())
    assert ask(app, relay="secret", client="fe80::1", front="on 443 192.168.1.1") == "200 OK"
    assert inner.seen == {
        "REMOTE_ADDR": "fe80::1",
        "wsgi.url_scheme": "https",
        FRONT: Front("192.168.1.1", 443, tls=True),
    }


@pytest.mark.parametrize("given", ["", "Secret", "secret ", "\udcff", "é"])
def test_nobody_else_gets_in(given: str) -> None:
    inner = Inner()
    app = Relayed(inner, "secret", Use())
    assert ask(app, relay=given.encode("utf-8", "replace").decode("latin-1")) == "403 Forbidden"
    assert not inner.seen


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.168.1.5", "192.168.1.5"),
        ("::ffff:192.168.1.5", "192.168.1.5"),
        ("FE80:0::1%br-lan", "fe80::1"),
        ("192.168.1.5, 10.0.0.1", ""),
        ("", ""),
    ],
)
def test_an_address_has_one_form(text: str, address: str) -> None:
    assert plain_address(text) == address


@pytest.mark.parametrize(
    "text", ["", "on", "on 443", "on 0 1.2.3.4", "off 99999 1.2.3.4", "on ² ::"]
)
def test_a_front_is_whole_or_unknown(text: str) -> None:
    assert parse_front(text) is None
    assert parse_front("off 80 ::1") == Front("::1", 80, tls=False)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("192.168.1.1", True),
        ("[fd00::1]:8443", True),
        ("192.168.1.1:80", True),
        ("192.168.1.1.evil.example", False),
        ("evil.example", False),
        ("", False),
        ("192.168.1.1/x", False),
    ],
)
def test_addresses_are_told_from_names(header: str, expected: bool) -> None:
    assert is_address(header) is expected


def test_any_address_is_served_behind_uhttpd_alone(config: WebConfig) -> None:
    from dataclasses import replace

    from fwknop_webui.app import create_app

    behind = Visitor(create_app(replace(config, any_address=True)), "")
    for base, status in (("http://192.168.1.1", 200), ("http://evil.example", 421)):
        assert behind.get("/login", base_url=base).status == status
    alone = Visitor(create_app(config), "")
    assert alone.get("/login", base_url="http://192.168.1.1").status == 421


def test_use_is_over_when_nobody_asked_for_long() -> None:
    now = 100.0
    use = Use(lambda: now)
    assert not use.is_over(10)
    now = 109.9
    assert not use.is_over(10)
    use.begins()
    now = 200.0
    assert not use.is_over(10)
    use.ends()
    assert not use.is_over(10)
    now = 210.0
    assert use.is_over(10)


def test_a_long_answer_is_in_use_until_its_last_piece_is_sent() -> None:
    now = 100.0
    use = Use(lambda: now)

    def app(_environ: object, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"first"
        yield b"last"

    environ = {"HTTP_X_FWKNOP_RELAY": "secret"}
    for reads_all in (True, False):
        answer = run_wsgi_app(Relayed(app, "secret", use), environ, buffered=False)[0]
        assert next(iter(answer)) == b"first"
        now += 1000
        assert not use.is_over(900)
        if reads_all:
            assert list(answer) == [b"last"]
        answer.close()  # type: ignore[attr-defined]
        now += 900
        assert use.is_over(900)


def test_unsaved_changes_keep_the_page_awake(app: Flask, visitor: Visitor) -> None:
    sessions: SessionStore = app.extensions["fwknop"].sessions
    assert not sessions.is_needed()
    page = visitor.get("/settings")
    visitor.press(page.main_form(), "Save", MAX_SPA_PACKET_AGE="77")
    assert visitor.get("/").staged
    assert sessions.is_needed()


def test_the_signal_that_looks_never_waits_for_what_it_interrupted() -> None:
    """It may come while its own thread holds the lock, as here, where the time is asked for."""
    found: list[bool] = []

    def now() -> float:
        found.append(sessions.is_needed())
        return 0.0

    sessions = SessionStore(now)
    assert not sessions.is_needed()
    assert found == [True]


def test_the_door_is_private(tmp_path: Path) -> None:
    door = Door(tmp_path / "door")
    assert door.secret not in repr(door)
    door.open(1234)
    assert stat.S_IMODE(door.path.stat().st_mode) == 0o600
    assert door.path.read_text().split()[2:] == ["1234", door.secret]
    door.close()
    assert not door.path.exists()
    door.close()


def test_it_serves_its_relay_and_ends_when_nobody_comes(tmp_path: Path, uci: Path) -> None:
    options = [f"--relay={tmp_path}", f"--uci={uci}", f"--control={tmp_path / 'c.sock'}"]
    program = [sys.executable, "-c", HASTY, *options]
    with subprocess.Popen(program, stderr=subprocess.PIPE, text=True, env=environment()) as process:
        try:
            assert process.stderr
            process.stderr.readline()
            _, _, port, secret = (tmp_path / "door").read_text().split()
            connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=10)
            connection.request("GET", "/cgi-bin/fwknop/login")
            refused = connection.getresponse()
            assert (refused.status, b"web server only" in refused.read()) == (403, True)
            headers = {"X-Fwknop-Relay": secret, "Host": "192.168.1.1"}
            connection.request("GET", "/cgi-bin/fwknop/", headers=headers)
            answer = connection.getresponse()
            assert answer.getheader("Location") == "/cgi-bin/fwknop/login"
            connection.close()
            assert process.wait(timeout=20) == 0
            assert not (tmp_path / "door").exists()
        finally:
            process.kill()


def test_a_folder_that_is_not_there_is_named(
    tmp_path: Path, uci: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal

    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(signal, "setitimer", lambda *_: None)
    assert main([f"--relay={tmp_path / 'none'}", f"--uci={uci}"]) == 1
    assert str(tmp_path / "none") in capsys.readouterr().err
