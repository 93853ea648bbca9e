"""The QR codes of all clients for printing: to whoever knows the password, and a few at a time."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest

from fwknop_webui.qr import draw
from fwknop_webui.sessions import FRESH_SECONDS
from fwknop_webui.views.sheet import PER_SHEET
from tests.web.clock import HandClock
from tests.web.conftest import PASSWORD
from tests.web.test_escaping import PAYLOADS, assert_harmless
from tests.web.visitor import Form, Page, Visitor

MANY = "".join(
    f"\nconfig access 'c{n}'\n\toption SOURCE 'ANY'\n\toption name 'Client {n}'\n"
    f"\toption KEY 'key-of-{n}'\n\toption HMAC_KEY 'other-of-{n}'\n"
    for n in range(PER_SHEET + 2)
)
KINDS = ("key", "other")
STYLES = Path(__file__).parents[2] / "webui/fwknop_webui/static/app.css"


def form_of(page: Page) -> Form:
    """The last of the forms that lead to codes: where there are several, to the next ones."""
    return [form for form in page.forms if form.action == "/sheet"][-1]


def sheet(visitor: Visitor, **typed: str) -> Page:
    return visitor.press(form_of(visitor.get("/clients")), "QR codes to print", **typed)


def drawn(page: Page) -> list[str]:
    return [a["d"] for tag, a in page.tags if tag == "path"]


def payload(number: int) -> str:
    key, hmac_key = (b64encode(f"{kind}-of-{number}".encode()).decode() for kind in KINDS)
    return f"KEY_BASE64:{key} HMAC_KEY_BASE64:{hmac_key}"


def test_each_client_has_a_leaf_of_its_own(
    visitor: Visitor, write_uci: Callable[[str], None]
) -> None:
    write_uci(MANY)
    page = sheet(visitor)
    assert page.status == 200
    assert len(drawn(page)) == PER_SHEET
    assert all(f"Client {n}" in page.text for n in range(PER_SHEET))
    assert page.response.headers["Cache-Control"] == "no-store"
    following = visitor.press(form_of(page), "Next")
    assert len(drawn(following)) == 2
    assert "Client 0" not in following.text
    assert ".leaf { break-after: page; }" in STYLES.read_text()


def test_codes_hold_the_keys_of_their_clients(
    visitor: Visitor, write_uci: Callable[[str], None]
) -> None:
    text = MANY.replace("option KEY ", "option KEY_BASE64 ").replace(
        "HMAC_KEY ", "HMAC_KEY_BASE64 "
    )
    for number in range(PER_SHEET + 2):
        for kind in KINDS:
            plain = f"{kind}-of-{number}"
            text = text.replace(f"'{plain}'", f"'{b64encode(plain.encode()).decode()}'")
    write_uci(text)
    page = sheet(visitor)
    assert drawn(page) == [draw(payload(number)).path for number in range(PER_SHEET)]


def test_the_password_is_asked_for_when_it_was_given_long_ago(
    visitor: Visitor, write_uci: Callable[[str], None], hands: HandClock
) -> None:
    write_uci(MANY)
    hands.forward(FRESH_SECONDS + 1)
    asked = sheet(visitor)
    assert "Give your password again" in asked.text
    assert drawn(asked) == []
    wrong = visitor.press(form_of(asked), "Show QR code", password="wrong password")
    assert (wrong.status, drawn(wrong)) == (401, [])
    shown = visitor.press(form_of(wrong), "Show QR code", password=PASSWORD)
    assert len(drawn(shown)) == PER_SHEET


def test_who_has_no_code_is_told_and_gets_no_leaf(
    visitor: Visitor, write_uci: Callable[[str], None]
) -> None:
    options = ("name 'gpg'", "SOURCE 'ANY'", "GPG_DECRYPT_ID 'ABCD1234'")
    write_uci("\nconfig access 'g'\n" + "".join(f"\toption {option}\n" for option in options))
    page = sheet(visitor)
    assert (page.status, drawn(page)) == (200, [])
    assert "alert-message warning" in page.html
    assert 'leaf"' not in page.html


def test_who_may_not_knock_gets_no_leaf_and_the_log_counts_codes(
    visitor: Visitor, write_uci: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    text = MANY.replace("name 'Client 0'", "name 'Client 0'\n\toption enabled '0'")
    text = text.replace(
        "name 'Client 1'", "name 'Client 1'\n\toption ACCESS_EXPIRE_EPOCH '1000000000'"
    )
    write_uci(text.replace("\toption KEY 'key-of-2'\n\toption HMAC_KEY 'other-of-2'\n", ""))
    with caplog.at_level("INFO"):
        page = sheet(visitor)
    assert len(drawn(page)) == PER_SHEET - 1
    assert "2 clients are left out, as they are disabled or expired." in page.text
    names = page.html.split("<h2>")[1:]
    assert [name.partition("<")[0] for name in names] == [
        f"Client {n}" for n in range(2, PER_SHEET + 2)
    ]
    assert f"The keys of {PER_SHEET - 1} clients are shown to" in caplog.text


def test_what_the_code_cannot_say_is_printed(
    visitor: Visitor, write_uci: Callable[[str], None]
) -> None:
    text = MANY.replace("name 'Client 0'", "name 'Client 0'\n\toption HMAC_DIGEST_TYPE 'sha512'")
    write_uci(text.replace("'key-of-1'", "'key of 1'"))
    page = sheet(visitor)
    first, second = page.html.split('leaf"')[1:3]
    assert "<p>The code can&#39;t say the HMAC type: choose SHA512 in the app.</p>" in first
    assert "can&#39;t say the HMAC type" not in second
    assert "it is the same key" in second


@pytest.mark.parametrize("payload", PAYLOADS[:3])
def test_names_are_text(visitor: Visitor, write_uci: Callable[[str], None], payload: str) -> None:
    quoted = payload.replace("'", "'\\''")
    write_uci(MANY.replace("Client 0", quoted))
    page = sheet(visitor)
    assert page.status == 200
    assert_harmless(page.html)


def test_what_changed_meanwhile_is_not_shown(
    visitor: Visitor, write_uci: Callable[[str], None]
) -> None:
    write_uci(MANY)
    assert sheet(visitor, base="other").status == 409
