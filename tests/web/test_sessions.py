"""How long a login lasts."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from fwknop_webui.sessions import (
    ABSOLUTE_SECONDS,
    FRESH_SECONDS,
    IDLE_SECONDS,
    MAX_SESSIONS,
    SessionStore,
)
from tests.timing import quickest
from tests.web.clock import HandClock
from tests.web.daemon import StubDaemon
from tests.web.test_clients import add, sections
from tests.web.visitor import Visitor


def test_ends_when_nothing_happens() -> None:
    clock = HandClock()
    store = SessionStore(clock.monotonic)
    session = store.create("root")
    clock.forward(IDLE_SECONDS - 1)
    assert store.find(session.id) is session
    clock.forward(IDLE_SECONDS)
    assert store.find(session.id) is None


def test_polling_does_not_keep_it_alive() -> None:
    clock = HandClock()
    store = SessionStore(clock.monotonic)
    session = store.create("root")
    clock.forward(IDLE_SECONDS / 2)
    assert store.find(session.id, touch=False)
    clock.forward(IDLE_SECONDS / 2)
    assert store.find(session.id) is None


def test_ends_after_twelve_hours_however_busy() -> None:
    clock = HandClock()
    store = SessionStore(clock.monotonic)
    session = store.create("root")
    for _ in range(int(ABSOLUTE_SECONDS / 1800) - 1):
        clock.forward(1800)
        assert store.find(session.id)
    clock.forward(1800)
    assert store.find(session.id) is None


def test_closed_is_closed() -> None:
    store = SessionStore(HandClock().monotonic)
    session = store.create("root")
    store.close(session.id)
    assert store.find(session.id) is None


def test_ids_and_tokens_are_all_different() -> None:
    store = SessionStore(HandClock().monotonic)
    sessions = [store.create("root") for _ in range(10)]
    assert len({value for item in sessions for value in (item.id, item.csrf)}) == 20


def test_number_is_bounded_and_the_least_used_goes_first() -> None:
    clock = HandClock()
    store = SessionStore(clock.monotonic)
    sessions = []
    for _ in range(MAX_SESSIONS):
        clock.forward(1)
        sessions.append(store.create("root"))
    clock.forward(1)
    assert store.find(sessions[0].id)
    newest = store.create("root")
    assert store.find(sessions[1].id) is None
    assert store.find(sessions[0].id) and store.find(newest.id)


def test_password_is_fresh_for_ten_minutes() -> None:
    clock = HandClock()
    store = SessionStore(clock.monotonic)
    session = store.create("root")
    clock.forward(FRESH_SECONDS - 1)
    assert store.fresh(session)
    clock.forward(1)
    assert not store.fresh(session)
    store.refresh(session)
    assert store.fresh(session)


def test_nothing_secret_in_a_session_s_repr() -> None:
    session = SessionStore(HandClock().monotonic).create("root")
    assert session.id not in repr(session)
    assert session.csrf not in repr(session)


def test_apply_that_hangs_does_not_make_every_click_hang(
    visitor: Visitor, daemon: StubDaemon, uci: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fwknop_webui.security.BUSY_SECONDS", 0.05)
    form = visitor.get("/clients/add").main_form()
    held, finish = threading.Event(), threading.Event()

    def hang() -> None:
        held.set()
        assert finish.wait(60)

    daemon.on_reload = hang
    hanging = threading.Thread(target=add, args=(visitor,), kwargs={"name": "Anna"})
    hanging.start()
    assert held.wait(60)
    page = visitor.press(form, "Save", name="Bert")
    finish.set()
    hanging.join()
    assert page.status == 503
    assert "Still at work" in page.text
    assert [section.get("name") for section in sections(uci)] == ["", "Anna"]
    assert add(visitor, "Save", name="Carla").status == 200


def test_daemon_that_hangs_is_not_called_stopped(visitor: Visitor, daemon: StubDaemon) -> None:
    held, finish = threading.Event(), threading.Event()

    def hang() -> None:
        held.set()
        assert finish.wait(60)

    def look() -> float:
        started = time.monotonic()
        text = visitor.get("/settings").text
        took = time.monotonic() - started
        assert "Daemon doesn't answer" in text
        assert "Daemon not running" not in text
        return took

    daemon.on_reload = hang
    hanging = threading.Thread(target=add, args=(visitor,), kwargs={"name": "Anna"})
    hanging.start()
    assert held.wait(60)
    try:
        assert quickest(3, look) < 3
    finally:
        finish.set()
        hanging.join()
