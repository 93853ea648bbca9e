"""Keys: made, replaced, shown as a QR code to whoever knows the password, and nowhere else."""

from __future__ import annotations

import base64
import re
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fwknop_webui.lockout import FAILURES_PER_ADDRESS
from fwknop_webui.qr import draw
from fwknop_webui.sessions import FRESH_SECONDS
from fwknopd.config.uci_format import UciSection, parse_uci
from tests.web.clock import HandClock
from tests.web.daemon import StubDaemon
from tests.web.test_clients import ANNA, add, edit, values
from tests.web.visitor import Page, Visitor

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
HMAC = "oKGio6SlpqeoqaqrrK2ur7CxsrO0tba3uLm6u7y9vr8="
OTHER = base64.b64encode(bytes(range(64, 96))).decode()


@pytest.fixture(autouse=True)
def with_clients(write_uci: Callable[[str], None]) -> None:
    write_uci(ANNA)


def clients(uci: Path) -> tuple[UciSection, ...]:
    return parse_uci(uci.read_text(), str(uci)).of_type("access")


def show(visitor: Visitor, section: str, **typed: str) -> Page:
    form = visitor.get("/clients").row_form(f"/clients/{section}/qr")
    (button,) = [text for text, *_ in form.buttons]
    return visitor.press(form, button, **typed)


def drawn(page: Page) -> str:
    (path,) = [a["d"] for t, a in page.tags if t == "path"]
    return path


def test_code_holds_exactly_the_keys_of_the_client(visitor: Visitor, uci: Path) -> None:
    page = show(visitor, clients(uci)[0].id)
    assert drawn(page) == draw(f"KEY_BASE64:{KEY} HMAC_KEY_BASE64:{HMAC}").path
    page = show(visitor, "bert")
    assert drawn(page) == draw("KEY_BASE64:YSBwYXNzcGhyYXNl").path


def test_button_of_an_old_list_shows_the_list_of_now(
    visitor: Visitor, uci: Path, write_uci: Callable[[str], None]
) -> None:
    anna = clients(uci)[0].id
    form = visitor.get("/clients").row_form(f"/clients/{anna}/qr")
    write_uci(ANNA.replace("'Anna'", "'Else'"))
    page = visitor.press(form, form.buttons[0][0])
    assert page.status == 409
    assert "Nothing was done: the clients were changed since this page was opened" in page.text
    assert "Else" in page.text and not [tag for tag, _ in page.tags if tag == "svg"]
    again = page.row_form(f"/clients/{anna}/qr")
    assert visitor.press(again, again.buttons[0][0]).status == 200


def test_code_is_drawn_for_scanners(visitor: Visitor, uci: Path) -> None:
    page = show(visitor, clients(uci)[0].id)
    (svg,) = [a for t, a in page.tags if t == "svg"]
    (rect,) = [a for t, a in page.tags if t == "rect"]
    side = int(svg["viewbox"].split()[2])
    assert int(svg["width"]) >= 4 * side
    assert rect["fill"] == "#ffffff"
    assert {a["fill"] for t, a in page.tags if t == "path"} == {"#000000"}


def test_what_the_code_can_not_carry_stands_beside_it(visitor: Visitor, uci: Path) -> None:
    page = show(visitor, clients(uci)[0].id)
    for text in ("62201", "tcp/22, tcp/8443", "SHA256", "Resolve IP", "Capture QR"):
        assert text in page.text


def test_key_the_app_would_cut_is_written_another_way_and_told(visitor: Visitor) -> None:
    text = show(visitor, "bert").text
    assert "the code holds KEY as base64: it is the same key" in text
    assert "KEY_BASE64 YSBwYXNzcGhyYXNl" in text, "other clients get the same"


@pytest.mark.parametrize("key", ["a:b", " lead", "trail ", "käse", "ab"])
def test_every_passphrase_reaches_the_phone_whole(
    key: str, visitor: Visitor, write_uci: Callable[[str], None]
) -> None:
    write_uci(ANNA.replace("a passphrase", key))
    page = show(visitor, "bert")
    payload = f"KEY_BASE64:{base64.b64encode(key.encode()).decode()}"
    assert drawn(page) == draw("KEY:ab" if key == "ab" else payload).path
    assert ("it is the same key" in page.text) == (key != "ab")


def test_base64_without_padding_gets_it(visitor: Visitor, write_uci: Callable[[str], None]) -> None:
    write_uci(ANNA.replace(KEY, KEY.rstrip("=")))
    page = show(visitor, parse_uci(ANNA, "").of_type("access")[0].id)
    assert drawn(page) == draw(f"KEY_BASE64:{KEY} HMAC_KEY_BASE64:{HMAC}").path
    assert "KEY_BASE64 as base64" in page.text


def test_server_of_one_word_is_no_server_for_the_app(visitor: Visitor, uci: Path) -> None:
    page = show(visitor, clients(uci)[0].id, server="router")
    assert "The app takes only names with a dot" in page.text


def test_showing_keys_is_logged_without_them(
    visitor: Visitor, uci: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        show(visitor, clients(uci)[0].id)
    assert "The keys of client Anna are shown to" in caplog.text
    assert KEY not in caplog.text


def test_gpg_client_is_told_that_no_code_can_hold_its_keys(
    visitor: Visitor, write_uci: Callable[[str], None]
) -> None:
    write_uci(
        ANNA.replace("KEY 'a passphrase'", "GPG_ALLOW_NO_PW 'Y'\n\toption GPG_REMOTE_ID 'BF48D714'")
    )
    page = show(visitor, "bert")
    assert page.status == 422
    assert "export the router's public key" in page.text


def test_other_hmac_type_must_be_set_by_hand(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    section = clients(uci)[0].id
    edit(visitor, section, HMAC_DIGEST_TYPE="sha512")
    assert "choose SHA512 in the app" in show(visitor, section).text


def test_port_beside_the_code_is_the_configured_one(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    form = visitor.get("/settings").form("/settings")
    visitor.press(form, "Save & Apply", spa_port="12345")
    page = show(visitor, clients(uci)[0].id)
    assert "12345" in page.text
    assert re.search(r"SPA_SERVER_PORT\s+12345", page.text)


@pytest.mark.client
def test_real_client_knocks_with_the_shown_stanza(
    visitor: Visitor, uci: Path, tmp_path: Path
) -> None:
    page = show(visitor, clients(uci)[0].id, server="198.51.100.1")
    stanza = re.search(r'<pre id="copy-rc">(.*?)</pre>', page.html, re.DOTALL)
    command = re.search(r'<pre id="copy-command">(.*?)</pre>', page.html, re.DOTALL)
    assert stanza and command
    rc = tmp_path / "fwknoprc"
    rc.write_text(re.sub(r"<[^>]+>", "", stanza[1]))
    rc.chmod(stat.S_IRUSR | stat.S_IWUSR)
    words = [*command[1].split(), "--rc-file", str(rc), "--test", "-v", "-a", "192.0.2.7"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "198.51.100.1" in done.stdout
    assert "192.0.2.7,tcp/22,tcp/8443" in done.stdout


@pytest.mark.parametrize("server", ["a b", "x\nKEY y", "<b>", "a/b", "$(id)"])
def test_odd_server_name_is_refused_and_not_used(server: str, visitor: Visitor, uci: Path) -> None:
    page = show(visitor, clients(uci)[0].id, server=server)
    assert "Expecting: a host name" in page.text
    stanza = page.html.split('id="copy-rc">')[1].split("</pre>")[0]
    assert "router.example.net" in stanza
    assert "$(id)" not in stanza


def test_server_name_is_remembered_for_the_next_client(visitor: Visitor, uci: Path) -> None:
    show(visitor, clients(uci)[0].id, server="home.example.org")
    assert "home.example.org" in show(visitor, "bert").html


def test_keys_are_shown_only_after_a_recent_password(
    visitor: Visitor, uci: Path, hands: HandClock
) -> None:
    section = clients(uci)[0].id
    hands.forward(FRESH_SECONDS)
    page = show(visitor, section)
    assert "Give your password again" in page.text
    assert "<path" not in page.html
    form = page.form(f"/clients/{section}/qr")
    page = visitor.press(form, "Show QR code", password="wrong")
    assert page.status == 401
    assert "<path" not in page.html
    page = visitor.press(form, "Show QR code", password=visitor.password)
    assert "<path" in page.html
    assert "<path" in show(visitor, section).html


def test_guessing_the_password_there_locks_as_well(
    visitor: Visitor, uci: Path, hands: HandClock
) -> None:
    section = clients(uci)[0].id
    hands.forward(FRESH_SECONDS)
    form = show(visitor, section).form(f"/clients/{section}/qr")
    for _ in range(FAILURES_PER_ADDRESS):
        visitor.press(form, "Show QR code", password="wrong")
    page = visitor.press(form, "Show QR code", password=visitor.password)
    assert page.status == 429
    assert "<path" not in page.html


def test_code_can_not_be_had_by_an_address(visitor: Visitor, uci: Path) -> None:
    assert visitor.get(f"/clients/{clients(uci)[0].id}/qr").status == 405


def test_client_without_keys_has_nothing_to_show(visitor: Visitor, uci: Path) -> None:
    uci.write_text(ANNA.replace(KEY, "__CHANGEME__"))
    page, action = visitor.get("/clients"), f"/clients/{clients(uci)[0].id}/qr"
    form = page.form("/clients")
    assert action not in [button[3] for button in form.buttons]
    page = visitor.post(action, dict(form.fields))
    assert page.status == 422
    assert "Generate" in page.text


def test_new_keys_are_made_without_scripts_and_wait_to_be_applied(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    section = clients(uci)[0].id
    before = uci.read_bytes()
    page = edit(visitor, section, "Generate keys")
    assert "not in use yet" in page.text
    assert page.staged == 2
    assert uci.read_bytes() == before
    page = show(visitor, section)
    assert "don't work until you press Save & Apply" in page.text
    shown = drawn(page)
    visitor.press(visitor.get("/changes").form("/changes/apply"), "Save & Apply")
    stored = values(clients(uci)[0])
    expected = f"KEY_BASE64:{stored['KEY_BASE64']} HMAC_KEY_BASE64:{stored['HMAC_KEY_BASE64']}"
    assert shown == draw(expected).path
    assert stored["KEY_BASE64"] != KEY
    assert "don't work until" not in show(visitor, section).text


def test_new_client_s_code_can_be_scanned_before_it_is_applied(visitor: Visitor) -> None:
    add(visitor, "Save", name="Carla")
    listed = visitor.get("/clients").forms
    (form,) = [form for form in listed if "QR Carla" in [text for text, *_ in form.buttons]]
    page = visitor.press(form, "QR Carla")
    assert "<path" in page.html
    assert "not applied" in page.text


def test_new_hmac_key_is_as_long_as_its_type_wants(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    page = visitor.get(f"/clients/{clients(uci)[0].id}")
    visitor.press(page.main_form(), "Generate keys", HMAC_DIGEST_TYPE="sha512")
    visitor.press(visitor.get("/changes").form("/changes/apply"), "Save & Apply")
    assert len(base64.b64decode(values(clients(uci)[0])["HMAC_KEY_BASE64"])) == 128


def test_own_key_replaces_the_old_in_either_way_of_writing(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    section = clients(uci)[0].id
    edit(visitor, section, key="my own phrase", key_kind="KEY")
    stored = values(clients(uci)[0])
    assert stored["KEY"] == "my own phrase"
    assert "KEY_BASE64" not in stored
    edit(visitor, section, key=OTHER, key_kind="KEY_BASE64")
    stored = values(clients(uci)[0])
    assert stored["KEY_BASE64"] == OTHER
    assert "KEY" not in stored
    assert stored["HMAC_KEY_BASE64"] == HMAC


@pytest.mark.parametrize(
    ("field", "text", "kind", "warned"),
    [
        ("hmac_key", "short", "HMAC_KEY", True),
        ("hmac_key", base64.b64encode(b"short").decode(), "HMAC_KEY_BASE64", True),
        ("hmac_key", "sixteen letters.", "HMAC_KEY", False),
        ("key", "fifteen letters", "KEY", True),
        ("key", OTHER, "KEY_BASE64", False),
        ("note", "no key", "KEY", False),
    ],
)
def test_short_key_is_taken_with_a_word_about_it(
    field: str, text: str, kind: str, warned: bool, visitor: Visitor, uci: Path
) -> None:
    kinds = {"hmac_key_kind": kind} if kind.startswith("HMAC") else {"key_kind": kind}
    page = edit(visitor, clients(uci)[0].id, "Save", **{field: text}, **kinds)
    assert page.status == 200
    assert ("The key you typed is short" in page.text) is warned


def test_hmac_can_be_left_out_on_purpose(visitor: Visitor, daemon: StubDaemon, uci: Path) -> None:
    edit(visitor, clients(uci)[0].id, no_hmac="1")
    stored = values(clients(uci)[0])
    assert not {"HMAC_KEY", "HMAC_KEY_BASE64"} & stored.keys()
    assert stored["KEY_BASE64"] == KEY
    assert "no HMAC" in visitor.get("/clients").text


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("key", "not base64!"),
        ("key", base64.b64encode(b"x" * 33).decode()),
        ("key", "__CHANGEME__"),
        ("key", base64.b64encode(b"\x00" * 32).decode()),
        ("key", HMAC),
        ("hmac_key", "not base64!"),
        ("hmac_key", base64.b64encode(bytes(129)).decode()),
        ("hmac_key", KEY),
        ("key", "two\nlines"),
        ("key", "a passphrase {{ with-this }}"),
    ],
)
def test_bad_key_is_refused_at_its_field_and_not_sent_back(
    field: str, typed: str, visitor: Visitor, uci: Path
) -> None:
    before = uci.read_bytes()
    page = edit(visitor, clients(uci)[0].id, **{field: typed})
    assert page.status == 422
    inputs = {a["name"]: a for t, a in page.tags if t == "input" and "name" in a}
    assert "true" in (inputs["key"].get("aria-invalid"), inputs["hmac_key"].get("aria-invalid"))
    assert inputs[field]["value"] == ""
    assert typed not in page.html
    assert uci.read_bytes() == before


def test_typed_key_is_never_swapped_for_a_made_one_behind_the_user_s_back(
    visitor: Visitor, uci: Path
) -> None:
    section = clients(uci)[0].id
    page = edit(visitor, section, key=OTHER, OPEN_PORTS="bad")
    assert page.status == 422
    assert "type it again" in page.html
    assert OTHER not in page.html
    again = visitor.press(page.main_form(), "Save", OPEN_PORTS="tcp/22")
    assert again.status == 422
    assert "The key you typed before is missing" in again.html
    saved = visitor.press(again.main_form(), "Save", key=OTHER)
    assert saved.status != 422


def test_keys_appear_nowhere_but_in_the_dialog(
    visitor: Visitor, daemon: StubDaemon, uci: Path, caplog: pytest.LogCaptureFixture
) -> None:
    section = clients(uci)[0].id
    edit(visitor, section, "Save", key=OTHER)
    secrets = (KEY, HMAC, OTHER, "a passphrase", visitor.password)
    for path in ("/", "/clients", f"/clients/{section}", "/clients/bert", "/changes", "/settings"):
        page = visitor.get(path)
        for secret in secrets:
            assert secret not in page.html, path
            assert secret not in str(page.response.headers), path
    assert "********" in visitor.get("/changes").text
    for secret in secrets:
        assert secret not in caplog.text


def test_keys_are_in_no_repr(visitor: Visitor, uci: Path) -> None:
    from fwknop_webui.client_form import TypedClient
    from fwknop_webui.client_keys import key_fields
    from fwknop_webui.phone import phone_of

    anna = clients(uci)[0]
    typed = TypedClient.from_form({"key": OTHER, "hmac_key": HMAC}, [], anna)
    phone = phone_of(anna, "Anna", "", 62201)
    for shown in (repr(typed), repr(phone), repr(key_fields(anna)), repr(draw(KEY))):
        for secret in (KEY, HMAC, OTHER):
            assert secret not in shown
