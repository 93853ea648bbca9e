"""A router's page: its users, their rights, LuCI's session, and saving by rpcd."""

from __future__ import annotations

import io
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask

from fwknop_webui.app import create_app
from fwknop_webui.auth import Login
from fwknop_webui.front import FRONT, Front
from fwknop_webui.rpcd import NOBODY, TIME_LIMIT, Rpcd, RpcdError
from fwknop_webui.rpcd_service import RpcdService
from fwknop_webui.security import COOKIE
from fwknop_webui.service_control import Action
from fwknop_webui.services import EXTENSION, Services, WebConfig
from fwknop_webui.untyped import Json
from tests.web.clock import HandClock
from tests.web.conftest import STOCK
from tests.web.daemon import StubDaemon, door
from tests.web.rpcd import StandIn, usual_users
from tests.web.test_clients import ANNA as CLIENT
from tests.web.visitor import Page, Visitor

ROOT = "correct horse battery"
ANNA = "battery staple"
LUCI = {"Origin": "http://localhost"}


class RouterVisitor(Visitor):
    """A browser at a router: its requests come through uhttpd."""

    def __init__(self, app: Flask, password: str, front: Front) -> None:
        super().__init__(app, password)
        self.come_through(front)

    def come_through(self, front: Front) -> None:
        """Which web server the requests come through."""
        environment: dict[str, Any] = self.client.environ_base
        environment[FRONT] = front

    def enter(self, user: str = "anna", password: str = ANNA) -> Page:
        """Log in, by default as one who has the rights of our access list alone."""
        page = self.get("/login")
        return self.press(page.form("/login"), "Log in", username=user, password=password)

    def hand_over(self, sid: str, **headers: str) -> Page:
        return self.post("/handover", {"sid": sid}, headers=headers or LUCI)


@pytest.fixture
def rpcd() -> Iterator[StandIn]:
    with StandIn(STOCK, usual_users()).serving() as running:
        yield running


@pytest.fixture
def router(config: WebConfig) -> Flask:
    return create_app(replace(config, rpcd=True, any_address=True))


@pytest.fixture
def browser(router: Flask, rpcd: StandIn) -> RouterVisitor:
    return RouterVisitor(router, ROOT, rpcd.front)


@pytest.fixture
def using(config: WebConfig, rpcd: StandIn, uci: Path) -> Iterator[StubDaemon]:
    """A daemon that runs from the router's file."""
    rpcd.text = STOCK.replace("config global\n", "config global\n\toption uci_enabled '1'\n")
    with StubDaemon(config.control) as running:
        yield running


def is_pending(rpcd: StandIn) -> bool:
    return rpcd.pending is not None


def age(browser: Visitor, seconds: str, button: str = "Save & Apply") -> Page:
    form = browser.get("/settings").main_form()
    return browser.press(form, button, MAX_SPA_PACKET_AGE=seconds)


def test_root_logs_in_with_the_routers_password(browser: RouterVisitor, rpcd: StandIn) -> None:
    assert "Log out" in browser.enter("root", ROOT).text
    (login, probe) = [given for name, method, given in rpcd.calls if method == "login"]
    assert login == {"username": "root", "password": ROOT, "timeout": 3600}
    assert probe["password"] != ROOT
    (sid,) = rpcd.sessions
    assert sid not in browser.get("/").html
    cookie = browser.client.get_cookie(COOKIE)
    assert cookie and sid not in cookie.value


def test_the_router_s_session_lasts_as_long_as_is_set(
    browser: RouterVisitor, rpcd: StandIn
) -> None:
    rpcd.text = rpcd.text.replace("config global\n", "config global\n\toption session_idle '5'\n")
    browser.enter()
    timeouts = [given["timeout"] for _, method, given in rpcd.calls if method == "login"]
    assert timeouts == [3600, 3600, 300]
    assert len(rpcd.sessions) == 1, "the first is ended"
    assert browser.get("/settings").form("/settings").value("session_idle") == "5"


@pytest.mark.parametrize(
    ("user", "password"),
    [("root", "wrong"), ("nobody", ROOT), ("root\n", ROOT), ("root", ROOT + "\0"), ("", "")],
)
def test_everybody_else_does_not(
    browser: RouterVisitor, rpcd: StandIn, user: str, password: str
) -> None:
    form = browser.get("/login").form("/login")
    data = {"csrf": form.value("csrf"), "username": user, "password": password}
    answer = browser.client.post("/login", data=data)
    assert answer.status_code == 401
    assert "Wrong username or password." in answer.get_data(as_text=True)
    assert not rpcd.sessions


def test_without_a_password_nobody_gets_in(browser: RouterVisitor, rpcd: StandIn) -> None:
    page = browser.enter("empty", "anything")
    assert page.status == 503
    assert "has no password" in page.text and "passwd" in page.text
    assert not rpcd.sessions
    page = browser.hand_over(rpcd.log_in("empty", luci=True))
    assert page.status == 503
    assert "has no password" in page.text


def test_an_account_without_access_is_told_so(browser: RouterVisitor, rpcd: StandIn) -> None:
    page = browser.enter("other", "other password")
    assert page.status == 503
    assert "list read 'luci-app-fwknopd'" in page.text
    assert not browser.client.get_cookie(COOKIE)


def test_logging_out_ends_the_routers_session(browser: RouterVisitor, rpcd: StandIn) -> None:
    page = browser.enter()
    assert rpcd.sessions
    browser.press(page.form("/logout"), "Log out")
    assert not rpcd.sessions


def test_a_session_of_luci_is_taken_over(browser: RouterVisitor, rpcd: StandIn) -> None:
    sid, rpcd.text = rpcd.log_in("anna", luci=True), CLIENT
    page = browser.hand_over(sid)
    assert page.response.request.path == "/"
    assert "Log out" in page.text
    # It was no password: keys want one.
    form = browser.get("/clients").row_form("/clients/bert/qr")
    page = browser.press(form, form.buttons[0][0])
    assert 'name="password"' in page.html and "<path" not in page.html
    again = page.form("/clients/bert/qr")
    page = browser.press(again, again.buttons[0][0], password=ANNA)
    assert page.status == 200 and "<path" in page.html
    browser.press(browser.get("/").form("/logout"), "Log out")
    assert sid in rpcd.sessions


@pytest.mark.parametrize("sid", ["", "0" * 32, "f" * 32, "F" * 32, "a" * 33, "../../etc/passwd"])
def test_no_other_session_is_taken_over(browser: RouterVisitor, rpcd: StandIn, sid: str) -> None:
    page = browser.hand_over(sid)
    assert page.status == 401
    assert "Log in here" in page.text
    assert not browser.client.get_cookie(COOKIE)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Referer": "http://evil.example/localhost"},
        {"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"},
        {"Accept": "*/*"},
    ],
)
def test_another_site_hands_nothing_over(
    browser: RouterVisitor, rpcd: StandIn, headers: dict[str, str]
) -> None:
    sid = rpcd.log_in("anna", luci=True)
    assert browser.hand_over(sid, **headers).status == 403
    assert browser.hand_over(sid, Referer="http://localhost/cgi-bin/luci/").status == 200


def test_a_session_for_looking_only_takes_nothing_over_but_looks(
    browser: RouterVisitor, rpcd: StandIn
) -> None:
    browser.hand_over(rpcd.log_in("guest", luci=True))
    page = age(browser, "77")
    assert page.status == 403
    assert "Your account may look at this page, but not change anything" in page.text
    assert rpcd.text == STOCK
    assert browser.press(browser.get("/").form("/logout"), "Log out").status == 200


def test_who_may_look_only_closes_no_door(
    browser: RouterVisitor, rpcd: StandIn, using: StubDaemon
) -> None:
    using.doors = [door()]
    browser.enter("guest", "guest password")
    form = browser.get("/revoke?id=g1").form("/revoke")
    assert browser.press(form, "Revoke").status == 403
    assert not any(verb == "revoke" for verb, _ in using.asked)
    token = form.value("csrf")
    assert browser.post("/diagnostics/watch", {"csrf": token}).status == 200


@pytest.mark.parametrize("path", ["/logs", "/revoke?id=g1", "/diagnostics", "/api/overview"])
def test_a_session_the_router_has_ended_sees_nothing_more(
    browser: RouterVisitor, rpcd: StandIn, using: StubDaemon, hands: HandClock, path: str
) -> None:
    browser.enter()
    rpcd.sessions.clear()
    hands.forward(6)
    answer = browser.client.get(path)
    assert "/login" in (answer.get_data(as_text=True) + answer.headers.get("Location", ""))
    assert answer.status_code in (303, 403)


def test_what_is_applied_is_kept_when_it_is_confirmed(
    browser: RouterVisitor, rpcd: StandIn, using: StubDaemon
) -> None:
    browser.enter()
    browser.keeps = False
    page = age(browser, "77")
    assert page.response.request.path == "/changes/applied"
    assert "option MAX_SPA_PACKET_AGE '77'" in rpcd.text
    assert is_pending(rpcd)
    (timeout,) = [given["timeout"] for _, method, given in rpcd.calls if method == "apply"]
    assert timeout == 90
    browser.press(page.form("/changes/keep"), "Keep")
    assert not is_pending(rpcd)
    assert "option MAX_SPA_PACKET_AGE '77'" in rpcd.text


def test_what_is_applied_unchecked_is_confirmed_at_once(
    browser: RouterVisitor, rpcd: StandIn, using: StubDaemon
) -> None:
    browser.enter()
    browser.keeps = False
    form = browser.get("/settings").form("/settings")
    page = browser.press(form, "Apply unchecked", MAX_SPA_PACKET_AGE="77")
    assert page.response.request.path == "/settings"
    assert not is_pending(rpcd)
    assert "option MAX_SPA_PACKET_AGE '77'" in rpcd.text


def test_what_nobody_confirms_is_taken_back_by_the_router(
    browser: RouterVisitor, rpcd: StandIn, using: StubDaemon, hands: HandClock
) -> None:
    before = rpcd.text
    browser.enter()
    browser.keeps = False
    age(browser, "77")
    rpcd.time_is_up()
    hands.forward(93)
    page = browser.get("/")
    assert "The old configuration is back" in page.text
    assert rpcd.text == before
    assert page.staged == 1
    age(browser, "78")
    assert "option MAX_SPA_PACKET_AGE '78'" in rpcd.text


def test_what_somebody_takes_back_is_staged_here_and_nowhere_else(
    browser: RouterVisitor, rpcd: StandIn, using: StubDaemon
) -> None:
    before = rpcd.text
    browser.enter()
    browser.keeps = False
    page = age(browser, "77")
    page = browser.press(page.form("/changes/keep"), "Put the old one back")
    assert rpcd.text == before
    assert page.staged == 1
    assert all(session.staged is None for session in rpcd.sessions.values())


def test_a_client_comes_out_as_it_was_typed(
    browser: RouterVisitor, rpcd: StandIn, using: StubDaemon
) -> None:
    browser.enter()
    form = browser.get("/clients/add").main_form()
    page = browser.press(form, "Save & Apply", name="Anna's phone ü", OPEN_PORTS="tcp/22,tcp/443")
    assert page.status == 200
    assert "Anna" in rpcd.text
    saved = rpcd.text
    page = browser.get("/clients")
    assert "Anna's phone ü" in page.text
    assert re.search(r"option KEY_BASE64 '[A-Za-z0-9+/=]{44}'", saved)


def test_while_luci_waits_for_a_confirmation_nothing_is_applied(
    browser: RouterVisitor, rpcd: StandIn, router: Flask
) -> None:
    browser.enter()
    rpcd.users["root"].rights["ubus"]["uci"].append("apply")
    luci = rpcd.log_in("root", luci=True)
    rpcd.sessions[luci].staged = rpcd._staged(luci)
    assert rpcd._uci_apply(luci, {"rollback": True}) == (0, {})
    before = rpcd.text
    page = age(browser, "77")
    assert "not confirmed yet" in page.text
    assert "They were applied in LuCI" in page.text and "Press" not in page.text
    assert rpcd.text == before
    assert page.staged == 1


def test_a_change_by_somebody_else_is_not_overwritten(
    browser: RouterVisitor, rpcd: StandIn
) -> None:
    browser.enter()
    age(browser, "77", "Save")
    rpcd.text = STOCK.replace("'ANY'", "'192.0.2.1'")
    assert "Keep my changes" in browser.get("/changes").html
    page = browser.get("/")
    data = {"csrf": page.form("/logout").value("csrf")}
    page = browser.post("/changes/apply", data)
    assert "changed by somebody else" in page.text
    assert "192.0.2.1" in rpcd.text and "77" not in rpcd.text


@pytest.mark.parametrize("package", ["network", "fwknopd"])
def test_what_is_unsaved_in_luci_is_neither_applied_nor_lost(
    browser: RouterVisitor, rpcd: StandIn, using: StubDaemon, package: str
) -> None:
    rpcd.users["anna"].rights["uci"]["network"] = ["read", "write"]
    before = rpcd.text
    luci = rpcd.sessions[sid := rpcd.log_in("anna", luci=True)]
    browser.hand_over(sid)
    form = browser.get("/settings").main_form()
    if package == "network":
        luci.others = {"network": [["set", "lan", "ipaddr", "192.168.2.1"]]}
    else:
        luci.staged = rpcd._staged(sid)
    page = browser.press(form, "Save & Apply", MAX_SPA_PACKET_AGE="77")
    assert f"In LuCI these are changed: {package}. Apply or" in page.text
    assert page.staged == 1
    assert (rpcd.text, rpcd.committed) == (before, [])
    assert luci.others or luci.staged
    luci.others, luci.staged = {}, None
    browser.press(browser.get("/changes").form("/changes/apply"), "Save & Apply")
    assert "option MAX_SPA_PACKET_AGE '77'" in rpcd.text
    assert rpcd.committed == []


def test_a_failure_in_the_middle_leaves_nothing_staged(
    browser: RouterVisitor, rpcd: StandIn
) -> None:
    browser.enter()
    rpcd.fails = {"uci apply": 9}
    page = age(browser, "77")
    assert "Not saved" in page.text
    assert page.staged == 1
    assert rpcd.text == STOCK
    assert all(session.staged is None for session in rpcd.sessions.values())


def test_what_rpcd_leaves_out_is_noticed(browser: RouterVisitor, rpcd: StandIn) -> None:
    browser.enter()
    rpcd.deaf = True
    page = age(browser, "77")
    assert "did not take every change" in page.text
    assert page.staged == 1
    assert all(session.staged is None for session in rpcd.sessions.values())


def test_who_has_to_log_in_again_keeps_what_was_staged(
    browser: RouterVisitor, rpcd: StandIn
) -> None:
    browser.enter()
    age(browser, "77", "Save")
    rpcd.sessions.clear()
    page = browser.get("/settings")
    assert page.response.request.path == "/login"
    assert browser.client.get("/").status_code == 303
    page = browser.press(page.form("/login"), "Log in", username="anna", password=ANNA)
    assert page.response.request.path == "/settings"
    assert page.staged == 1


def test_staged_changes_are_not_somebody_elses(browser: RouterVisitor, rpcd: StandIn) -> None:
    browser.enter()
    age(browser, "77", "Save")
    rpcd.sessions.clear()
    page = browser.get("/settings")
    page = browser.press(page.form("/login"), "Log in", username="root", password=ROOT)
    assert "Log out" in page.text
    assert page.staged == 0


def test_networks_come_from_the_router(browser: RouterVisitor, rpcd: StandIn) -> None:
    browser.enter()
    html = browser.get("/settings").html
    assert 'value="wan6"' in html
    assert 'value="loopback"' not in html


@pytest.mark.parametrize(
    ("breakage", "said"),
    [
        (lambda rpcd: rpcd.fails.update({"uci get": 9}), "It can't be replaced from here"),
        (lambda rpcd: rpcd.fails.update({"uci get": 4}), "touch /etc/config/fwknopd; chmod 600"),
        (lambda rpcd: setattr(rpcd, "front", Front("127.0.0.1", 1, tls=False)), "gave no answer"),
    ],
    ids=["broken file", "no file", "no uhttpd"],
)
def test_what_is_wrong_with_the_router_is_said(
    browser: RouterVisitor, rpcd: StandIn, breakage: Callable[[StandIn], None], said: str
) -> None:
    browser.enter()
    breakage(rpcd)
    browser.come_through(rpcd.front)
    page = browser.get("/clients")
    assert page.status in (409, 500)
    assert said in page.text


@pytest.mark.parametrize(
    ("user", "password", "said", "english"),
    [
        ("empty", "", "Das Konto empty hat kein Passwort", "has no password"),
        ("other", "other password", "Das Konto other hat keinen Zugriff", "has no access"),
        ("root", ROOT, "rpcd auf dem Router hat session login abgelehnt (Status 9)", "refused"),
    ],
)
def test_german_is_told_in_german_why_nobody_can_log_in(
    browser: RouterVisitor, rpcd: StandIn, user: str, password: str, said: str, english: str
) -> None:
    browser.client.environ_base["HTTP_ACCEPT_LANGUAGE"] = "de"
    if user == "root":
        rpcd.fails = {"session login": 9}
    form = browser.get("/login").form("/login")
    page = browser.press(form, "Anmelden", username=user, password=password)
    assert page.status == 503
    assert said in page.text
    assert english not in page.text


def test_german_is_told_in_german_what_is_wrong_with_the_router(
    browser: RouterVisitor, rpcd: StandIn
) -> None:
    browser.enter()
    browser.client.environ_base["HTTP_ACCEPT_LANGUAGE"] = "de"
    unreadable = "kann /etc/config/fwknopd nicht lesen (Status 9)"
    for code, said in ((9, unreadable), (4, "/etc/config/fwknopd gibt es nicht")):
        rpcd.fails = {"uci get": code}
        page = browser.get("/clients")
        assert page.status == 409
        assert said in page.text
        assert "can't" not in page.text


def test_backup_fills_a_file_that_was_made_empty(browser: RouterVisitor, rpcd: StandIn) -> None:
    """As the page says when there is none."""
    browser.enter()
    rpcd.text = ""
    assert "No clients yet." in browser.get("/clients").text
    csrf = browser.get("/backup").form("/backup/restore").value("csrf")
    sent = {"csrf": csrf, "unseal": "", "backup": (io.BytesIO(CLIENT.encode()), "fwknopd")}
    page = browser.post("/backup/restore", sent)
    browser.press(page.form("/backup/confirm"), "Restore")
    browser.press(browser.get("/changes").form("/changes/apply"), "Save & Apply")
    assert "option name 'Anna'" in rpcd.text


def test_without_uhttpd_nobody_can_log_in(router: Flask) -> None:
    page = Visitor(router, ROOT).log_in()
    assert page.status == 503
    assert "/cgi-bin/fwknop" in page.text


def test_login_page_leads_to_lucis_where_there_is_one(
    browser: RouterVisitor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = tmp_path / "luci"
    monkeypatch.setattr("fwknop_webui.defaults.LUCI", place)
    entry = "/cgi-bin/luci/admin/services/fwknopd"
    assert entry not in browser.get("/login").links
    place.touch()
    assert entry in browser.get("/login").links


def do(browser: RouterVisitor, action: str) -> Page:
    token = browser.get("/").form("/logout").value("csrf")
    return browser.post("/service", {"csrf": token, "do": action})


def test_the_daemon_is_started_and_stopped_with_the_users_rights(
    browser: RouterVisitor, rpcd: StandIn
) -> None:
    browser.enter()
    assert any(form.action == "/service" for form in browser.get("/").forms)
    for action in ("start", "restart", "disable", "enable", "stop"):
        assert do(browser, action).status == 200
    assert rpcd.executed == [
        ["/etc/init.d/fwknopd", action]
        for action in ("start", "restart", "disable", "enable", "stop")
    ]


def test_who_may_look_only_starts_nothing(browser: RouterVisitor, rpcd: StandIn) -> None:
    browser.enter("guest", "guest password")
    assert not any(form.action == "/service" for form in browser.get("/").forms)
    assert do(browser, "start").status == 403
    assert not rpcd.executed


def test_a_script_that_fails_says_why(browser: RouterVisitor, rpcd: StandIn) -> None:
    browser.enter()
    rpcd.script = {"code": 1, "stderr": "no space left\n"}
    assert "no space left" in do(browser, "start").text
    rpcd.fails = {"file exec": 6}
    assert "your account may not start it" in do(browser, "start").text
    rpcd.fails = {"file exec": 7}
    assert "refused file exec (status 7)" in do(browser, "start").text


def test_a_script_has_more_time_than_other_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float] = []

    def call(_rpcd: Rpcd, *call: object, seconds: float = TIME_LIMIT) -> Json:
        given.append(seconds)
        return {"code": 0}

    monkeypatch.setattr(Rpcd, "call", call)
    RpcdService(Rpcd(), Login).run(Action.RESTART)
    assert TIME_LIMIT < given[0] < 60


def test_a_request_asks_over_one_connection_and_leaves_none(
    browser: RouterVisitor, rpcd: StandIn, using: StubDaemon
) -> None:
    browser.enter()
    form = browser.get("/settings").main_form()
    assert [method for _, method, _ in rpcd.calls].count("dump") == 1
    token = form.value("csrf")
    connections, calls = rpcd.connections, len(rpcd.calls)
    data = dict(form.fields) | {"csrf": token, "do": "apply", "MAX_SPA_PACKET_AGE": "77"}
    assert browser.client.post("/settings", data=data).status_code == 303
    assert "'77'" in rpcd.text
    assert len(rpcd.calls) - calls > 5
    assert rpcd.connections == connections + 1
    parts: Services = browser.client.application.extensions[EXTENSION]
    assert parts.rpcd
    parts.rpcd.call(NOBODY, "session", "access", {"scope": "x", "object": "x", "function": "x"})
    assert rpcd.connections == connections + 2


def test_a_call_ends_when_its_time_is_over() -> None:
    rpcd = Rpcd()
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        rpcd.use(Front("127.0.0.1", deaf.getsockname()[1], tls=False))
        with pytest.raises(RpcdError, match="timed out"):
            rpcd.call("0" * 32, "file", "exec", {}, 0.05)


def test_rpcd_is_asked_over_tls_where_uhttpd_has_nothing_else(
    browser: RouterVisitor, rpcd: StandIn, tmp_path: Path
) -> None:
    with rpcd.serving(tls=own_certificate(tmp_path)):
        browser.come_through(rpcd.front)
        assert rpcd.front.tls
        assert "Log out" in browser.enter().text


def own_certificate(folder: Path) -> Path:
    """A key and a certificate that nobody else has signed, as a router makes them."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "OpenWrt")])
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=10_000))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    path = folder / "uhttpd.pem"
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(secret + made.public_bytes(pem))
    return path


def test_lucis_menu_entry_leads_back_to_what_is_unsaved(
    browser: RouterVisitor, rpcd: StandIn
) -> None:
    browser.enter()
    age(browser, "77", "Save")
    old = browser.client.get_cookie(COOKIE)
    token = browser.get("/").form("/logout").value("csrf")
    page = browser.hand_over(rpcd.log_in("anna", luci=True))
    assert page.staged == 1
    new = browser.client.get_cookie(COOKIE)
    assert old and new and old.value != new.value
    assert page.form("/logout").value("csrf") != token
    # Only LuCI's is left; and it is nobody else's.
    assert [session.token != "" for session in rpcd.sessions.values()] == [True]
    assert browser.hand_over(rpcd.log_in("root", luci=True)).staged == 0


@pytest.mark.parametrize("confirms", [True, False])
def test_lucis_menu_entry_leads_back_to_what_is_not_confirmed(
    confirms: bool, browser: RouterVisitor, rpcd: StandIn, using: StubDaemon, hands: HandClock
) -> None:
    browser.enter()
    browser.keeps = False
    age(browser, "77")
    page = browser.hand_over(rpcd.log_in("anna", luci=True))
    assert "Not confirmed" in page.text
    # rpcd lets nobody confirm but who applied.
    assert len(rpcd.sessions) == 2
    if confirms:
        page = browser.get("/changes/applied")
        browser.press(page.form("/changes/keep"), "Keep")
    else:
        rpcd.time_is_up()
        hands.forward(93)
        page = browser.get("/clients")
        assert "The old configuration is back" in page.text
        assert page.staged == 1
    assert ("'77'" in rpcd.text) is confirms
    assert len(rpcd.sessions) == 1


def test_confirmation_that_failed_may_be_tried_again(
    browser: RouterVisitor, rpcd: StandIn, using: StubDaemon
) -> None:
    browser.enter()
    browser.keeps = False
    page = age(browser, "77")
    rpcd.fails = {"uci confirm": 9}
    page = browser.press(page.form("/changes/keep"), "Keep")
    # No redirect, which the script would take for a success.
    assert page.status == 503
    assert "refused uci confirm (status 9)" in page.text
    assert "still wait" in page.text and "Nothing was changed" not in page.text
    rpcd.fails = {}
    page = browser.press(page.form("/changes/keep"), "Keep")
    assert "the daemon is using" in page.text
    assert not is_pending(rpcd)
    assert "'77'" in rpcd.text


@pytest.mark.parametrize("again", [True, False])
def test_without_a_daemon_a_failed_confirmation_loses_nothing(
    again: bool, browser: RouterVisitor, rpcd: StandIn, hands: HandClock
) -> None:
    browser.enter()
    browser.keeps = False
    rpcd.fails = {"uci confirm": 9}
    page = age(browser, "77")
    assert page.response.request.path == "/changes/applied"
    rpcd.fails = {}
    if again:
        page = browser.press(page.form("/changes/keep"), "Keep")
        assert "Saved, but not in use yet" in page.text
    else:
        rpcd.time_is_up()
        hands.forward(93)
        page = browser.get("/clients")
        assert "The old configuration is back" in page.text
    assert page.staged == (0 if again else 1)
    assert ("'77'" in rpcd.text) is again


@pytest.mark.parametrize("button", ["Keep", "Put the old one back"])
def test_when_the_login_it_was_applied_with_is_over_it_waits_for_the_router(
    button: str, browser: RouterVisitor, rpcd: StandIn, using: StubDaemon, hands: HandClock
) -> None:
    browser.enter()
    browser.keeps = False
    age(browser, "77")
    rpcd.sessions.clear()
    page = browser.get("/settings")
    browser.press(page.form("/login"), "Log in", username="anna", password=ANNA)
    page = browser.get("/changes/applied")
    page = browser.press(page.form("/changes/keep"), button)
    assert page.status == 503
    assert "the router itself puts the old configuration back" in page.text
    rpcd.time_is_up()
    hands.forward(93)
    page = browser.get("/clients")
    assert "The old configuration is back: nobody confirmed" in page.text
    assert page.staged == 1


def test_what_rpcd_had_taken_back_before_is_told(
    browser: RouterVisitor, rpcd: StandIn, using: StubDaemon
) -> None:
    browser.enter()
    browser.keeps = False
    page = age(browser, "77")
    rpcd.time_is_up()
    page = browser.press(page.form("/changes/keep"), "Keep")
    assert "The old configuration is back." in page.text
    assert page.staged == 1
    # Nowhere else, or it would pass for something LuCI has unsaved.
    assert all(session.staged is None for session in rpcd.sessions.values())
