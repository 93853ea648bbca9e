"""A field that was left says what the whole form will say, and never more."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwknop_webui.client_fields import FIELDS
from fwknop_webui.client_form import TypedClient, judge, stored_form
from fwknop_webui.client_keys import TypedKeys
from fwknop_webui.field_check import CLIENT, SETTINGS, fault
from fwknop_webui.forms import Widget
from fwknop_webui.settings_form import judge as judge_settings
from fwknop_webui.settings_form import stored_form as stored_settings
from fwknop_webui.staging import Draft
from fwknopd.config.uci_format import parse_uci
from fwknopd.uci_store import Loaded
from tests.web.classic import HMAC, KEY
from tests.web.daemon import StubDaemon
from tests.web.visitor import Visitor

PACKAGE = parse_uci(
    "config access 'anna'\n\toption SOURCE 'ANY'\n\toption name 'Anna'\n"
    f"\toption KEY_BASE64 '{KEY}'\n\toption HMAC_KEY_BASE64 '{HMAC}'\n",
    "fwknopd",
)
LOADED = Loaded(PACKAGE, PACKAGE, "", ())
DRAFT = Draft(LOADED, (), PACKAGE, LOADED)
CHECKED = (Widget.TEXT, Widget.NUMBER)
CLIENT_OPTIONS = [item.option for item in FIELDS if item.widget in CHECKED]
SETTINGS_OPTIONS = [
    bound.name
    for group in stored_settings(PACKAGE).groups
    for bound in group.fields
    if bound.field.widget in CHECKED
]
WORDS = (
    *("tcp/22", "tcp/22 udp/53", "TCP/22,udp/1-5", "tcp/99999", "icmp/8", "22", "any", "ANY"),
    *("192.0.2.7", "192.0.2.0/24", "192.0.2.0/33", "fd00::/8", "10.1", "::1", "0.0.0.0/0"),
    *("0", "1", "30", "-1", "1e3", "³", "86400", "9" * 30, "08:00-18:00", "25:00", "mon tue"),
    *("192.168.1.10 22", "192.168.1.10:22", "root", "no such", "/bin/true %", "/etc", "eth0"),
    *("ABCD1234", "abcd1234", "127.0.0.1:8080", "x" * 1001, "a\tb", "5 # note", "wan lan", "N"),
)
TEXTS = st.one_of(st.sampled_from(WORDS), st.text(max_size=12))


def form_says(option: str, text: str) -> str:
    """What the whole form of a client says beside this field when only it was changed."""
    section = PACKAGE.section("anna")
    values = {**stored_form(section).values, option: text.strip()}
    if option == "OPEN_PORTS":
        values = {**TypedClient.from_form({**values, option: text}, (), section).values}
    typed = TypedClient(values, TypedKeys.from_form({}, generate=False))
    _changed, faulty = judge(typed, DRAFT, section, "fwknopd")
    return faulty.errors.get(option, "") if faulty else ""


def settings_say(option: str, text: str) -> str:
    values = {**stored_settings(PACKAGE).values, option: text.strip()}
    _changed, faulty = judge_settings(values, DRAFT, "fwknopd")
    return faulty.errors.get(option, "") if faulty else ""


@given(st.sampled_from(CLIENT_OPTIONS), TEXTS)
def test_field_of_a_client_says_nothing_else_than_its_form(option: str, text: str) -> None:
    found = fault(CLIENT, option, text)
    assert found in ("", form_says(option, text))


@given(st.sampled_from(SETTINGS_OPTIONS), TEXTS)
def test_field_of_the_settings_says_nothing_else_than_their_form(option: str, text: str) -> None:
    found = fault(SETTINGS, option, text)
    assert found in ("", settings_say(option, text))


@pytest.mark.parametrize(
    ("form", "option", "text"),
    [
        (CLIENT, "OPEN_PORTS", "tcp/99999"),
        (CLIENT, "SOURCE", "192.0.2.0/33"),
        (CLIENT, "FW_ACCESS_TIMEOUT", "soon"),
        (CLIENT, "allowed_hours", "25:00-26:00"),
        (CLIENT, "FORCE_NAT", "192.168.1.10:22"),
        (SETTINGS, "spa_port", "70000"),
        (SETTINGS, "MAX_SPA_PACKET_AGE", "-1"),
        (SETTINGS, "session_idle", "1"),
        (SETTINGS, "network", "br-lan!"),
    ],
)
def test_what_the_form_refuses_is_said_beside_the_field(form: str, option: str, text: str) -> None:
    said = form_says(option, text) if form == CLIENT else settings_say(option, text)
    assert fault(form, option, text) == said != ""


def test_each_form_reads_its_fields_its_own_way() -> None:
    assert fault(CLIENT, "OPEN_PORTS", ", tcp/22 ,") == ""
    assert fault("access", "OPEN_PORTS", "tcp/99999") != ""
    assert fault("server", "MAX_SPA_PACKET_AGE", "x") != ""
    assert fault("nobody", "OPEN_PORTS", "x") == fault(CLIENT, "NOTHING", "x") == ""
    assert fault(CLIENT, "KEY_BASE64", "no base64!") == ""


def test_page_answers_in_its_reader_s_language(visitor: Visitor, daemon: StubDaemon) -> None:
    csrf = visitor.get("/settings").form("/settings").value("csrf")
    typed = {"csrf": csrf, "form": "client", "option": "SOURCE", "value": "<nowhere>"}
    german = {"Accept-Language": "de"}
    answer = visitor.client.post("/api/check", data=typed, headers=german)
    assert json.loads(answer.data)["error"].startswith("Erwartet")
    several = {**typed, "value": ["192.0.2.7", "<nowhere>", "10.1"]}
    answer = visitor.client.post("/api/check", data=several, headers=german)
    told = json.loads(answer.data)
    assert [bool(fault) for fault in told["faults"]] == [False, True, False]
    assert told["error"] == told["faults"][1]
    assert visitor.client.post("/api/check", data={**typed, "csrf": "x"}).status_code == 403
