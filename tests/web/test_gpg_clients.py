"""Clients who knock with GPG alone: the pages have no fields for it, and leave it as it is."""

from __future__ import annotations

from collections.abc import Callable

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
