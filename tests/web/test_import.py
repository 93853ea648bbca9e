"""Importing classic files: what is found, what is chosen, and that nothing happens before."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.test import EnvironBuilder

from fwknop_webui.importing import MAX_STANZAS
from fwknop_webui.routes import FORM, UPLOAD
from fwknop_webui.sessions import FRESH_SECONDS
from fwknop_webui.views import ROUTES
from fwknopd.config.uci_format import parse_uci
from tests.web.clock import HandClock
from tests.web.test_escaping import PAYLOADS, assert_harmless
from tests.web.visitor import Page, Visitor

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
HMAC = "oKGio6SlpqeoqaqrrK2ur7CxsrO0tba3uLm6u7y9vr8="
ANNA = f"# Anna's phone\nSOURCE ANY\nKEY_BASE64 {KEY}\nHMAC_KEY_BASE64 {HMAC}\nOPEN_PORTS tcp/22\n"
BOB = "# Bob\nSOURCE 192.0.2.0/24\nKEY bobs passphrase\nHMAC_KEY bobs other one\n"
BROKEN = "SOURCE ANY\nKEY half a client\nOPEN_PORTS 22\n"

FILE = f"""
config global

config access
\toption SOURCE 'ANY'
\toption name 'Anna''s phone'
\toption note 'hers'
\toption KEY_BASE64 '{KEY}'
\toption HMAC_KEY_BASE64 '{HMAC}'
\toption OPEN_PORTS 'tcp/22, tcp/80'

config config
\toption ENABLE_NAT_DNS 'Y'
\toption VERBOSE '1'

""".replace("''s", "'\\''s")


@pytest.fixture
def classic(tmp_path: Path) -> Path:
    folder = tmp_path / "fwknop"
    folder.mkdir()
    return folder


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def paste(visitor: Visitor, access: str = "", server: str = "") -> Page:
    form = visitor.get("/import").form("/import/check")
    return visitor.press(form, "Look at it", access_text=access, server_text=server)


def read(visitor: Visitor) -> Page:
    return visitor.press(visitor.get("/import").form("/import/read"), "Read the files")


def confirm(visitor: Visitor, page: Page, **chosen: str | list[str]) -> Page:
    form = page.form("/import/confirm")
    typed = {name.replace("_", "-"): value for name, value in chosen.items()}
    return visitor.press(form, "Import what is ticked", **typed)


def apply(visitor: Visitor) -> Page:
    return visitor.press(visitor.get("/changes").form("/changes/apply"), "Save & Apply")


def clients(uci: Path) -> dict[str, dict[str, str]]:
    sections = parse_uci(uci.read_text(), "").of_type("access")
    return {s.get("name"): {o.name: o.text for o in s.options} for s in sections}


# What is found


def test_pasted_client_is_looked_at_staged_and_applied(visitor: Visitor, uci: Path) -> None:
    before = uci.read_bytes()
    page = paste(visitor, BOB)
    assert "will add" in page.text
    assert "1 will be added, 0 are there already" in page.text
    assert page.staged == 0
    page = confirm(visitor, page)
    assert "1 part is imported." in page.text
    assert page.staged > 0
    assert uci.read_bytes() == before
    apply(visitor)
    assert clients(uci)["Bob"] == {
        "SOURCE": "192.0.2.0/24",
        "KEY": "bobs passphrase",
        "HMAC_KEY": "bobs other one",
        "name": "Bob",
    }


def test_uploaded_files_are_looked_at(visitor: Visitor) -> None:
    form = visitor.get("/import").form("/import/check")
    data = {
        "csrf": form.value("csrf"),
        "access": (io.BytesIO(ANNA.encode()), "whatever.txt"),
        "server": (io.BytesIO(b"\xef\xbb\xbfMAX_SPA_PACKET_AGE 60;\r\n"), "x"),
    }
    page = visitor.post("/import/check", data)
    assert "256-bit key + HMAC SHA256" in page.text
    assert "MAX_SPA_PACKET_AGE" in page.text
    assert "access.conf, line 2" in page.text


def test_files_of_the_router_are_read_with_what_they_include(
    visitor: Visitor, classic: Path
) -> None:
    put(classic / "access.conf", f"{ANNA}%include_folder {classic}/d\n%include {classic}/more\n")
    put(classic / "d" / "carla.conf", "SOURCE ANY\n%include_keys {}\n".format(classic / "keys"))
    put(classic / "keys", "KEY carlas key\n")
    put(classic / "more", BOB)
    put(classic / "fwknopd.conf", "MAX_SPA_PACKET_AGE 60;\n")
    page = read(visitor)
    values = dict(page.form("/import/confirm").fields)
    assert [values[f"name-{n}"] for n in (1, 2, 3)] == ["Anna's phone", "carla", "Bob"]
    assert "3 will be added" in page.text
    assert "MAX_SPA_PACKET_AGE" in page.text


def test_access_file_of_fwknopd_conf_is_followed(visitor: Visitor, classic: Path) -> None:
    put(classic / "fwknopd.conf", f"ACCESS_FILE {classic}/other;\n")
    put(classic / "other", BOB)
    assert "Bob" in read(visitor).html
    put(classic / "fwknopd.conf", f"ACCESS_FOLDER {classic}/d;\n")
    put(classic / "d" / "anna.conf", ANNA)
    assert "Anna" in read(visitor).html


@pytest.mark.parametrize(
    "line",
    [
        "%include {outside}",
        "%include {folder}/link",
        "%include {folder}/../outside",
        "%include_keys {outside}",
        "%include_folder {folder}/..",
    ],
)
def test_nothing_outside_the_folder_is_read(
    visitor: Visitor, classic: Path, tmp_path: Path, line: str
) -> None:
    outside = put(tmp_path / "outside", "SOURCE ANY\nKEY of somebody else\n# MARK OUTSIDE\n")
    (classic / "link").symlink_to(outside)
    put(classic / "access.conf", BOB + line.format(outside=outside, folder=classic) + "\n")
    page = read(visitor)
    assert f"Only files in {classic} can be read" in page.text
    assert "can't be imported" in page.text
    assert len([n for n, _ in page.form("/import/confirm").fields if n.startswith("name-")]) == 1


def test_settings_may_not_lead_outside_either(
    visitor: Visitor, classic: Path, tmp_path: Path
) -> None:
    put(tmp_path / "outside", ANNA)
    put(classic / "fwknopd.conf", f"ACCESS_FILE {tmp_path}/outside;\n")
    page = read(visitor)
    assert page.status == 422
    assert "is outside" in page.text
    assert "Anna" not in page.html


def test_include_bombs_end_soon(visitor: Visitor, classic: Path) -> None:
    access = classic / "access.conf"
    put(access, BOB + f"%include {access}\n" * 500)
    page = read(visitor)
    assert page.status == 200
    assert "Bob" in page.html


def test_folder_without_files_is_said_to_be_empty(visitor: Visitor) -> None:
    page = visitor.get("/import")
    assert "There is no " in page.text
    assert "Read the files" not in [b[0] for f in page.forms for b in f.buttons]
    page = visitor.post("/import/read", {"csrf": page.form("/import/read").value("csrf")})
    assert page.status == 422
    assert "does not exist" in page.text


def test_missing_permission_is_told_with_the_remedy(
    visitor: Visitor, classic: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(classic / "access.conf", ANNA)
    # Root may read everything, so a real mode would not keep these tests out.
    monkeypatch.setattr(os, "access", lambda *_: False)
    page = visitor.get("/import")
    assert "may not read" in page.text
    assert "fwknopctl import" in page.text
    assert "Read the files" not in [b[0] for f in page.forms for b in f.buttons]


def test_bad_stanza_is_told_with_its_line_and_can_not_be_taken(visitor: Visitor, uci: Path) -> None:
    page = paste(visitor, BROKEN + BOB)
    assert "1 can't be imported" in page.text
    assert "access.conf, line 3" in page.text
    assert "'22' is no port" in page.text
    # Not even by somebody who makes up the form.
    page = confirm(visitor, page, take_1="add", take_2=[])
    assert page.status == 422
    assert page.staged == 0


def test_files_without_stanzas_say_so(visitor: Visitor) -> None:
    page = paste(visitor, server="VERBOSE 0;\n")
    assert "No stanza found." in page.text
    assert "VERBOSE" in page.text
    page = paste(visitor, "nothing of use\n")
    assert "No stanza found." in page.text


def test_nothing_sent_is_told(visitor: Visitor) -> None:
    page = paste(visitor, "  \n")
    assert page.status == 422
    assert "Nothing was sent" in page.text


def test_pasted_includes_are_refused_by_line(visitor: Visitor) -> None:
    page = paste(visitor, BOB + "%include /etc/shadow\n")
    assert "other files can't be included here" in page.text
    assert "line 5" in page.text


def test_client_that_can_not_knock_is_marked(visitor: Visitor) -> None:
    page = paste(visitor, BOB + "%include_keys /nowhere\n")
    assert "can't knock" in page.text
    assert "comes along switched off" in page.text


# What is there already


def test_same_client_is_not_offered_again(
    visitor: Visitor, write_uci: Callable[[str], None]
) -> None:
    write_uci(FILE)
    page = paste(visitor, ANNA.replace("tcp/22", "tcp/80,tcp/22"))
    assert "as Anna's phone" in page.text
    assert not [n for n, _ in page.form("/import/confirm").fields if n.startswith("take-")]


def test_importing_twice_finds_everything_there(visitor: Visitor) -> None:
    server = "MAX_SPA_PACKET_AGE 60;\nFUTURE_THING x;\n"
    gpg = "SOURCE ANY\nGPG_DECRYPT_PW x\nGPG_REMOTE_ID 12345678\n"
    confirm(visitor, paste(visitor, ANNA + BOB + gpg, server))
    page = paste(visitor, ANNA + BOB + gpg, server)
    assert "0 will be added, 3 are there already" in page.text
    assert page.text.count("will add") == 0


def test_conflict_is_left_out_unless_somebody_says_otherwise(
    visitor: Visitor, write_uci: Callable[[str], None], uci: Path
) -> None:
    write_uci(FILE)
    page = paste(visitor, ANNA + BOB)
    assert "Anna's phone has the same keys but other rules." in page.text
    assert "OPEN_PORTS" in page.text
    confirm(visitor, page)
    apply(visitor)
    assert clients(uci)["Anna's phone"]["OPEN_PORTS"] == "tcp/22, tcp/80"
    assert set(clients(uci)) == {"Anna's phone", "Bob"}


def test_conflict_can_replace_the_rules_but_not_the_name(
    visitor: Visitor, write_uci: Callable[[str], None], uci: Path
) -> None:
    write_uci(FILE.replace("\toption OPEN", "\toption FW_ACCESS_TIMEOUT '99'\n\toption OPEN"))
    confirm(visitor, paste(visitor, ANNA), take_1="replace")
    apply(visitor)
    assert clients(uci) == {
        "Anna's phone": {
            "SOURCE": "ANY",
            "name": "Anna's phone",
            "note": "hers",
            "KEY_BASE64": KEY,
            "HMAC_KEY_BASE64": HMAC,
            "OPEN_PORTS": "tcp/22",
        }
    }


def test_conflict_can_become_another_client(
    visitor: Visitor, write_uci: Callable[[str], None], uci: Path
) -> None:
    write_uci(FILE)
    confirm(visitor, paste(visitor, ANNA), take_1="add")
    apply(visitor)
    assert set(clients(uci)) == {"Anna's phone", "Anna's phone 2"}


def test_names_can_be_changed(visitor: Visitor, uci: Path) -> None:
    confirm(visitor, paste(visitor, BOB), name_1="Robert's desk")
    apply(visitor)
    assert "Robert's desk" in clients(uci)


def test_two_clients_never_get_the_same_name(visitor: Visitor, uci: Path) -> None:
    other = BOB.replace("KEY bobs", "KEY robs")
    confirm(visitor, paste(visitor, BOB + other), name_1="desk", name_2="desk")
    apply(visitor)
    assert {"desk", "desk 2"} <= clients(uci).keys()


def test_impossible_name_is_refused_and_kept(visitor: Visitor) -> None:
    page = confirm(visitor, paste(visitor, BOB), name_1="x" * 65)
    assert page.status == 422
    assert "the daemon would not take the result" in page.text
    assert page.form("/import/confirm").value("name-1") == "x" * 65
    assert page.staged == 0


def test_settings_are_taken_where_they_change_nothing_that_is_set(
    visitor: Visitor, write_uci: Callable[[str], None], uci: Path
) -> None:
    write_uci(FILE)
    server = "VERBOSE 0;\nENABLE_NAT_DNS Y;\nMAX_SPA_PACKET_AGE 60;\nUDPSERV_PORT 99999;\n"
    page = paste(visitor, server=server)
    for word in ("will add", "same", "conflict", "cannot"):
        assert word in page.text
    assert "'99999' is not a number" in page.text
    confirm(visitor, page)
    apply(visitor)
    text = uci.read_text()
    assert "MAX_SPA_PACKET_AGE '60'" in text
    assert "VERBOSE '1'" in text
    assert "UDPSERV_PORT" not in text


def test_setting_in_conflict_is_taken_when_ticked(
    visitor: Visitor, write_uci: Callable[[str], None], uci: Path
) -> None:
    write_uci(FILE)
    confirm(visitor, paste(visitor, server="VERBOSE 0;\n"), set_1="1")
    apply(visitor)
    assert "VERBOSE '0'" in uci.read_text()


def test_client_is_judged_by_the_settings_that_are_chosen(
    visitor: Visitor, write_uci: Callable[[str], None]
) -> None:
    write_uci("\nconfig config\n\toption ENABLE_NAT_DNS 'Y'\n\n")
    nat = BOB + "FORCE_NAT 192.168.1.2 22\n"
    page = paste(visitor, nat)
    assert "1 can't be imported" in page.text
    assert "ENABLE_IPT_FORWARDING" in page.text
    page = paste(visitor, nat, "ENABLE_IPT_FORWARDING Y;\n")
    assert "1 will be added" in page.text
    page = confirm(visitor, page, set_1=[])
    assert page.status == 422
    assert page.staged == 0


def test_overwrite_can_be_ticked_on_the_way(visitor: Visitor, uci: Path) -> None:
    page = paste(visitor, BOB)
    assert "Enable config overwrite" in page.text
    confirm(visitor, page, enable="1")
    apply(visitor)
    assert "uci_enabled '1'" in uci.read_text()
    assert "Also tick" not in paste(visitor, ANNA).text


def test_nothing_ticked_is_told(visitor: Visitor) -> None:
    page = confirm(visitor, paste(visitor, BOB), take_1=[])
    assert page.status == 422
    assert "Nothing is ticked" in page.text
    # What was unticked stays so, and what was typed is still there.
    assert not page.form("/import/confirm").values("take-1")


# Between the pages


def test_cancel_forgets_it(visitor: Visitor) -> None:
    page = paste(visitor, BOB)
    visitor.press(page.form("/import/confirm"), "Cancel")
    assert "Read the files" in visitor.get("/import/preview").text
    assert confirm(visitor, page).staged == 0


def test_old_preview_confirms_nothing_it_did_not_show(visitor: Visitor) -> None:
    old = paste(visitor, BOB)
    paste(visitor, ANNA)
    page = confirm(visitor, old)
    assert "this page is out of date" in page.text
    assert page.staged == 0
    assert "Anna" in page.html


def test_client_somebody_added_meanwhile_is_a_conflict(
    visitor: Visitor, write_uci: Callable[[str], None], uci: Path
) -> None:
    page = paste(visitor, ANNA)
    write_uci(FILE)
    page = confirm(visitor, page)
    assert page.status == 409
    assert "OPEN_PORTS tcp/22 tcp/22, tcp/80" in page.text
    assert "what you leave out stays as it is now" in page.text
    assert "whose values to keep" not in page.text
    assert "conflict" in page.text
    assert page.form("/import/confirm").value("take-1") == ""
    assert page.staged == 0
    confirm(visitor, page, take_1="replace")
    apply(visitor)
    assert clients(uci)["Anna's phone"]["OPEN_PORTS"] == "tcp/22"


def test_other_change_meanwhile_is_put_beside_the_import(
    visitor: Visitor, write_uci: Callable[[str], None], uci: Path
) -> None:
    write_uci(FILE)
    page = paste(visitor, BOB)
    write_uci(FILE.replace("note 'hers'", "note 'changed'"))
    page = confirm(visitor, page)
    assert "Your changes were put beside those" in page.text
    apply(visitor)
    assert clients(uci)["Anna's phone"]["note"] == "changed"
    assert clients(uci)["Bob"]["KEY"] == "bobs passphrase"


def test_same_client_imported_by_two_people_is_there_once(
    visitor: Visitor, second: Visitor, uci: Path
) -> None:
    page = paste(visitor, ANNA)
    confirm(second, paste(second, ANNA))
    apply(second)
    assert confirm(visitor, page).staged == 0
    assert uci.read_text().count(KEY) == 1


def test_preview_belongs_to_one_session(visitor: Visitor, second: Visitor) -> None:
    paste(visitor, BOB)
    assert "Bob" not in second.get("/import/preview").html


def test_reload_shows_the_preview_again(visitor: Visitor) -> None:
    paste(visitor, BOB)
    assert "Bob" in visitor.get("/import/preview").html


# Secrets, limits, hostile text


def test_keys_are_in_no_page(visitor: Visitor, classic: Path) -> None:
    put(classic / "access.conf", ANNA + BOB + BROKEN + "OPEN\n")
    pages = [
        paste(visitor, ANNA + BOB + BROKEN, f"MY_SECRET {KEY};\n"),
        read(visitor),
        confirm(visitor, visitor.get("/import/preview")),
        visitor.get("/changes"),
    ]
    for page in pages:
        for secret in (KEY, HMAC, "bobs passphrase", "bobs other", "half a client"):
            assert secret not in page.html
        assert page.response.headers["Cache-Control"] == "no-store"


def test_only_the_import_and_restore_take_large_bodies() -> None:
    large = {route.rule for route in ROUTES if route.limits.body > FORM.body}
    assert "/import/check" in large
    assert large <= {
        "/advanced",
        "/clients/<section>/advanced",
        "/import/check",
        "/import/confirm",
        "/import/table",
        "/import/table/confirm",
        "/backup/restore",
    }


@pytest.mark.parametrize("size", [UPLOAD.body - 4096, UPLOAD.body + 1])
def test_upload_has_a_limit(visitor: Visitor, size: int) -> None:
    form = visitor.get("/import").form("/import/check")
    data = {"csrf": form.value("csrf"), "access": (io.BytesIO(b"#" * size), "a")}
    page = visitor.post("/import/check", data)
    assert page.status == (413 if size > UPLOAD.body else 200)
    data = {"csrf": form.value("csrf"), "access_text": "#" * size}
    pasted = visitor.post("/import/check", data, content_type="multipart/form-data")
    assert pasted.status == (413 if size > UPLOAD.body else 200)


def test_other_forms_keep_their_limit(visitor: Visitor) -> None:
    data = {"csrf": visitor.get("/clients").main_form().value("csrf"), "x": "y" * FORM.body}
    assert visitor.post("/settings", data).status == 413
    assert visitor.post("/import/read", data).status == 413


def test_uploads_never_lie_on_a_disk(
    app: Flask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    text = b"#" * 2_000_000
    head = b'--x\r\nContent-Disposition: form-data; name="access"; filename="a"\r\n\r\n'
    body = head + text + b"\r\n--x--\r\n"
    builder = EnvironBuilder(
        method="POST", input_stream=io.BytesIO(body), content_type="multipart/form-data; boundary=x"
    )
    request = app.request_class(builder.get_environ())
    request.max_content_length = None
    assert request.files["access"].read() == text


def test_upload_has_few_parts(visitor: Visitor) -> None:
    form = visitor.get("/import").form("/import/check")
    data = {"csrf": form.value("csrf"), "access": (io.BytesIO(b"x"), "a")}
    data |= {f"more{n}": (io.BytesIO(b""), "b") for n in range(UPLOAD.parts)}
    assert visitor.post("/import/check", data).status == 413


def test_nobody_uploads_without_a_login(stranger: Visitor) -> None:
    data = {"access": (io.BytesIO(b"x" * 100_000), "a")}
    answer = stranger.client.post("/import/check", data=data)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/login")


def test_too_many_stanzas_are_cut_off(visitor: Visitor) -> None:
    page = paste(visitor, "SOURCE ANY\nKEY x\n" * (MAX_STANZAS + 5))
    assert "Only the first 1000 clients are shown" in page.text


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_becomes_markup(visitor: Visitor, classic: Path, payload: str) -> None:
    access = (
        f"# {payload}\nSOURCE ANY\nKEY x\nREQUIRE_USERNAME {payload}\n{payload} {payload}\n"
        f"SOURCE {payload}\nKEY y\nOPEN_PORTS {payload}\n%include {payload}\n"
    )
    server = f"PCAP_INTF {payload};\n{payload} x;\nPCAP_FILTER {payload};\n"
    page = paste(visitor, access, server)
    assert_harmless(page.html)
    assert_harmless(confirm(visitor, page, name_1=payload).html)
    put(classic / "access.conf", access)
    put(classic / "fwknopd.conf", server)
    assert_harmless(read(visitor).html)
    assert_harmless(codes(visitor).html)


def test_any_bytes_leave_a_page(visitor: Visitor) -> None:
    junk = bytes(range(256)) * 20 + b"\nSOURCE \xff\xfe\nKEY \xff\x00\n# \xff\nSOURCE ANY\nKEY y\n"
    form = visitor.get("/import").form("/import/check")
    data = {"csrf": form.value("csrf"), "access": (io.BytesIO(junk), "a")}
    page = visitor.post("/import/check", data)
    assert page.status == 200
    assert confirm(visitor, page).status in (200, 422)


# QR codes of access.conf


def codes(visitor: Visitor, **typed: str) -> Page:
    form = visitor.get("/import").form("/import/qr")
    return visitor.press(form, "Show access.conf QR codes", **typed)


def test_each_stanza_has_its_code(visitor: Visitor, classic: Path) -> None:
    put(classic / "access.conf", ANNA + BOB + "DESTINATION 203.0.113.1\n")
    page = codes(visitor)
    assert page.html.count("<svg") == 2
    for text in ("Anna's phone", "SOURCE", "192.0.2.0/24", "DESTINATION", "203.0.113.1"):
        assert text in page.text
    # The app would cut Bob's passphrases at their spaces.
    assert "the code holds KEY, HMAC_KEY as base64: it is the same key" in page.text
    assert "only up to its first space" not in page.text
    assert page.response.headers["Cache-Control"] == "no-store"
    assert KEY not in page.html


def test_stanza_without_a_key_has_no_code(visitor: Visitor, classic: Path) -> None:
    put(classic / "access.conf", "SOURCE ANY\nKEY __CHANGEME__\nHMAC_KEY __CHANGEME__\n" + BROKEN)
    page = codes(visitor)
    assert "There is no key a phone could scan." in page.text
    assert page.html.count("<svg") == 1


def test_no_stanza_is_said_as_the_stock_page_does(visitor: Visitor, classic: Path) -> None:
    put(classic / "access.conf", "# nothing\n")
    assert "No stanza found." in codes(visitor).text


def test_many_codes_come_page_by_page(visitor: Visitor, classic: Path) -> None:
    put(classic / "access.conf", "".join(f"# C{n} x\nSOURCE ANY\nKEY k{n}\n" for n in range(9)))
    page = codes(visitor)
    assert "Page 1 of 3" in page.text
    (form,) = [f for f in page.forms if any(b[0] == "Next" for b in f.buttons)]
    page = visitor.press(form, "Next")
    assert "Page 2 of 3" in page.text
    assert "C4 x" in page.text and "C3 x" not in page.text
    csrf = page.form("/logout").value("csrf")
    for number in ("0", "99", "x", "-1", "²", "9" * 400):
        assert visitor.post("/import/qr", {"csrf": csrf, "page": number}).status == 200


def test_codes_are_offered_where_the_stock_page_has_them(visitor: Visitor, classic: Path) -> None:
    button = "Show access.conf QR codes"
    assert button not in visitor.get("/settings").text
    put(classic / "access.conf", ANNA)
    page = visitor.press(visitor.get("/settings").form("/settings"), button)
    assert page.html.count("<svg") == 1
    assert page.staged == 0


def test_codes_need_a_recent_password(visitor: Visitor, classic: Path, hands: HandClock) -> None:
    put(classic / "access.conf", ANNA)
    hands.forward(FRESH_SECONDS)
    page = codes(visitor)
    assert "<svg" not in page.html
    assert "access.conf" in page.text
    form = page.form("/import/qr")
    page = visitor.press(form, "Show QR code", password="wrong")
    assert page.status == 401
    assert "<svg" not in page.html
    page = visitor.press(page.form("/import/qr"), "Show QR code", password=visitor.password)
    assert "<svg" in page.html


def test_codes_are_never_sent_for_a_link(visitor: Visitor, classic: Path) -> None:
    put(classic / "access.conf", ANNA)
    assert visitor.get("/import/qr").status == 405


def test_unreadable_files_are_told_instead_of_codes(visitor: Visitor, app: Flask) -> None:
    csrf = visitor.get("/import").form("/logout").value("csrf")
    page = visitor.post("/import/qr", {"csrf": csrf})
    assert page.status == 422
    assert "does not exist" in page.text
