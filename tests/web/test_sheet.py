"""QR codes for printing: whose they are, one leaf for each, and only to who knows the password."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NoReturn
from unittest.mock import Mock

import pytest
from flask import Flask
from werkzeug.test import EnvironBuilder
from werkzeug.wsgi import ClosingIterator

from fwknop_webui.app import create_app
from fwknop_webui.qr import QrPicture, draw
from fwknop_webui.security import COOKIE
from fwknop_webui.services import EXTENSION, WebConfig
from fwknop_webui.sessions import FRESH_SECONDS
from fwknop_webui.staging import Staging
from tests.web.clock import HandClock
from tests.web.conftest import PASSWORD, web_config
from tests.web.test_escaping import PAYLOADS, assert_harmless
from tests.web.visitor import Form, Page, Visitor

COUNT = 6
MANY = "".join(
    f"\nconfig access 'c{n}'\n\toption SOURCE 'ANY'\n\toption name 'Client {n}'\n"
    f"\toption KEY 'key-of-{n}'\n\toption HMAC_KEY 'other-of-{n}'\n"
    for n in range(COUNT)
)
KINDS = ("key", "other")
Write = Callable[[str], None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("sheet")
    (made / "config").mkdir()
    return made


@pytest.fixture(scope="module")
def uci(folder: Path) -> Path:
    return folder / "config" / "fwknopd"


@pytest.fixture(scope="module")
def hands() -> HandClock:
    return HandClock()


@pytest.fixture(scope="module")
def config(folder: Path, password_file: Path, hands: HandClock) -> WebConfig:
    return web_config(folder, password_file, hands)


@pytest.fixture(scope="module")
def app(config: WebConfig) -> Flask:
    return create_app(config)


@pytest.fixture(scope="module")
def logged_in(app: Flask, uci: Path) -> Visitor:
    """One login for all, for each costs what a password costs."""
    uci.touch(mode=0o600)
    uci.write_text(MANY)
    made = Visitor(app, PASSWORD)
    assert made.log_in().status == 200
    return made


@pytest.fixture
def visitor(logged_in: Visitor, app: Flask) -> Visitor:
    """As if it had just been."""
    sessions = app.extensions[EXTENSION].sessions
    for session in sessions._sessions.values():
        session.staging, session.held, session.notices = Staging(), None, []
        session.imported = frozenset()
        sessions.refresh(session)
    return logged_in


def form_of(page: Page) -> Form:
    return page.form("/sheet")


def choose(visitor: Visitor, path: str = "/clients", **ticked: str | list[str]) -> Page:
    """The page that asks whose codes."""
    return visitor.press(visitor.get(path).row_form("/sheet"), "QR codes to print", **ticked)


def sheet(visitor: Visitor, which: str = "all", **typed: str | list[str]) -> Page:
    return visitor.press(form_of(choose(visitor)), "Show QR codes", which=which, **typed)


def names(page: Page) -> list[str]:
    """Those on the leaves, in their order."""
    return [part.partition("<")[0].strip() for part in page.html.split("<h2>")[1:]]


def clients(*numbers: int) -> list[str]:
    return [f"Client {n}" for n in numbers]


def drawn(page: Page) -> list[str]:
    return [a["d"] for tag, a in page.tags if tag == "path"]


def payload(number: int) -> str:
    key, hmac_key = (b64encode(f"{kind}-of-{number}".encode()).decode() for kind in KINDS)
    return f"KEY_BASE64:{key} HMAC_KEY_BASE64:{hmac_key}"


def suggestion(page: Page) -> str:
    return form_of(page).value("which")


def test_all_come_as_one_document_with_a_leaf_for_each(visitor: Visitor, write_uci: Write) -> None:
    write_uci(MANY)
    asked = choose(visitor)
    assert (suggestion(asked), drawn(asked)) == ("all", [])
    page = sheet(visitor)
    assert page.status == 200
    assert names(page) == clients(*range(COUNT))
    assert len(drawn(page)) == COUNT
    assert f"{COUNT} codes, each on a page of its own" in page.text
    assert page.html.rstrip().endswith("</html>")
    assert page.response.headers["Cache-Control"] == "no-store"
    assert page.response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "Content-Length" not in page.response.headers


def test_those_that_are_ticked(visitor: Visitor, write_uci: Write) -> None:
    write_uci(MANY)
    asked = choose(visitor, client=["c5", "c2", "gone"])
    assert "2 clients, ticked on Clients" in asked.text
    assert suggestion(asked) == "ticked"
    assert names(visitor.press(form_of(asked), "Show QR codes")) == clients(2, 5)


def test_those_that_fit_the_search(visitor: Visitor, write_uci: Write) -> None:
    write_uci(MANY.replace("name 'Client 3'", "name 'Client 3'\n\toption enabled '0'"))
    asked = choose(visitor, "/clients?q=client+1")
    assert suggestion(asked) == "found"
    assert names(visitor.press(form_of(asked), "Show QR codes")) == clients(1)
    again = choose(visitor, "/clients?state=disabled")
    assert suggestion(again) == "found"
    shown = visitor.press(form_of(again), "Show QR codes")
    assert (names(shown), shown.status) == ([], 200)
    assert "There is no code to print." in shown.text
    none = sheet(visitor, "found", q="nobody")
    assert (none.status, names(none)) == (422, [])
    assert "No client fits the search." in none.text
    assert form_of(none).value("q") == "nobody"


def test_some_in_a_row(visitor: Visitor, write_uci: Write) -> None:
    write_uci(MANY)
    assert names(sheet(visitor, "range", first="3", last="5")) == clients(2, 3, 4)
    assert names(sheet(visitor, "range", first="5", last="")) == clients(4, 5)
    assert len(names(sheet(visitor, "range", first="", last="2"))) == 2


NO_ROWS = (("0", "2"), ("3", "2"), ("1", "7"), ("x", "2"), ("\u00b2", "3"), ("1", "9" * 9))


def test_a_row_that_is_none_is_said(visitor: Visitor, write_uci: Write) -> None:
    write_uci(MANY)
    for first, last in NO_ROWS:
        page = sheet(visitor, "range", first=first, last=last)
        assert (page.status, names(page)) == (422, [])
        assert f"two numbers from 1 to {COUNT}" in page.text
        assert form_of(page).value("last") == last


@pytest.mark.parametrize(
    ("typed", "way", "said"),
    [
        ({"q": "client 3"}, "found", "Search: filled in"),
        ({"state": "expired"}, "found", "State: filled in"),
        ({"first": "2"}, "range", "From number, to number: filled in"),
        ({"last": "2"}, "range", "From number, to number: filled in"),
    ],
    ids=["search", "state", "first", "last"],
)
def test_what_is_filled_in_and_not_chosen_is_asked_about(
    visitor: Visitor, write_uci: Write, typed: dict[str, str], way: str, said: str
) -> None:
    write_uci(MANY)
    page = sheet(visitor, "all", **typed)
    assert (page.status, names(page)) == (422, [])
    assert said in page.text
    assert suggestion(page) == way
    [(name, value)] = typed.items()
    assert form_of(page).value(name) == value


def test_those_that_were_imported_last(visitor: Visitor, write_uci: Write) -> None:
    write_uci(MANY)
    assert "imported last" not in visitor.get("/clients").text
    form = visitor.get("/import").form("/import/check")
    stanzas = "".join(f"# New {n}\nSOURCE ANY\nKEY new-{n}\nHMAC_KEY and-{n}\n" for n in range(2))
    page = visitor.press(form, "Look at it", access_text=stanzas)
    page = visitor.press(page.form("/import/confirm"), "Import what is ticked")
    assert "QR codes of the 2 clients imported last" in page.text
    visitor.press(visitor.get("/changes").form("/changes/apply"), "Save & Apply")
    page = visitor.get("/clients")
    [link] = [link for link in page.links if "which=imported" in link]
    asked = visitor.get(link)
    assert suggestion(asked) == "imported"
    assert names(visitor.press(form_of(asked), "Show QR codes")) == ["New 0", "New 1"]


def test_a_search_of_the_script_is_carried_along(visitor: Visitor, write_uci: Write) -> None:
    write_uci(MANY)
    # The field itself is in the form, whatever the script makes of what is typed in it.
    form = visitor.get("/clients?q=client").row_form("/sheet")
    asked = visitor.press(form, "QR codes to print", q="client 1")
    assert suggestion(asked) == "found"
    assert names(visitor.press(form_of(asked), "Show QR codes")) == clients(1)


def test_nobody_is_nobody(visitor: Visitor, write_uci: Write) -> None:
    write_uci(MANY)
    for which in ("ticked", "imported"):
        page = sheet(visitor, which)
        assert (page.status, drawn(page)) == (422, [])


def test_one_document_is_drawn_at_a_time(
    visitor: Visitor, write_uci: Write, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_uci(MANY)
    monkeypatch.setattr("fwknop_webui.views.sheet.BUSY_SECONDS", 0.0)
    drawing = app.extensions[EXTENSION].drawing
    with drawing:
        page = sheet(visitor)
        assert (page.status, drawn(page)) == (503, [])
        assert "Another sheet is being drawn just now" in page.text
    assert len(drawn(sheet(visitor))) == COUNT
    # Somebody who goes away in the middle of it leaves the turn to others, too.
    form = form_of(choose(visitor))
    answer = visitor.client.post(
        "/sheet", data={**dict(form.fields), "which": "all"}, buffered=False
    )
    assert next(iter(answer.response))
    assert drawing.locked()
    assert visitor.get("/clients").status == 200
    answer.close()
    assert not drawing.locked()
    # And so does who goes before the first byte of it.
    cookie = visitor.client.get_cookie(COOKIE)
    assert cookie
    environ = EnvironBuilder(
        "/sheet",
        method="POST",
        data={**dict(form.fields), "which": "all"},
        headers=[("Host", "localhost"), ("Cookie", f"{COOKIE}={cookie.value}")],
    ).get_environ()
    begin = Mock()
    unread = app.wsgi_app(environ, begin)
    assert isinstance(unread, ClosingIterator)
    assert begin.call_args.args[0] == "200 OK"
    assert drawing.locked()
    unread.close()
    assert not drawing.locked()
    assert len(drawn(sheet(visitor))) == COUNT


def fail(*_arguments: object, **_named: object) -> NoReturn:
    raise OSError(5, "Input/output error")


FAULTS = {
    "the template": [("fwknop_webui.pages.stream_template", fail)],
    "a hook behind it": [("fwknop_webui.security.HEADERS", 1)],
    "both, and the page that says so": [
        ("fwknop_webui.pages.stream_template", fail),
        ("fwknop_webui.errors.render", fail),
    ],
    "what comes before it": [("fwknop_webui.views.sheet.let_go", fail)],
    "a code": [("fwknop_webui.qr.draw", fail)],
}


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
def test_whatever_fails_the_next_one_may_have_a_sheet(
    visitor: Visitor, write_uci: Write, app: Flask, faults: list[tuple[str, object]]
) -> None:
    write_uci(MANY)
    form = form_of(choose(visitor))
    with pytest.MonkeyPatch.context() as patch, suppress(OSError):
        for place, broken in faults:
            patch.setattr(place, broken)
        data = {**dict(form.fields), "which": "all"}
        assert visitor.client.post("/sheet", data=data, buffered=True).status_code == 500
    assert not app.extensions[EXTENSION].drawing.locked()
    assert len(drawn(sheet(visitor))) == COUNT


@pytest.fixture
def slow_drawing(hands: HandClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each code takes a quarter of a minute."""

    def slowly(text: str) -> QrPicture:
        hands.forward(15)
        return draw(text)

    monkeypatch.setattr("fwknop_webui.qr.draw", slowly)


def test_a_slow_router_gives_what_it_can_in_time_and_then_the_rest(
    config: WebConfig, write_uci: Write, slow_drawing: None
) -> None:
    """uhttpd would cut the document off, and nobody would know who is missing."""
    write_uci(MANY)
    behind = Visitor(create_app(replace(config, is_behind=True)), PASSWORD)
    behind.log_in()
    page = sheet(behind)
    assert names(page) == clients(0, 1, 2)
    assert f"here are 3 of {COUNT} codes" in page.text
    assert page.html.rstrip().endswith("</html>")
    [rest] = [form for form in page.forms if form.buttons and "Go on" in form.buttons[0][0]]
    page = behind.press(rest, "Go on with the other 3")
    assert names(page) == clients(3, 4, 5)
    assert "Go on" not in page.text
    again = behind.press(form_of(page), "Show again")
    assert names(again) == clients(3, 4, 5)


def test_who_expires_between_the_parts_takes_no_page_from_others(
    config: WebConfig, write_uci: Write, hands: HandClock, slow_drawing: None
) -> None:
    ends = f"\n\toption ACCESS_EXPIRE_EPOCH '{int(hands.wall() + 100)}'"
    text = MANY
    for number in (1, 2, 4):
        text = text.replace(f"'Client {number}'", f"'Client {number}'{ends}")
    write_uci(text)
    behind = Visitor(create_app(replace(config, is_behind=True)), PASSWORD)
    behind.log_in()
    page = behind.press(form_of(choose(behind)), "Show QR codes", which="found", state="enabled")
    assert names(page) == clients(0, 1, 2)
    [rest] = [form for form in page.forms if form.buttons and "Go on" in form.buttons[0][0]]
    hands.forward(100)
    page = behind.press(rest, "Go on with the other 3", which="all")
    assert names(page) == clients(3, 5)
    assert "1 client is left out, as it is disabled or expired." in page.text
    # The last one that had a page is not among those found any more: it is known by its place.
    assert names(behind.press(rest, "Go on with the other 3")) == clients(3, 5)
    # Nobody is behind the last one, nor behind one there never was.
    for last in ("6", "99999"):
        none = behind.press(rest, "Go on with the other 3", after=last)
        assert (none.status, names(none)) == (422, [])


def test_places_in_a_list_that_was_changed_are_nobodys(visitor: Visitor, write_uci: Write) -> None:
    write_uci(MANY)
    form = form_of(choose(visitor, client=["c1"]))
    visitor.press(visitor.get("/clients/c1/delete").main_form(), "Delete")
    page = visitor.press(form, "Show QR codes", after="2")
    assert (page.status, names(page)) == (409, [])
    assert "The clients were changed meanwhile. Choose once more" in page.text
    assert names(visitor.press(form_of(page), "Show QR codes")) == clients(0, 2, 3, 4, 5)


def test_codes_hold_the_keys_of_their_clients(visitor: Visitor, write_uci: Write) -> None:
    text = MANY.replace("option KEY ", "option KEY_BASE64 ").replace(
        "HMAC_KEY ", "HMAC_KEY_BASE64 "
    )
    for number in range(COUNT):
        for kind in KINDS:
            plain = f"{kind}-of-{number}"
            text = text.replace(f"'{plain}'", f"'{b64encode(plain.encode()).decode()}'")
    write_uci(text)
    assert drawn(sheet(visitor)) == [draw(payload(number)).path for number in range(COUNT)]


def test_the_password_is_asked_for_when_it_was_given_long_ago(
    visitor: Visitor, write_uci: Write, hands: HandClock
) -> None:
    write_uci(MANY)
    hands.forward(FRESH_SECONDS + 1)
    asked = visitor.press(form_of(choose(visitor, client=["c3", "c4"])), "Show QR codes")
    assert "Give your password again" in asked.text
    assert "2 clients" in asked.text
    assert drawn(asked) == []
    wrong = visitor.press(form_of(asked), "Show QR code", password="wrong password")
    assert (wrong.status, drawn(wrong)) == (401, [])
    shown = visitor.press(form_of(wrong), "Show QR code", password=PASSWORD)
    assert names(shown) == clients(3, 4)
    # Hidden again after a while, and shown again: the same.
    assert names(visitor.press(form_of(shown), "Show again")) == clients(3, 4)


def test_who_has_no_code_is_told_and_gets_no_leaf(visitor: Visitor, write_uci: Write) -> None:
    options = ("name 'gpg'", "SOURCE 'ANY'", "GPG_DECRYPT_ID 'ABCD1234'")
    write_uci("\nconfig access 'g'\n" + "".join(f"\toption {option}\n" for option in options))
    page = sheet(visitor)
    assert (page.status, drawn(page)) == (200, [])
    assert "1 client has no code" in page.text
    assert "for this client" in page.text
    assert 'leaf"' not in page.html


def test_who_may_not_knock_gets_no_leaf_and_the_log_counts_codes(
    visitor: Visitor, write_uci: Write, caplog: pytest.LogCaptureFixture
) -> None:
    text = MANY.replace("name 'Client 0'", "name 'Client 0'\n\toption enabled '0'")
    text = text.replace(
        "name 'Client 1'", "name 'Client 1'\n\toption ACCESS_EXPIRE_EPOCH '1000000000'"
    )
    text = text.replace("\toption KEY 'key-of-2'\n\toption HMAC_KEY 'other-of-2'\n", "")
    write_uci(text.replace("'key-of-3'", f"'{'x' * 3000}'"))
    with caplog.at_level("INFO"):
        page = sheet(visitor)
    assert "2 clients are left out, as they are disabled or expired." in page.text
    assert "2 clients have no code" in page.text
    assert names(page) == clients(*range(4, COUNT))
    assert f"The keys of {COUNT - 4} clients are shown to" in caplog.text


def test_what_the_code_cannot_say_is_printed(visitor: Visitor, write_uci: Write) -> None:
    text = MANY.replace("name 'Client 0'", "name 'Client 0'\n\toption HMAC_DIGEST_TYPE 'sha512'")
    write_uci(text.replace("'key-of-1'", "'key of 1'"))
    page = sheet(visitor)
    first, second = page.html.split('leaf"')[1:3]
    assert "<p>The code can&#39;t say the HMAC type: choose SHA512 in the app.</p>" in first
    assert "can&#39;t say the HMAC type" not in second
    assert "it is the same key" in second


def test_names_are_text(visitor: Visitor, write_uci: Write) -> None:
    quoted = [payload.replace("'", "'\\''") for payload in PAYLOADS[:3]]
    write_uci("".join(MANY.replace("Client 0", text).replace("'c0'", "'x'") for text in quoted))
    assert_harmless(sheet(visitor).html)
    for payload in PAYLOADS[:3]:
        for page in (
            sheet(visitor, payload, client=[payload]),
            sheet(visitor, "found", q=payload, state=payload),
            sheet(visitor, "range", first=payload),
        ):
            assert page.status in (200, 422)
            assert_harmless(page.html)


def test_what_changed_meanwhile_is_not_shown(visitor: Visitor, write_uci: Write) -> None:
    write_uci(MANY)
    assert sheet(visitor, base="other").status == 409
    form = form_of(choose(visitor))
    write_uci(MANY.replace("Client 1'", "Somebody'"))
    assert visitor.press(form, "Show QR codes", which="all").status == 409
