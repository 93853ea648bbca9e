"""The numbers for scrapers: who gets them, how often, and what nobody learns without the token."""

from __future__ import annotations

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from fwknop_webui.lockout import FAILURES_PER_ADDRESS, LOCK_SECONDS
from fwknop_webui.scrapes import AT_ONCE
from fwknopd.control.protocol import VerbError
from tests.web.clock import HandClock
from tests.web.daemon import StubDaemon
from tests.web.visitor import Visitor

TOKEN = "t" * 43


def scrape(app: Flask, sent: str = f"Bearer {TOKEN}", query: str = "", **more: str) -> TestResponse:
    headers = {"Host": "router.lan", **more} | ({"Authorization": sent} if sent else {})
    return app.test_client().get(f"/metrics{query}", headers=headers)


def refuse(daemon: StubDaemon, code: str) -> None:
    daemon.refusal = VerbError(code, f"it is {code}", "")


def test_who_has_the_token_gets_the_text_as_it_is(app: Flask, daemon: StubDaemon) -> None:
    daemon.metrics = 'a{b="J\u00f6rg"} 1\n# EOF\n'
    answer = scrape(app)
    assert (answer.status_code, answer.text) == (200, daemon.metrics)
    kind = "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert answer.headers["Content-Type"] == kind
    assert "Set-Cookie" not in answer.headers
    assert daemon.asked == [("scrape", {"token": TOKEN, "by_client": False})]


@pytest.mark.parametrize(
    ("accepted", "kind"),
    [
        ("", "openmetrics-text; version=1.0.0"),
        ("*/*", "openmetrics-text; version=1.0.0"),
        ("text/plain;version=0.0.4;q=0.5,application/openmetrics-text;q=1", "openmetrics-text"),
        ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", "text/plain; version=0.0.4; charset=utf-8"),
    ],
)
def test_who_knows_only_the_older_form_gets_that(
    app: Flask, daemon: StubDaemon, accepted: str, kind: str
) -> None:
    daemon.metrics = "# TYPE a counter\n# HELP a b\na_total 1\n# EOF\n"
    answer = scrape(app, Accept=accepted)
    assert kind in answer.headers["Content-Type"]
    older = "# TYPE a_total counter\n# HELP a_total b\na_total 1\n"
    assert answer.text == (older if "plain" in kind else daemon.metrics)


@pytest.mark.parametrize(("query", "named"), [("?by_client=1", True), ("?by_client=0", False)])
def test_clients_are_named_only_when_that_is_asked_for(
    app: Flask, daemon: StubDaemon, query: str, named: bool
) -> None:
    assert scrape(app, query=query).status_code == 200
    assert daemon.asked == [("scrape", {"token": TOKEN, "by_client": named})]


@pytest.mark.parametrize(
    "sent",
    ["", "Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN, "Bearer \u00fc", "Bearer " + "x" * 257],
)
def test_what_can_be_no_token_is_not_even_asked_about(
    app: Flask, daemon: StubDaemon, sent: str
) -> None:
    answer = scrape(app, sent)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert daemon.asked == []


def test_a_login_is_no_token_and_is_not_kept_awake(
    visitor: Visitor, daemon: StubDaemon, hands: HandClock
) -> None:
    for _ in range(3):
        hands.forward(1500)
        assert visitor.client.get("/metrics").status_code == 401
    assert visitor.client.get("/").headers["Location"] == "/login"
    assert all(verb != "scrape" for verb, _ in daemon.asked)


def test_guessing_locks_the_guesser_and_nobody_else(
    app: Flask, daemon: StubDaemon, stranger: Visitor, hands: HandClock
) -> None:
    refuse(daemon, "wrong-token")
    for _ in range(FAILURES_PER_ADDRESS):
        answer = scrape(app)
        assert (answer.status_code, answer.text) == (401, "This is not the token\n")
    daemon.refusal, asked = None, len(daemon.asked)
    answer = scrape(app)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > LOCK_SECONDS - 5
    assert len(daemon.asked) == asked
    elsewhere = {"environ_base": {"REMOTE_ADDR": "192.168.1.7"}}
    headers = {"Host": "router.lan", "Authorization": f"Bearer {TOKEN}"}
    assert app.test_client().get("/metrics", headers=headers, **elsewhere).status_code == 200
    # The page itself is not locked.
    assert stranger.log_in().status == 200
    hands.forward(LOCK_SECONDS)
    assert scrape(app).status_code == 200


def test_nobody_gets_them_all_the_time(app: Flask, daemon: StubDaemon, hands: HandClock) -> None:
    assert [scrape(app).status_code for _ in range(AT_ONCE + 1)] == [200] * AT_ONCE + [429]
    # The daemon makes no numbers for an answer that nobody gets.
    assert len(daemon.asked) == AT_ONCE
    hands.forward(1)
    assert [scrape(app).status_code for _ in range(2)] == [200, 429]


def test_only_who_gets_the_numbers_is_counted(app: Flask, daemon: StubDaemon) -> None:
    for code in ("busy", "no-metrics", "wrong-token"):
        refuse(daemon, code)
        assert 200 not in {scrape(app).status_code for _ in range(4)}
    daemon.refusal = None
    assert [scrape(app).status_code for _ in range(AT_ONCE)] == [200] * AT_ONCE


@pytest.mark.parametrize(("code", "status"), [("no-metrics", 404), ("busy", 503)])
def test_a_daemon_that_gives_none_says_why(
    app: Flask, daemon: StubDaemon, code: str, status: int
) -> None:
    refuse(daemon, code)
    for _ in range(FAILURES_PER_ADDRESS + 1):
        answer = scrape(app)
        assert (answer.status_code, answer.text) == (status, f"it is {code}\n")


def test_without_a_daemon_there_is_nothing(app: Flask) -> None:
    answer = scrape(app)
    assert answer.status_code == 503
    assert "not running" in answer.text


def test_other_names_of_this_machine_are_refused_as_for_every_page(
    app: Flask, daemon: StubDaemon
) -> None:
    assert scrape(app, Host="evil.example").status_code == 421
    assert daemon.asked == []
