"""The web page before a daemon that answers anything, and with a password file of any content."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cache
from typing import Any
from unittest import mock

from flask import Flask

from fwknop_webui.app import create_app
from fwknop_webui.auth import AuthError, PasswordFile, set_password
from fwknop_webui.services import WebConfig
from fwknopd.control.client import ControlClient, ControlError
from fwknopd.control.protocol import Json, VerbError, decode_answer
from fwknopd.openmetrics import CONTENT_TYPE, PLAIN_CONTENT_TYPE
from tests.fuzz.mutators import behind_first_byte, json_values, parts
from tests.fuzz.target import Target
from tests.fuzz.targets.state import folder, kept
from tests.web.clock import HandClock
from tests.web.daemon import EXPLANATION, STATUS, door, verdict
from tests.web.visitor import Visitor

PASSWORD = "correct horse battery"
PAGES = (
    *("/", "/api/overview", "/clients", "/clients/phone", "/settings", "/logs", "/api/logs"),
    *("/logs.csv", "/logs.json", "/diagnostics", "/api/watch", "/changes", "/changes/applied"),
    *("/logs?client=phone&text=x", "/clients/add", "/advanced"),
)
MARK = "<fuzz x='\">"
"""Text of the daemon's. On a page it must be text, too."""

UCI = """
config global
	option uci_enabled '1'

config network
	option network 'wan'

config access 'phone'
	option name 'phone'
	option SOURCE 'ANY'
	option KEY_BASE64 'a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s='
	option HMAC_KEY_BASE64 'b29vb29vb29vb29vb29vb29vb29vb29vb29vb29vb28='
"""


@cache
def visitor() -> Visitor:
    """Somebody who is logged in, as long as this process runs."""
    made = Visitor(page("page", HandClock()), PASSWORD)
    assert made.log_in().status == 200
    return made


def page(name: str, hands: HandClock) -> Flask:
    """A page with a folder of this name."""
    home = folder() / name
    home.mkdir(exist_ok=True)
    set_password(home / "password", PASSWORD)
    (home / "fwknopd").write_text(UCI)
    (home / "fwknopd").chmod(0o600)
    config = WebConfig(
        uci=home / "fwknopd",
        control=home / "no-such.sock",
        password_file=home / "password",
        savedir=home / "delta",
        host_name="OpenWrt",
        clock=hands.clock,
        login_state=home / "password.state",
        classic=home / "no-such-folder",
        service=home / "no-such-script",
    )
    return create_app(config)


def check_page(data: bytes) -> None:
    """A page, of which nothing that the daemon says is markup."""
    page, said = PAGES[(data[0] if data else 0) % len(PAGES)], _answers(data[1:])

    def call(_client: ControlClient, verb: str, **_arguments: object) -> Json:
        try:
            return decode_answer(json.dumps(said.get(verb)).encode())
        except VerbError as error:
            raise ControlError(error.code, error.message, error.remedy) from None

    browser = visitor()
    with mock.patch.object(ControlClient, "call", call):
        response = browser.client.get(page, headers={"Host": "localhost"})
    assert response.status_code in (200, 302, 303, 404, 503), response.status
    kind = response.headers.get("Content-Type", "")
    if kind.startswith("text/html"):
        assert b"<fuzz" not in response.data


def _answers(data: bytes) -> Mapping[str, Any]:
    """An answer for each verb."""
    try:
        answers = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return answers if isinstance(answers, dict) else {}


def page_seeds() -> list[bytes]:
    results = {
        "status": STATUS,
        "grants": {"now": 1, "grants": [door(client=MARK)], "past": [door(id="p")], "unread": ""},
        "events": {"events": [verdict(detail=MARK), verdict(id=2, event="grant")], "last": 2},
        "clients": {"clients": [{"number": 1, "label": "phone", "last_knock": 5}]},
        "watched": {"now": 1, "until": 9, "packets": [{"explanation": EXPLANATION}], "more": 0},
    }
    answers = {verb: {"ok": True, "result": result} for verb, result in results.items()}
    text = json.dumps(answers).encode()
    return [bytes([place]) + text for place in range(len(PAGES))]


ANSWER_WORDS = (MARK, "javascript:x", "status", "grants", "events", "clients", "watched", "result")


def check_password_file(data: bytes) -> None:
    """Nobody gets in by a damaged file, and it is said that it is damaged."""
    path = kept("password", data)
    try:
        found = PasswordFile(path).authenticate("root", "secret secret")
    except AuthError as error:
        assert os.fspath(path) in str(error)
        return
    assert found is None or data.startswith(b"root:$scrypt$ln=1,r=1,p=1$")


# Metrics: the address's query, the header with the token, and the one with what is understood,
# with line ends between them.

TOKEN = "t" * 43


@cache
def scraped() -> tuple[Flask, HandClock]:
    """Its clock turns with each request: nobody is logged in there."""
    hands = HandClock()
    return page("scraped", hands), hands


def check_scrape(data: bytes) -> None:
    """The numbers for the token, and a refusal for everything else."""
    query, sent, accepted = [*data.decode("latin-1").split("\n", 2), "", ""][:3]
    told: list[object] = []

    def call(_client: ControlClient, verb: str, **arguments: object) -> Json:
        assert verb == "scrape"
        assert type(arguments["by_client"]) is bool
        told.append(arguments["token"])
        if arguments["token"] != TOKEN:
            raise ControlError("wrong-token", "it is wrong", "")
        return {"text": "# EOF\n"}

    app, hands = scraped()
    # Whoever has sent wrong ones waits.
    hands.forward(3600)
    environ = {"QUERY_STRING": query, "HTTP_HOST": "localhost"}
    environ |= {"HTTP_AUTHORIZATION": sent, "HTTP_ACCEPT": accepted}
    with mock.patch.object(ControlClient, "call", call):
        response = app.test_client().open("/metrics", environ_overrides=environ)
    refused = 401 if query.isascii() else 400
    assert response.status_code == (200 if told == [TOKEN] else refused), response.status
    assert all(isinstance(token, str) and len(token) <= 256 for token in told)
    if response.status_code == 200:
        kinds = (PLAIN_CONTENT_TYPE, CONTENT_TYPE)
        older = "text/plain" in accepted and "openmetrics" not in accepted
        assert response.headers["Content-Type"] == kinds[not older]
        assert response.data == (b"" if older else b"# EOF\n")


LINE = b"root:$scrypt$ln=1,r=1,p=1$c2FsdHNhbHQ=$" + b"QUFB" * 12 + b"\n"

TARGETS = (
    Target(
        "page_answers",
        "Whatever the daemon answers, every page comes, and nothing of it is markup.",
        check_page,
        page_seeds,
        behind_first_byte(json_values(ANSWER_WORDS)),
        tuple(f'"{word}"'.encode() for word in ANSWER_WORDS),
        longest=8000,
    ),
    Target(
        "metrics_request",
        "Only who sends the token gets the numbers, whatever else is sent with it.",
        check_scrape,
        lambda: [
            f"by_client=1\nBearer {TOKEN}".encode(),
            b"\nbearer  x",
            f"\nBearer {TOKEN}\ntext/plain;version=0.0.4;q=0.5,*/*;q=0.1".encode(),
            f"\nBearer {TOKEN}\napplication/openmetrics-text;version=1.0.0,text/plain".encode(),
            b"by_client=1&by_client=0\nBasic dDp0",
            b"",
        ],
        parts(
            (b"\n", b" ", b"=", b"&", b",", b";"),
            (b"Bearer ", TOKEN.encode(), b"%00", b"%ff", b"by_client=1", b"text/plain"),
        ),
        (b"Bearer ", TOKEN.encode(), b"by_client="),
        longest=2000,
    ),
    Target(
        "password_file",
        "A damaged password file lets nobody in, and that is said.",
        check_password_file,
        lambda: [LINE],
        parts((b"$", b",", b":", b"="), (b"ln=2", b"r=1", b"ln=16", b"A" * 40)),
        (b"$scrypt$", b"ln=", b",r=", b",p="),
        longest=600,
    ),
)
