"""A router's rpcd that answers with anything: text on the page at most, and no error of ours."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwknop_webui.app import create_app
from fwknop_webui.lockout import LOCK_SECONDS
from fwknop_webui.routes import Route
from fwknop_webui.views import ROUTES
from tests.web.clock import HandClock
from tests.web.conftest import web_config
from tests.web.rpcd import StandIn, sample, usual_users
from tests.web.test_contract import CONFIGURED, JSON, bent, path_of, usual
from tests.web.test_escaping import PAYLOADS, assert_harmless, uci_of
from tests.web.test_rpcd import RouterVisitor

UCI = {
    "anna": {".anonymous": False, ".type": "access", ".name": "anna", ".index": 0, "name": "Anna"},
    "cfg01": {".anonymous": True, ".type": "config", ".name": "cfg01", ".index": 1, "a": ["b"]},
}
LIES = st.fixed_dictionaries(
    {},
    optional={
        "uci get": bent({"values": UCI}),
        "uci changes": bent({"changes": {"fwknopd": [["set", "anna", "name", "x"]]}}),
        "network.interface dump": bent(sample("network.interface.dump-static")),
        "rc list": bent({"fwknopd": {"start": 95, "enabled": True, "running": False}}),
        "session access": bent({"access": True}),
        "session login": bent(sample("session.login")),
        "session get": bent(sample("session.get")),
    },
)


@dataclass
class Liar(StandIn):
    """Tells the truth but for what it is told to say, and whatever it is asked."""

    lies: dict[str, Any] = field(default_factory=dict)
    instead: Any = None
    """All of an answer, whatever the question."""

    def request(self, body: bytes) -> dict[str, Any]:
        answer = super().request(body)
        if self.instead is not None:
            whole: dict[str, Any] = self.instead
            return whole
        name, method, _ = self.calls[-1] if self.calls else ("", "", None)
        lie = self.lies.get(f"{name} {method}")
        return answer if lie is None else {"jsonrpc": "2.0", "id": 1, "result": [0, lie]}


@pytest.fixture(scope="module")
def hands() -> HandClock:
    return HandClock()


@pytest.fixture(scope="module")
def liar() -> Iterator[Liar]:
    with Liar(CONFIGURED, usual_users()).serving() as running:
        assert isinstance(running, Liar)
        yield running


@pytest.fixture(scope="module")
def browser(
    liar: Liar, hands: HandClock, password_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> RouterVisitor:
    folder = tmp_path_factory.mktemp("liar")
    config = web_config(folder, password_file, hands)
    app = create_app(replace(config, rpcd=True, any_address=True))
    return RouterVisitor(app, "", liar.front)


@pytest.fixture
def entered(browser: RouterVisitor, liar: Liar, hands: HandClock) -> RouterVisitor:
    log_in(browser, liar, hands)
    return browser


def log_in(browser: RouterVisitor, liar: Liar, hands: HandClock) -> None:
    liar.lies, liar.instead = {}, None
    if browser.client.get("/api/awake").status_code != 200:
        hands.forward(LOCK_SECONDS)
        assert browser.enter().status == 200


@usual()
@given(
    lies=LIES,
    route=st.sampled_from([r for r in ROUTES if r.rule not in ("/static/<name>", "/logout")]),
)
def test_no_page_breaks_whatever_the_router_says(
    entered: RouterVisitor,
    liar: Liar,
    hands: HandClock,
    caplog: pytest.LogCaptureFixture,
    lies: dict[str, Any],
    route: Route,
) -> None:
    log_in(entered, liar, hands)
    token = entered.get("/clients").main_form().value("csrf")
    liar.lies = lies
    caplog.clear()
    data = {"csrf": token} if route.method == "POST" else None
    answer = entered.client.open(path_of(route), method=route.method, data=data)
    # What rpcd can't be believed in is told as its fault, with a status of its own.
    faults = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert not faults, answer.get_data(as_text=True)


@usual()
@given(instead=JSON | st.builds(lambda r: {"jsonrpc": "2.0", "result": r}, JSON))
def test_an_answer_that_is_none_is_told(
    entered: RouterVisitor,
    liar: Liar,
    hands: HandClock,
    caplog: pytest.LogCaptureFixture,
    instead: Any,
) -> None:
    log_in(entered, liar, hands)
    liar.instead = instead
    caplog.clear()
    for path in ("/clients", "/api/overview"):
        entered.client.get(path)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_a_router_says_becomes_markup(
    payload: str, entered: RouterVisitor, liar: Liar
) -> None:
    told = sample("network.interface.dump-static")
    for network in told["interface"]:
        network |= dict.fromkeys(("interface", "l3_device", "device", "proto"), payload)
    liar.lies = {
        "network.interface dump": told,
        "uci changes": {"changes": {payload: [["set", payload, payload, payload]]}},
    }
    before, liar.text = liar.text, uci_of(payload)
    try:
        for path in ("/", "/clients", "/settings", "/changes", "/advanced", "/clients/a"):
            assert_harmless(entered.get(path).html)
    finally:
        liar.text = before
