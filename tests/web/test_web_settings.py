"""What the configuration says of the page itself, and that the page keeps to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from fwknop_webui import cli, defaults, serving
from fwknop_webui.app import create_app
from fwknop_webui.listen_address import listen_address
from fwknop_webui.services import WebConfig
from fwknop_webui.sessions import ABSOLUTE_SECONDS, IDLE_SECONDS, SessionStore
from fwknop_webui.web_settings import WebSettings, web_settings
from fwknopd.config.uci_format import UciOption, UciPackage, UciSection
from tests.web.clock import HandClock
from tests.web.conftest import PASSWORD
from tests.web.daemon import StubDaemon
from tests.web.test_settings import options, save
from tests.web.visitor import Visitor


def of(**stored: str) -> WebSettings:
    found = tuple(UciOption(name, value) for name, value in stored.items())
    return web_settings(UciPackage((UciSection("global", None, "cfg01", found),)))


def test_what_is_set_counts() -> None:
    assert of() == WebSettings(None, None, "")
    found = of(session_idle="15", session_length="1440", listen="[::1]:8443")
    assert found == WebSettings(900, 86400, "[::1]:8443")


@pytest.mark.parametrize("text", ["4", "1441", "-5", "5.5", "1e3", "²", "9" * 5000, "x", "6 0"])
def test_what_makes_no_sense_counts_as_unset(text: str) -> None:
    assert of(session_idle=text, session_length="60", listen="here") == WebSettings(None, 3600, "")


@given(st.text(), st.text(), st.text())
def test_whatever_stands_there_the_page_opens(idle: str, length: str, listen: str) -> None:
    found = of(session_idle=idle, session_length=length, listen=listen)
    assert found.idle is None or 300 <= found.idle <= 86400
    assert found.length is None or 300 <= found.length <= 604800
    assert not found.listen or listen_address(found.listen)[1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("127.0.0.1:8080", ("127.0.0.1", 8080)), ("[::]:1", ("::", 1)), ("router.lan:0", None)],
)
def test_listen_address(text: str, expected: tuple[str, int] | None) -> None:
    assert listen_address(text) == (expected or ("router.lan", 0))
    assert of(listen=text).listen == (text if expected else "")


def sessions(app: Flask) -> SessionStore:
    found: SessionStore = app.extensions["fwknop"].sessions
    return found


def test_login_lasts_as_long_as_is_set(
    app: Flask, visitor: Visitor, daemon: StubDaemon, uci: Path, hands: HandClock
) -> None:
    visitor.get("/")
    assert (sessions(app).limits.idle, sessions(app).limits.length) == (
        IDLE_SECONDS,
        ABSOLUTE_SECONDS,
    )
    assert not sessions(app).is_needed(), "nobody promised anything"
    save(visitor, session_idle="120", session_length="240")
    assert {"session_idle": "120", "session_length": "240"}.items() <= options(uci, "global")[
        0
    ].items()
    assert "Log out" in visitor.get("/").text
    assert sessions(app).is_needed(), "behind uhttpd the page must be there for as long"
    hands.forward(2 * 3600 - 1)
    assert "Log out" in visitor.get("/").text
    hands.forward(2 * 3600 - 1)
    assert "Log out" in visitor.get("/").text
    hands.forward(5)
    assert "Log in" in visitor.get("/").text, "four hours, however busy"
    assert not sessions(app).is_needed()


def test_a_shorter_login_ends_sooner(
    visitor: Visitor, write_uci: Callable[[str], None], hands: HandClock
) -> None:
    write_uci("config global\n\toption session_idle '5'\n")
    assert "Log out" in visitor.get("/").text
    hands.forward(301)
    assert "Log in" in visitor.get("/").text


@pytest.mark.parametrize(
    ("option", "typed", "expected"),
    [
        ("session_idle", "3", "a whole number of minutes from 5 to 1440, such as 60"),
        ("session_length", "x", "a whole number of minutes from 5 to 10080, such as 720"),
        ("listen", "8080", "an address and a port, such as 127.0.0.1:8080"),
    ],
)
def test_errors_stand_beside_the_field(
    option: str, typed: str, expected: str, visitor: Visitor, uci: Path
) -> None:
    before = uci.read_bytes()
    page = save(visitor, **{option: typed})
    assert page.status == 422
    assert expected in page.text
    assert page.form("/settings").value(option) == typed
    assert uci.read_bytes() == before


def test_nonsense_in_the_file_is_told(visitor: Visitor, write_uci: Callable[[str], None]) -> None:
    write_uci("config global\n\toption session_idle 'for ever'\n")
    page = visitor.get("/settings")
    assert "“session_idle” of this page makes no sense and counts as unset" in page.text
    assert page.form("/settings").value("session_idle") == "for ever"


def test_where_the_page_is_and_who_decides_that(
    visitor: Visitor, config: WebConfig, daemon: StubDaemon, uci: Path
) -> None:
    page = visitor.get("/settings")
    assert "http://localhost" in page.text
    assert "Not encrypted (HTTP). This page has no certificate of its own" in page.text
    save(visitor, listen="127.0.0.1:8443")
    assert options(uci, "global")[0]["listen"] == "127.0.0.1:8443"
    behind = Visitor(create_app(replace(config, is_behind=True)), PASSWORD)
    behind.log_in()
    page = behind.get("/settings")
    assert "uhttpd, the router's web server, decides" in page.text
    fields = {a["id"]: a for t, a in page.tags if t == "input" and "id" in a}
    assert "f-listen" not in fields
    assert fields["f-session_idle"]["placeholder"] == "15", "then the page itself ends"
    save(behind, session_length="60")
    assert options(uci, "global")[0]["listen"] == "127.0.0.1:8443", "left alone"
    secure = behind.get("/settings", base_url="https://localhost")
    assert "Log in" in secure.text, "another cookie"


@pytest.mark.parametrize(
    ("host", "served"), [("127.0.0.1", False), ("0.0.0.0", True), ("::", True)]
)
def test_who_listens_everywhere_is_asked_for_by_any_address(host: str, served: bool) -> None:
    assert serving._config(cli.parsed([]), host).any_address is served


def test_the_program_listens_where_the_file_says(uci: Path) -> None:
    uci.write_text("config global\n\toption listen '127.0.0.1:4711'\n")
    assert serving.configured_listen(SimpleNamespace(uci=uci)) == "127.0.0.1:4711"
    for text in ("config global\n\toption listen 'nowhere'\n", "config 'broken"):
        uci.write_text(text)
        assert serving.configured_listen(SimpleNamespace(uci=uci)) == defaults.LISTEN
    missing = SimpleNamespace(uci=uci.with_name("missing"))
    assert serving.configured_listen(missing) == defaults.LISTEN
