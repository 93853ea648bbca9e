"""Clients who knock with GPG alone: their fields, and that nobody gives them other keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.web.daemon import StubDaemon
from tests.web.test_clients import add, edit, sections, values
from tests.web.visitor import Visitor

ANNA = """\
config global
	option uci_enabled '1'

config access 'anna'
	option SOURCE 'ANY'
	option name 'Anna'
	option GPG_DECRYPT_PW 'sesame'
	option GPG_REMOTE_ID 'BF48D714'
	option HMAC_KEY 'hhh'
"""


def test_pages_show_a_client_with_gpg_keys_alone(
    visitor: Visitor, write_uci: Callable[[str], None]
) -> None:
    write_uci(ANNA)
    for path in ("/", "/clients", "/clients/anna", "/settings"):
        page = visitor.get(path)
        assert page.status == 200, path
        assert "sesame" not in page.text
    listed = visitor.get("/clients").text
    assert "GPG key + HMAC SHA256" in listed
    assert "no key" not in listed.lower()


def test_a_gpg_key_that_is_none_is_no_key(
    visitor: Visitor, write_uci: Callable[[str], None]
) -> None:
    write_uci(ANNA.replace("GPG_DECRYPT_PW 'sesame'", "GPG_ALLOW_NO_PW 'N'"))
    assert "no key" in visitor.get("/clients").text.lower()


def test_saving_gives_it_no_second_way_in(
    visitor: Visitor, daemon: StubDaemon, uci: Path, write_uci: Callable[[str], None]
) -> None:
    write_uci(ANNA.replace("\toption HMAC_KEY 'hhh'\n", ""))
    page = visitor.get("/clients/anna")
    assert "sesame" not in page.html
    edit(visitor, "anna", GPG_REMOTE_ID="BF48D714, 002A22BD", GPG_HOME_DIR="/etc/fwknop/gpg")
    stored = values(sections(uci)[0])
    assert stored["GPG_DECRYPT_PW"] == "sesame"
    assert stored["GPG_REMOTE_ID"] == "BF48D714, 002A22BD"
    assert stored["GPG_HOME_DIR"] == "/etc/fwknop/gpg"
    assert not {"KEY_BASE64", "HMAC_KEY_BASE64"} & stored.keys()


def test_passphrase_is_replaced_and_deleted_but_never_shown(
    visitor: Visitor, daemon: StubDaemon, uci: Path, write_uci: Callable[[str], None]
) -> None:
    write_uci(ANNA)
    edit(visitor, "anna", GPG_DECRYPT_PW=" open it ")
    assert values(sections(uci)[0])["GPG_DECRYPT_PW"] == " open it "
    page = edit(visitor, "anna", GPG_DECRYPT_PW="opensesame2", SOURCE="nonsense")
    assert page.status == 422
    assert "opensesame2" not in page.html
    assert "type it again" in page.text
    edit(visitor, "anna", GPG_DECRYPT_PW_forget="1", GPG_ALLOW_NO_PW="1")
    stored = values(sections(uci)[0])
    assert "GPG_DECRYPT_PW" not in stored
    assert stored["GPG_ALLOW_NO_PW"] == "Y"


def test_new_gpg_client_gets_an_hmac_key_only(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    add(visitor, name="Bob", GPG_ALLOW_NO_PW="1", GPG_REMOTE_ID="BF48D714")
    stored = values(sections(uci)[-1])
    assert "KEY_BASE64" not in stored
    assert len(stored["HMAC_KEY_BASE64"]) == 88
