"""Rules that hold for every address of the web page, walked from its own list."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from fwknop_webui.app import create_app
from fwknop_webui.routes import Route
from fwknop_webui.security import COOKIE, HEADERS
from fwknop_webui.services import WebConfig
from fwknop_webui.views import ROUTES
from tests.web.daemon import StubDaemon, door
from tests.web.visitor import Visitor

CLIENT = "cfg03ea17"
UNSAFE = [route for route in ROUTES if route.method != "GET"]
PRIVATE = [route for route in ROUTES if not route.public]
READING = {"status", "grants", "events", "clients", "watched", "exposed"}


def path_of(route: Route) -> str:
    return route.rule.replace("<section>", CLIENT).replace("<name>", "nothing.css")


def label(route: Route) -> str:
    return f"{route.method} {route.rule}"


def token(visitor: Visitor) -> str:
    return visitor.get("/clients").main_form().value("csrf")


def test_list_of_routes_is_complete(app: Flask) -> None:
    served = {
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
        if method not in ("HEAD", "OPTIONS")
    }
    assert served == {(route.method, route.rule) for route in ROUTES}


@pytest.mark.parametrize("route", PRIVATE, ids=label)
def test_strangers_get_nothing_but_the_login(route: Route, stranger: Visitor) -> None:
    answer = stranger.client.open(path_of(route), method=route.method)
    if route.polled:
        assert answer.status_code == 403
        assert answer.get_json() == {"login": "/login"}
    else:
        assert answer.status_code == 303
        assert answer.headers["Location"].startswith("/login")
    assert b"cfg03ea17" not in answer.data.replace(b"clients%2Fcfg03ea17", b"").replace(
        b"/clients/cfg03ea17", b""
    )


@pytest.mark.parametrize("route", UNSAFE, ids=label)
@pytest.mark.parametrize("given", ["", "wrong", "ü"])
def test_forms_without_our_token_change_nothing(
    route: Route, given: str, visitor: Visitor, uci: Path, daemon: StubDaemon
) -> None:
    before = uci.read_bytes()
    answer = visitor.client.post(path_of(route), data={"csrf": given, "id": "g1", "do": "apply"})
    assert answer.status_code == 403
    assert uci.read_bytes() == before
    assert {verb for verb, _ in daemon.asked} <= READING
    assert visitor.get("/clients").staged == 0


@pytest.mark.parametrize("route", UNSAFE, ids=label)
@pytest.mark.parametrize(
    "header",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://localhost:81", "Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_other_sites_can_not_send_our_forms(
    route: Route, header: dict[str, str], visitor: Visitor, uci: Path
) -> None:
    before = uci.read_bytes()
    data = {"csrf": token(visitor), "name": "x", "do": "apply"}
    assert visitor.client.post(path_of(route), data=data, headers=header).status_code == 403
    assert uci.read_bytes() == before


def test_token_of_another_session_is_worth_nothing(visitor: Visitor, second: Visitor) -> None:
    answer = visitor.client.post("/changes/revert", data={"csrf": token(second)})
    assert answer.status_code == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(method: str, visitor: Visitor) -> None:
    for route in ROUTES:
        answer = visitor.client.open(path_of(route), method=method)
        assert answer.status_code in (403, 405), label(route)


def answers(visitor: Visitor, stranger: Visitor) -> Iterator[tuple[str, TestResponse]]:
    for route in ROUTES:
        for who in (visitor, stranger):
            yield label(route), who.client.open(path_of(route), method=route.method)
    yield "unknown page", visitor.client.get("/nothing")
    yield "foreign host", visitor.client.get("/", headers={"Host": "evil.example"})
    yield "too large", visitor.client.post("/login", data={"password": "x" * 70_000})


def test_every_answer_carries_the_headers(visitor: Visitor, stranger: Visitor) -> None:
    for what, answer in answers(visitor, stranger):
        headers = answer.headers
        for name, value in HEADERS.items():
            assert headers.get(name) == value, what
        assert headers["Cache-Control"] == "no-store", what
        assert "Server" not in headers or "Werkzeug" not in headers["Server"]
        for cookie in headers.getlist("Set-Cookie"):
            assert "HttpOnly" in cookie, what
            assert "SameSite=Strict" in cookie, what


def test_policy_allows_no_inline_code_and_no_other_site() -> None:
    policy = HEADERS["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    for word in ("unsafe", "data:", "http", "*"):
        assert word not in policy


def test_pages_keep_to_the_policy(visitor: Visitor, daemon: StubDaemon) -> None:
    daemon.doors = [door()]
    for path in crawl(visitor):
        page = visitor.get(path)
        for tag, attributes in page.tags:
            assert tag != "style", path
            assert "style" not in attributes, path
            assert not [name for name in attributes if name.startswith("on")], path
            if tag == "script":
                assert attributes["src"].startswith("/static/"), path
            for name in ("href", "src", "action", "formaction"):
                assert attributes.get(name, "/")[0] in "/#", path


def crawl(visitor: Visitor) -> list[str]:
    seen: list[str] = []
    waiting = ["/"]
    while waiting:
        path = waiting.pop()
        if path in seen or path.startswith(("/static/", "#")):
            continue
        seen.append(path)
        page = visitor.get(path)
        assert page.status == 200, path
        waiting += page.links
    return seen


def test_following_every_link_changes_nothing(
    visitor: Visitor, uci: Path, daemon: StubDaemon
) -> None:
    daemon.doors = [door()]
    before = uci.read_bytes()
    assert len(crawl(visitor)) >= 7
    assert uci.read_bytes() == before
    assert {verb for verb, _ in daemon.asked} <= READING
    assert visitor.get("/clients").staged == 0


@pytest.mark.parametrize("host", ["evil.example", "", "router.lan.evil.example", "192.168.1.1"])
def test_pages_are_not_served_under_a_foreign_name(host: str, visitor: Visitor) -> None:
    answer = visitor.client.get("/clients", headers={"Host": host})
    assert answer.status_code == 421
    assert b"--allowed-host" in answer.data
    assert b"cfg" not in answer.data


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "[::1]:8080", "Router.lan."])
def test_pages_are_served_under_the_known_names(host: str, stranger: Visitor) -> None:
    assert stranger.client.get("/login", headers={"Host": host}).status_code == 200


def test_pages_work_behind_a_prefix(visitor: Visitor, app: Flask) -> None:
    other = Visitor(app, visitor.password)
    prefix = {"SCRIPT_NAME": "/cgi-bin/fwknop"}
    page = other.get("/login", environ_overrides=prefix)
    data = {"csrf": page.main_form().value("csrf"), "username": "root"}
    answer = other.client.post(
        "/login", data=data | {"password": other.password}, environ_overrides=prefix
    )
    assert answer.headers["Location"] == "/cgi-bin/fwknop/"
    cookies = [c for c in answer.headers.getlist("Set-Cookie") if c.startswith(f"{COOKIE}=")]
    assert all("Path=/cgi-bin/fwknop" in cookie for cookie in cookies)
    page = other.get("/clients", environ_overrides=prefix)
    own = [link for link in page.links if link.startswith("/")]
    assert own and all(link.startswith("/cgi-bin/fwknop/") for link in own)


def test_static_files_are_kept_for_ever_and_only_under_their_hash(stranger: Visitor) -> None:
    page = stranger.get("/login")
    links = [a.get("href") or a.get("src", "") for _, a in page.tags]
    files = [link for link in links if link.startswith("/static/")]
    assert len(files) == 3
    for file in files:
        answer = stranger.client.get(file)
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert stranger.client.get(file.replace("/static/", "/static/0")).status_code == 404


def test_first_page_is_small(visitor: Visitor, daemon: StubDaemon) -> None:
    total = requests = 0
    page = visitor.get("/")
    for path in [
        "/",
        *(a.get("href") or a["src"] for t, a in page.tags if t in ("link", "script")),
    ]:
        answer = visitor.client.get(path, headers={"Accept-Encoding": "gzip"})
        total, requests = total + len(answer.data), requests + 1
    assert total <= 60 * 1024
    assert requests <= 6


def test_style_sheet_and_script_keep_their_budget(app: Flask) -> None:
    assets = app.extensions["fwknop"].assets
    for name in ("app.css", "app.js"):
        asset = assets.find(assets.hashed_name(name))
        assert asset and len(asset.compressed) <= 15 * 1024
        assert b"http://" not in asset.body.replace(b"http://www.w3.org", b"")
        assert b"https://" not in asset.body


@pytest.mark.parametrize("name", ["FLASK_DEBUG", "FLASK_ENV"])
def test_debugger_can_not_be_switched_on(
    name: str, config: WebConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "1" if name == "FLASK_DEBUG" else "development")
    app = create_app(config)
    assert not app.debug
    assert not app.testing
