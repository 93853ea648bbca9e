"""What the routes promise, whatever is asked and whatever the daemon says: never an error of ours.

The shape of each JSON answer is declared here, and a route that polls without one is a fault. No
OpenAPI document is made for it: it would have to be written by hand all the same, the requests
that matter carry forms and a token, and here the daemon behind the page is made to lie as well.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fwknop_webui.app import create_app
from fwknop_webui.lockout import LOCK_SECONDS
from fwknop_webui.routes import Route
from fwknop_webui.services import WebConfig
from fwknop_webui.views import ROUTES
from tests.web import daemon as stub
from tests.web.clock import HandClock
from tests.web.conftest import PASSWORD, STOCK, web_config
from tests.web.daemon import EXPLANATION, EXPOSED, NOW, STATUS, StubDaemon, door, verdict
from tests.web.test_escaping import PAYLOADS
from tests.web.visitor import Visitor

Check = Callable[[object], bool]

OTHER_WORDS = ["detail", "warnings", "connections", "replay", "section", "line", "reloaded", "cut"]
CONFIGURED = STOCK + "config access 'anna'\n\toption name 'Anna'\n\toption SOURCE 'ANY'\n"


def number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def text(value: object) -> bool:
    return isinstance(value, str)


def truth(value: object) -> bool:
    return isinstance(value, bool)


def plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def object_of(**members: Check) -> Check:
    """A JSON object with just these members."""

    def check(value: object) -> bool:
        return (
            isinstance(value, dict)
            and value.keys() == members.keys()
            and all(members[name](each) for name, each in value.items())
        )

    return check


def map_of(member: Check) -> Check:
    return lambda value: isinstance(value, dict) and all(map(member, value.values()))


def list_of(member: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(member, value))


REGION = object_of(version=lambda value: text(value) and len(str(value)) == 12, html=text)
REGIONS = object_of(now=number, regions=map_of(REGION))
SCHEMAS: dict[str, Check] = {
    "/api/overview": REGIONS,
    "/api/logs": REGIONS,
    "/api/watch": REGIONS,
    "/api/awake": object_of(now=number, csrf=text),
    "/logs.json": object_of(exported=number, events=list_of(map_of(plain)), incomplete=truth),
}
LOGIN = object_of(login=text)


def words_of(value: object) -> Iterator[str]:
    """Every name in these answers of a daemon."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield name
            yield from words_of(each)
    elif isinstance(value, list):
        for each in value:
            yield from words_of(each)


WORDS = sorted({*words_of([STATUS, EXPLANATION, EXPOSED, door(), verdict()]), *OTHER_WORDS})
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from([*PAYLOADS, "2026", "-1", "\0", "\ud800", "1e999", "tcp/22"])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=4), inner, max_size=8)
    ),
    max_leaves=24,
)
OBJECTS = st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=4), JSON, max_size=10)
VERBS = sorted(stub._VERBS)


def bent(usual: object) -> st.SearchStrategy[Any]:
    """What a daemon says, with anything in the place of any part of it."""
    if isinstance(usual, dict):
        members = {name: bent(value) | JSON for name, value in usual.items()}
        return st.fixed_dictionaries({}, optional=members)
    if isinstance(usual, list):
        return st.lists(bent(usual[0]) if usual else OBJECTS, max_size=3)
    return st.just(usual) | SCALARS


ANSWERS = st.fixed_dictionaries(
    {
        "status": bent(STATUS),
        "grants": bent({"now": NOW, "grants": [door()], "past": [door()], "unread": ""}),
        "events": bent({"events": [verdict()], "last": 1}),
        "clients": bent({"clients": [{"number": 1, "label": "Anna", "last_knock": NOW}]}),
        "watched": bent(
            {"now": NOW, "until": NOW, "packets": [{**EXPLANATION, "time": NOW}], "more": 1}
        ),
        "rehearse": bent(EXPLANATION),
        "exposed": bent(EXPOSED),
        "revoke": bent({"revoked": 1, "cut": 2, "spared": 0, "uncut": ""}),
        "reload": bent({"reloaded": True, "problems": [{"file": "x", "line": 3}], "source": "uci"}),
        "watch": OBJECTS,
    }
)
ARGUMENTS = (
    *("doors", "knocks", "status", "log", "watch", "client", "verdict", "event", "span", "from"),
    *("to", "q", "page", "follow", "before", "id", "base", "next", "back", "server", "option"),
)
TEXTS = st.text(max_size=20) | st.sampled_from([*PAYLOADS, "0", "1", "-1", "²", "9" * 400, "\0"])
QUERIES = st.dictionaries(st.sampled_from(ARGUMENTS), TEXTS, max_size=4)


class LyingDaemon(StubDaemon):
    """Says what Hypothesis bids it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.told: dict[str, Any] = {}

    def _verb(self, verb: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
        def answer(_arguments: dict[str, Any]) -> dict[str, Any]:
            # The page reads on until there are no more.
            told = self.told.get(verb)
            return told if isinstance(told, dict) else {}

        return answer


@pytest.fixture(scope="module")
def hands() -> HandClock:
    return HandClock()


@pytest.fixture(scope="module")
def config(
    tmp_path_factory: pytest.TempPathFactory, password_file: Path, hands: HandClock
) -> WebConfig:
    folder = tmp_path_factory.mktemp("contract")
    (folder / "config").mkdir()
    return web_config(folder, password_file, hands)


@pytest.fixture(scope="module")
def app(config: WebConfig) -> Flask:
    config.uci.write_text(CONFIGURED)
    config.uci.chmod(0o600)
    return create_app(config)


@pytest.fixture(scope="module")
def lying(config: WebConfig) -> Iterator[LyingDaemon]:
    running = LyingDaemon(config.control)
    with running:
        yield running


@pytest.fixture(scope="module")
def visitor(app: Flask) -> Visitor:
    found = Visitor(app, PASSWORD)
    assert found.log_in().status == 200
    return found


def usual() -> settings:
    slow = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=20, suppress_health_check=slow)


def path_of(route: Route) -> str:
    return route.rule.replace("<section>", "anna").replace("<name>", "x.css")


def test_every_json_route_has_a_schema() -> None:
    polled = {route.rule for route in ROUTES if route.polled and not route.public}
    told = polled | {route.rule for route in ROUTES if route.rule.endswith(".json")}
    assert told == SCHEMAS.keys()


@usual()
@given(answers=ANSWERS, query=QUERIES, route=st.sampled_from(sorted(SCHEMAS)))
def test_json_keeps_its_shape_whatever_the_daemon_says(
    visitor: Visitor, lying: LyingDaemon, answers: dict[str, Any], query: dict[str, str], route: str
) -> None:
    lying.told = answers
    answer = visitor.client.get(route, query_string=query)
    assert answer.status_code == 200
    assert answer.content_type.partition(";")[0] == "application/json"
    assert SCHEMAS[route](json.loads(answer.data))


@pytest.mark.parametrize("route", sorted(set(SCHEMAS) - {"/logs.json"}))
def test_strangers_are_told_where_to_log_in(app: Flask, route: str) -> None:
    answer = app.test_client().get(route)
    assert answer.status_code == 403
    assert LOGIN(answer.get_json())


@usual()
@given(
    answers=ANSWERS,
    query=QUERIES,
    route=st.sampled_from([route for route in ROUTES if route.method == "GET"]),
)
def test_no_page_breaks_whatever_the_daemon_says(
    visitor: Visitor,
    lying: LyingDaemon,
    answers: dict[str, Any],
    query: dict[str, str],
    route: Route,
) -> None:
    lying.told = answers
    answer = visitor.client.get(path_of(route), query_string=query)
    assert answer.status_code < 500 or answer.status_code == 503, answer.get_data(as_text=True)


@pytest.fixture(scope="module")
def fields(visitor: Visitor, lying: LyingDaemon) -> list[str]:
    """The name of every field of every form there is."""
    lying.told = {}
    found: set[str] = set()
    for route in ROUTES:
        if route.method == "GET" and route.rule != "/static/<name>":
            for form in visitor.get(path_of(route)).forms:
                found |= {name for name, _ in form.fields} | {b[1] for b in form.buttons}
    return sorted(found - {"csrf", ""})


@usual()
@given(data=st.data(), route=st.sampled_from([r for r in ROUTES if r.method == "POST"]))
def test_no_form_breaks_whatever_is_in_it(
    visitor: Visitor,
    hands: HandClock,
    lying: LyingDaemon,
    fields: list[str],
    data: st.DataObject,
    route: Route,
) -> None:
    lying.told = data.draw(ANSWERS)
    if visitor.client.get("/api/awake").status_code != 200:
        # Logged out, and perhaps locked out after all those passwords.
        hands.forward(LOCK_SECONDS)
        visitor.log_in()
    filled = data.draw(st.dictionaries(st.sampled_from(fields), TEXTS, max_size=12))
    base = visitor.get("/clients").main_form()
    filled["csrf"] = base.value("csrf")
    if data.draw(st.booleans()):
        # As of now, so that what is typed is looked at.
        filled["base"] = base.value("base")
    answer = visitor.client.post(path_of(route), data=filled)
    assert answer.status_code < 500 or answer.status_code == 503, answer.get_data(as_text=True)
