"""Getting in, staying in, getting out."""

from __future__ import annotations

import logging
import queue
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from fwknop_webui.app import create_app
from fwknop_webui.auth import Login, Right
from fwknop_webui.lockout import FAILURES_PER_ADDRESS, LOCK_SECONDS
from fwknop_webui.security import COOKIE, OVER_TLS
from fwknop_webui.services import WebConfig, build_services
from fwknop_webui.sessions import ABSOLUTE_SECONDS, IDLE_SECONDS
from tests.web.clock import HandClock
from tests.web.visitor import Visitor


def cookie(visitor: Visitor) -> str:
    found = visitor.client.get_cookie(COOKIE)
    return found.value if found else ""


def attempt(visitor: Visitor, password: str, address: str = "192.168.1.5") -> tuple[int, str]:
    form = visitor.get("/login").form("/login")
    data = {"csrf": form.value("csrf"), "username": "root", "password": password}
    page = visitor.post("/login", data, environ_base={"REMOTE_ADDR": address})
    return page.status, page.text


def test_form_is_ready_to_type_the_password(stranger: Visitor) -> None:
    page = stranger.get("/login")
    fields = {a["name"]: a for t, a in page.tags if t == "input" and "name" in a}
    assert fields["username"]["value"] == "root"
    assert fields["username"]["autocomplete"] == "username"
    assert fields["password"]["autocomplete"] == "current-password"
    assert "autofocus" in fields["password"]
    assert not fields["password"].get("value")


def test_leads_to_the_page_that_was_wanted(stranger: Visitor) -> None:
    page = stranger.get("/clients/add")
    assert page.form("/login").value("next") == "/clients/add"
    page = stranger.press(page.form("/login"), "Log in", password=stranger.password)
    assert page.response.request.path == "/clients/add"


@pytest.mark.parametrize("target", ["//evil.example", "http://evil.example", "/\\evil", "x"])
def test_leads_nowhere_else(stranger: Visitor, target: str) -> None:
    page = stranger.get("/login", query_string={"next": target})
    page = stranger.press(page.form("/login"), "Log in", password=stranger.password)
    assert page.response.request.path == "/"


def test_session_gets_a_new_id_at_login(stranger: Visitor) -> None:
    stranger.client.set_cookie(COOKIE, "planted-by-somebody")
    stranger.log_in()
    first = cookie(stranger)
    assert first and first != "planted-by-somebody"


def test_logging_in_again_ends_the_old_session(visitor: Visitor, app: Flask) -> None:
    old = cookie(visitor)
    token = visitor.get("/").form("/logout").value("csrf")
    data = {"csrf": token, "username": "root", "password": visitor.password}
    assert visitor.client.post("/login", data=data).status_code == 303
    assert cookie(visitor) != old
    thief = Visitor(app, "")
    thief.client.set_cookie(COOKIE, old)
    assert thief.client.get("/").status_code == 303


def test_logging_out_ends_the_session_on_the_server(visitor: Visitor, app: Flask) -> None:
    old = cookie(visitor)
    page = visitor.press(visitor.get("/").form("/logout"), "Log out")
    assert page.response.request.path == "/login"
    thief = Visitor(app, "")
    thief.client.set_cookie(COOKIE, old)
    assert thief.client.get("/").status_code == 303


def test_idle_session_ends_even_while_a_page_polls(visitor: Visitor, hands: HandClock) -> None:
    for _ in range(4):
        hands.forward(IDLE_SECONDS / 4 - 1)
        assert visitor.client.get("/api/overview").status_code == 200
    hands.forward(4)
    assert visitor.client.get("/api/overview").status_code == 403
    assert visitor.client.get("/").status_code == 303


def test_busy_session_ends_after_twelve_hours(visitor: Visitor, hands: HandClock) -> None:
    for _ in range(int(ABSOLUTE_SECONDS // 1800)):
        assert visitor.client.get("/").status_code == 200
        hands.forward(1800)
    assert visitor.client.get("/").status_code == 303


def test_one_text_for_every_failure(stranger: Visitor) -> None:
    form = stranger.get("/login").form("/login")
    texts = set()
    for username, password in (("root", "wrong"), ("nobody", stranger.password), ("", "")):
        data = {"csrf": form.value("csrf"), "username": username, "password": password}
        answer = stranger.client.post("/login", data=data)
        assert answer.status_code == 401
        texts.add(answer.get_data(as_text=True).replace(f'value="{username}"', ""))
    assert "Wrong username or password." in texts.pop()


def test_fifth_failure_locks_the_address_and_says_for_how_long(
    stranger: Visitor, hands: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "fwknop_webui"):
        for _ in range(FAILURES_PER_ADDRESS - 1):
            assert attempt(stranger, "wrong")[0] == 401
        status, text = attempt(stranger, "wrong")
        assert (status, "15:00" in text) == (429, True)
        hands.forward(61)
        status, text = attempt(stranger, stranger.password)
        assert (status, "13:59" in text) == (429, True)
        assert attempt(stranger, "wrong")[0] == 429
    assert len(caplog.records) == 1
    assert "192.168.1.5" in caplog.text
    hands.forward(LOCK_SECONDS)
    assert attempt(stranger, stranger.password)[0] == 200


class SlowAuthenticator:
    """Takes until ``go`` to find every password wrong."""

    suggested_user = "root"

    def __init__(self) -> None:
        self.go = threading.Event()
        self.count = 0

    def authenticate(self, username: str, password: str) -> None:
        self.count += 1
        assert self.go.wait(60)

    def allows(self, login: Login, right: Right) -> bool:
        return True

    def take_over(self, session: str) -> None:
        """Nobody."""

    def end(self, login: Login) -> None:
        """Nothing."""


def test_guesses_sent_at_once_are_not_more_than_five(config: WebConfig) -> None:
    slow = SlowAuthenticator()
    app = create_app(config, replace(build_services(config), authenticator=slow))
    guessers = [Visitor(app, "") for _ in range(FAILURES_PER_ADDRESS + 3)]
    answers: queue.Queue[int] = queue.Queue()
    threads = [
        threading.Thread(target=lambda who=who: answers.put(attempt(who, "wrong")[0]))
        for who in guessers
    ]
    for thread in threads:
        thread.start()
    turned_away = [answers.get(timeout=60) for _ in range(3)]
    slow.go.set()
    for thread in threads:
        thread.join()
    assert turned_away == [429] * 3
    assert slow.count == FAILURES_PER_ADDRESS
    assert attempt(guessers[0], "wrong")[0] == 429
    assert slow.count == FAILURES_PER_ADDRESS


def test_login_before_and_failures_since_are_told(stranger: Visitor, hands: HandClock) -> None:
    assert "Last login" not in attempt(stranger, stranger.password)[1]
    stranger.press(stranger.get("/").form("/logout"), "Log out")
    hands.forward(60)
    attempt(stranger, "wrong", "192.168.1.66")
    text = attempt(stranger, stranger.password)[1]
    assert "Last login: 2026-" in text
    assert "192.168.1.5" in text
    assert "1 wrong password since." in text


def test_others_can_log_in_meanwhile(stranger: Visitor) -> None:
    for _ in range(FAILURES_PER_ADDRESS):
        attempt(stranger, "wrong", "192.168.1.66")
    assert attempt(stranger, stranger.password, "192.168.1.5")[0] == 200


def test_forwarded_headers_do_not_help_to_dodge_the_lock(stranger: Visitor) -> None:
    form = stranger.get("/login").form("/login")
    data = {"csrf": form.value("csrf"), "username": "root", "password": "wrong"}
    codes = [
        stranger.client.post(
            "/login", data=data, headers={"X-Forwarded-For": f"10.0.0.{number}"}
        ).status_code
        for number in range(FAILURES_PER_ADDRESS)
    ]
    assert codes == [401] * (FAILURES_PER_ADDRESS - 1) + [429]


def test_without_a_password_nobody_gets_in_and_the_page_says_what_to_do(
    config: WebConfig, tmp_path: Path
) -> None:
    other = Visitor(create_app(replace(config, password_file=tmp_path / "none")), "")
    page = other.log_in("anything")
    assert page.status == 503
    assert "fwknop-webui passwd --password-file" in page.text


def cookies_of_login(visitor: Visitor, base_url: str) -> dict[str, str]:
    """Log in; the cookies the browser is sent on the way, by name."""
    page = visitor.get("/login", base_url=base_url)
    data = {"csrf": page.form("/login").value("csrf"), "username": "root"}
    data["password"] = visitor.password
    answer = visitor.client.post("/login", data=data, base_url=base_url)
    answers = (page.response, answer)
    sent = [cookie for item in answers for cookie in item.headers.getlist("Set-Cookie")]
    return {cookie.partition("=")[0]: cookie for cookie in sent}


def test_cookie_is_secure_under_tls(stranger: Visitor) -> None:
    assert "Secure" in cookies_of_login(stranger, "https://router.lan")[COOKIE + OVER_TLS]


def test_login_under_tls_leaves_room_for_one_without(stranger: Visitor) -> None:
    # Browsers let no answer over http replace or delete a Secure cookie.
    tls, plain = "https://router.lan", "http://router.lan"
    secure = cookies_of_login(stranger, tls)
    assert all("Secure" in cookie for cookie in secure.values())
    assert not secure.keys() & cookies_of_login(stranger, plain).keys()
    for base_url in (tls, plain):
        assert stranger.client.get("/clients", base_url=base_url).status_code == 200


def test_unencrypted_pages_say_so_except_on_this_very_machine(visitor: Visitor, app: Flask) -> None:
    assert "not encrypted" not in visitor.get("/").text
    remote = Visitor(app, visitor.password)
    assert "not encrypted" in remote.get("/login", base_url="http://router.lan").text
    assert "not encrypted" not in remote.get("/login", base_url="https://router.lan").text
