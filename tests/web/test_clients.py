"""Listing, adding, editing, switching and deleting clients, as a person does it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from fwknop_webui.client_fields import FIELDS, SELDOM
from fwknop_webui.client_keys import KEY_FIELDS
from fwknopd.config.access_variables import ACCESS_VARIABLES
from fwknopd.config.uci_config import configuration_from_uci
from fwknopd.config.uci_format import UciSection, parse_uci
from tests.web.daemon import NOW, StubDaemon
from tests.web.visitor import Page, Visitor

STOCK_CLIENT = "cfg03ea17"

ANNA = """
config global
\toption uci_enabled '1'

config access
\toption SOURCE 'ANY'
\toption name 'Anna'
\toption KEY_BASE64 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8='
\toption HMAC_KEY_BASE64 'oKGio6SlpqeoqaqrrK2ur7CxsrO0tba3uLm6u7y9vr8='
\toption OPEN_PORTS 'TCP/22 , tcp/8443'
\toption FW_ACCESS_TIMEOUT '45'
\toption SOMETHING_NEW 'kept'
\toption REQUIRE_SOURCE 'y'
\toption ACCESS_EXPIRE '12/31/2099'

config access 'bert'
\toption SOURCE '192.0.2.0/24'
\toption KEY 'a passphrase'

"""


def sections(uci: Path) -> tuple[UciSection, ...]:
    return parse_uci(uci.read_text(), str(uci)).of_type("access")


def values(section: UciSection) -> dict[str, str]:
    return {option.name: option.text for option in section.options}


def add(visitor: Visitor, button: str = "Save & Apply", **typed: str | list[str]) -> Page:
    return visitor.press(visitor.get("/clients/add").main_form(), button, **typed)


def edit(visitor: Visitor, section: str, button: str = "Save & Apply", **typed: str) -> Page:
    page = visitor.get(f"/clients/{section}")
    return visitor.press(page.form(f"/clients/{section}"), button, **typed)


def test_stock_client_is_shown_as_unusable(visitor: Visitor) -> None:
    page = visitor.get("/clients")
    assert "#1" in page.text
    assert "No key" in page.text
    assert "placeholder" in page.text


def test_a_name_is_all_a_new_client_needs(visitor: Visitor, daemon: StubDaemon, uci: Path) -> None:
    page = add(visitor, name="Anna's phone")
    assert page.response.request.path == "/clients"
    assert "applied; the daemon is using" in page.text
    stored = values(sections(uci)[-1])
    assert next(iter(stored)) == "SOURCE"
    assert stored["name"] == "Anna's phone"
    assert stored["SOURCE"] == "ANY"
    assert stored["OPEN_PORTS"] == "tcp/22"
    assert len(stored["KEY_BASE64"]) == 44
    assert len(stored["HMAC_KEY_BASE64"]) == 88
    assert configuration_from_uci(parse_uci(uci.read_text(), "f"), "f").stanzas[-1].label
    assert uci.stat().st_mode & 0o777 == 0o600
    assert daemon.reloads() == 1


def test_two_clients_never_get_the_same_name(visitor: Visitor, uci: Path) -> None:
    add(visitor, "Save", name="Anna")
    form = visitor.get(f"/clients/{STOCK_CLIENT}").main_form()
    for page in (
        add(visitor, "Save", name="Anna"),
        edit(visitor, STOCK_CLIENT, "Save", name="Anna"),
        visitor.press(
            visitor.get(f"/clients/{STOCK_CLIENT}/advanced").main_form(),
            "Save",
            **{"v-name": "Anna"},
        ),
    ):
        assert page.status == 422
        assert "Another client has this name already." in page.text
        assert page.staged > 0
    add(visitor, "Save", name="Bob")
    # Somebody else takes the name while the form is open.
    page = visitor.press(form, "Save", name="Bob")
    assert page.status == 409
    assert "Another client has this name already." in page.text


def test_two_clients_never_get_the_same_keys(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    add(visitor, name="one")
    add(visitor, name="two")
    one, two = (values(section) for section in sections(uci)[-2:])
    keys = {item[name] for item in (one, two) for name in ("KEY_BASE64", "HMAC_KEY_BASE64")}
    assert len(keys) == 4


def test_name_is_asked_for_and_what_was_typed_stays(visitor: Visitor, uci: Path) -> None:
    before = uci.read_bytes()
    page = add(visitor, name="", OPEN_PORTS="tcp/8080", FW_ACCESS_TIMEOUT="45")
    assert page.status == 422
    assert "Expecting: a name" in page.text
    form = page.main_form()
    assert form.value("FW_ACCESS_TIMEOUT") == "45"
    assert form.value("OPEN_PORTS") == "tcp/8080"
    assert form.values("service") == ["tcp/22"]
    assert uci.read_bytes() == before
    assert page.staged == 0


@pytest.mark.parametrize(
    ("option", "typed"),
    [
        ("SOURCE", "not an address"),
        ("SOURCE", "10.0.0.0/33"),
        ("OPEN_PORTS", "tcp/99999"),
        ("OPEN_PORTS", "icmp/1"),
        ("FW_ACCESS_TIMEOUT", "half a minute"),
        ("FW_ACCESS_TIMEOUT", "-1"),
        ("MAX_FW_TIMEOUT", "99999999999"),
        ("DESTINATION", "router.lan"),
        ("RESTRICT_PORTS", "22"),
        ("ACCESS_EXPIRE", "2030-02-30"),
        ("allowed_hours", "8-18"),
        ("allowed_days", "workdays"),
        ("name", "two\nlines"),
        ("note", "x" * 1001),
        ("REQUIRE_USERNAME", "a\x1bb"),
    ],
)
def test_bad_values_are_marked_at_their_field(
    option: str, typed: str, visitor: Visitor, uci: Path
) -> None:
    before = uci.read_bytes()
    page = add(visitor, **{"name": "Anna", option: typed})
    assert page.status == 422
    fields = {a["name"]: a for t, a in page.tags if t in ("input", "select") and "name" in a}
    assert fields[option].get("aria-invalid") == "true"
    assert f"e-{option}" in fields[option]["aria-describedby"]
    assert uci.read_bytes() == before
    assert visitor.get("/clients").staged == 0


def test_editing_changes_only_what_was_edited(
    visitor: Visitor, daemon: StubDaemon, uci: Path, write_uci: Callable[[str], None]
) -> None:
    write_uci(ANNA)
    (anna, bert) = sections(uci)
    page = edit(visitor, anna.id, FW_ACCESS_TIMEOUT="60")
    assert "1 change applied" in page.text
    assert values(sections(uci)[0]) == values(anna) | {"FW_ACCESS_TIMEOUT": "60"}
    assert values(sections(uci)[1]) == values(bert)


def test_saving_an_untouched_form_changes_nothing(
    visitor: Visitor, daemon: StubDaemon, uci: Path, write_uci: Callable[[str], None]
) -> None:
    write_uci(ANNA)
    before = uci.read_bytes()
    for section in sections(uci):
        page = edit(visitor, section.id)
        assert page.staged == 0
        assert "no changes to apply" in page.text
    assert uci.read_bytes() == before
    assert daemon.reloads() == 0


def test_stored_values_are_shown_in_plain_words(
    visitor: Visitor, uci: Path, write_uci: Callable[[str], None]
) -> None:
    write_uci(ANNA)
    form = visitor.get(f"/clients/{sections(uci)[0].id}").main_form()
    assert form.value("REQUIRE_SOURCE_ADDRESS") == "1"
    assert form.value("ACCESS_EXPIRE") == "2099-12-31"
    assert form.values("service") == ["tcp/22"]
    assert form.value("OPEN_PORTS") == "tcp/8443"
    assert form.value("HMAC_DIGEST_TYPE") == "sha256"


def test_clearing_a_field_goes_back_to_the_default(
    visitor: Visitor, daemon: StubDaemon, uci: Path, write_uci: Callable[[str], None]
) -> None:
    write_uci(ANNA)
    edit(visitor, sections(uci)[0].id, FW_ACCESS_TIMEOUT="", ACCESS_EXPIRE="")
    stored = values(sections(uci)[0])
    assert not {"FW_ACCESS_TIMEOUT", "ACCESS_EXPIRE"} & stored.keys()


def test_unticking_an_older_name_of_an_option_removes_it(
    visitor: Visitor, daemon: StubDaemon, uci: Path, write_uci: Callable[[str], None]
) -> None:
    write_uci(ANNA)
    edit(visitor, sections(uci)[0].id, REQUIRE_SOURCE_ADDRESS=[])  # type: ignore[arg-type]
    stored = values(sections(uci)[0])
    assert not {"REQUIRE_SOURCE", "REQUIRE_SOURCE_ADDRESS"} & stored.keys()


def test_disabling_keeps_everything_and_enabling_brings_it_back(
    visitor: Visitor, daemon: StubDaemon, uci: Path, write_uci: Callable[[str], None]
) -> None:
    write_uci(ANNA)
    (anna, _) = sections(uci)
    path = f"/clients/{anna.id}/switch"
    page = visitor.press(visitor.get("/clients").row_form(path), "Disable")
    assert page.staged == 1
    visitor.press(visitor.get("/changes").form("/changes/apply"), "Save & Apply")
    assert values(sections(uci)[0]) == values(anna) | {"enabled": "0"}
    assert "Disabled" in visitor.get("/clients").text
    visitor.press(visitor.get("/clients").row_form(path), "Enable")
    visitor.press(visitor.get("/changes").form("/changes/apply"), "Save & Apply")
    assert values(sections(uci)[0]) == values(anna)


def test_errors_of_a_disabled_client_are_still_told(visitor: Visitor) -> None:
    page = add(visitor, name="Anna", enabled=[], SOURCE="nonsense")
    assert page.status == 422


def test_deleting_asks_first_and_names_the_client(
    visitor: Visitor, daemon: StubDaemon, uci: Path, write_uci: Callable[[str], None]
) -> None:
    write_uci(ANNA)
    (anna, bert) = sections(uci)
    page = visitor.get(f"/clients/{anna.id}/delete")
    assert "Delete this client" in page.text
    assert "Anna" in page.text
    page = visitor.press(page.form(f"/clients/{anna.id}/delete"), "Delete")
    assert page.staged == 1
    assert len(sections(uci)) == 2
    visitor.press(visitor.get("/changes").form("/changes/apply"), "Save & Apply")
    assert [values(section) for section in sections(uci)] == [values(bert)]


def test_old_page_can_not_hit_another_client(
    visitor: Visitor, daemon: StubDaemon, uci: Path, write_uci: Callable[[str], None]
) -> None:
    # Ids of anonymous sections are positions: after Anna is gone, her id is somebody else's.
    write_uci(ANNA.replace("config access 'bert'", "config access"))
    (anna, _) = sections(uci)
    deletion = visitor.get(f"/clients/{anna.id}/delete").form(f"/clients/{anna.id}/delete")
    switch = visitor.get("/clients").row_form(f"/clients/{anna.id}/switch")
    form = visitor.get(f"/clients/{anna.id}").main_form()
    write_uci(
        re.sub(r"config access\n\toption SOURCE 'ANY'\n.*?\n\n", "", ANNA, flags=re.DOTALL).replace(
            "config access 'bert'", "config access"
        )
    )
    assert sections(uci)[0].id == anna.id
    before = uci.read_bytes()
    assert visitor.press(deletion, "Delete").status == 409
    assert visitor.press(switch, "Disable").status == 409
    page = visitor.press(form, "Save & Apply", FW_ACCESS_TIMEOUT="77")
    assert page.status == 409
    assert "this client was deleted meanwhile by somebody else" in page.text
    assert page.main_form().value("FW_ACCESS_TIMEOUT") == "77"
    assert uci.read_bytes() == before
    assert visitor.get("/clients").staged == 0


def test_last_knock_is_shown_beside_its_client(
    visitor: Visitor, daemon: StubDaemon, write_uci: Callable[[str], None]
) -> None:
    write_uci(ANNA)
    daemon.clients = [
        {"number": 1, "label": "Anna", "last_knock": NOW - 60, "last_accepted": True},
        {"number": 2, "label": "bert", "last_knock": NOW - 5, "last_accepted": False},
    ]
    page = visitor.get("/clients")
    assert f'data-ago="{NOW - 60}"' in page.html
    assert f'data-ago="{NOW - 5}"' in page.html
    assert page.text.count("refused") == 1


def test_expired_client_is_marked(
    visitor: Visitor, uci: Path, write_uci: Callable[[str], None]
) -> None:
    write_uci(ANNA.replace("2099", "2001"))
    assert "Expired" in visitor.get("/clients").text


def test_our_own_options_are_fields_like_others(
    visitor: Visitor, daemon: StubDaemon, uci: Path, write_uci: Callable[[str], None]
) -> None:
    write_uci(ANNA)
    (anna, _) = sections(uci)
    typed = {"allowed_hours": "08:00-18:00", "allowed_days": "mon-fri", "log_only": "1"}
    typed["cut_at_expiry"] = "1"
    edit(visitor, anna.id, **typed)
    assert values(sections(uci)[0]) == values(anna) | typed
    assert "Log only" in visitor.get("/clients").text


def test_pages_of_unknown_clients_are_not_found(visitor: Visitor) -> None:
    for path in ("/clients/cfg99ffff", "/clients/cfg013fd6", "/clients/cfg013fd6/delete"):
        assert visitor.get(path).status == 404


def test_all_help_comes_from_the_table(visitor: Visitor) -> None:
    text = visitor.get("/clients/add").text
    for field in FIELDS:
        assert field.variable is not None, field.option
        assert field.option in SELDOM or field.option in text


def test_every_directive_of_the_table_has_its_field() -> None:
    # GPG_REQUIRE_SIG changes nothing; the others are what "Rotate keys" makes.
    without = {"GPG_REQUIRE_SIG", "old_keys_of", "end_at_first_use"}
    edited = {name for field in FIELDS for name in field.names} | KEY_FIELDS.keys()
    assert {variable.name for variable in ACCESS_VARIABLES} - edited == without


def test_end_in_seconds_has_a_field_where_it_is_set(
    visitor: Visitor, daemon: StubDaemon, uci: Path, write_uci: Callable[[str], None]
) -> None:
    write_uci(ANNA.replace("ACCESS_EXPIRE '12/31/2099'", "ACCESS_EXPIRE_EPOCH '4102444800'"))
    section = sections(uci)[0].id
    edit(visitor, section, ACCESS_EXPIRE_EPOCH="4102444801")
    assert values(sections(uci)[0])["ACCESS_EXPIRE_EPOCH"] == "4102444801"
    edit(visitor, section, ACCESS_EXPIRE_EPOCH="")
    assert "ACCESS_EXPIRE_EPOCH" not in visitor.get(f"/clients/{section}").text


def test_search_appears_with_many_clients(
    visitor: Visitor, write_uci: Callable[[str], None]
) -> None:
    write_uci(
        "".join(f"\nconfig access\n\toption SOURCE 'ANY'\n\toption name 'c{n}'\n" for n in range(9))
    )
    assert 'type="search"' in visitor.get("/clients").html


def test_values_that_are_no_unicode_are_shown_and_kept(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    uci.write_bytes(ANNA.encode().replace(b"'Anna'", b"'Ann\xe9'"))
    (anna, _) = sections_of_bytes(uci)
    assert visitor.get("/clients").status == 200
    page = edit(visitor, anna.id, FW_ACCESS_TIMEOUT="60")
    assert page.status == 200
    assert b"'Ann\xe9'" in uci.read_bytes()
    assert b"'60'" in uci.read_bytes()


def sections_of_bytes(uci: Path) -> tuple[UciSection, ...]:
    return parse_uci(uci.read_bytes(), str(uci)).of_type("access")


# Commands


def test_commands_are_entered_and_shown_again(visitor: Visitor, uci: Path) -> None:
    add(visitor, name="Anna")
    section = sections(uci)[-1].id
    typed = {
        "ENABLE_CMD_EXEC": "1",
        "allowed_commands": "/etc/init.d/vpn start; /etc/init.d/vpn stop",
        "CMD_EXEC_USER": "nobody",
    }
    edit(visitor, section, **typed)
    stored = values(sections(uci)[-1])
    assert stored["ENABLE_CMD_EXEC"] == "Y"
    assert {name: stored[name] for name in typed if name != "ENABLE_CMD_EXEC"} == {
        name: typed[name] for name in typed if name != "ENABLE_CMD_EXEC"
    }
    page = visitor.get(f"/clients/{section}")
    assert "Commands run on this router, as root unless you name another user" in page.text
    assert 'value="/etc/init.d/vpn start; /etc/init.d/vpn stop"' in page.html


def test_a_list_of_commands_is_shown_as_one_text(
    visitor: Visitor, write_uci: Callable[[str], None]
) -> None:
    lists = "\tlist allowed_commands 'vpn start'\n\tlist allowed_commands 'vpn stop'\n"
    write_uci(ANNA.replace("\toption KEY 'a passphrase'\n", f"\toption KEY 'a pass'\n{lists}"))
    assert 'value="vpn start; vpn stop"' in visitor.get("/clients/bert").html


def test_half_a_cycle_is_refused_beside_its_field(visitor: Visitor, uci: Path) -> None:
    page = add(visitor, name="Anna", CMD_CYCLE_OPEN="nft add element inet fw4 friends { $SRC }")
    assert "CMD_CYCLE_CLOSE is missing: what undoes this?" in page.text
    assert "Anna" not in uci.read_text()


def test_a_cycle_is_saved_word_for_word(visitor: Visitor, uci: Path) -> None:
    typed = {
        "CMD_CYCLE_OPEN": "nft add element inet fw4 friends { $SRC timeout $CLIENT_TIMEOUTs }",
        "CMD_CYCLE_CLOSE": "nft delete element inet fw4 friends { $SRC }",
        "CMD_CYCLE_TIMER": "60",
    }
    add(visitor, name="Anna", **typed)
    stored = values(sections(uci)[-1])
    assert {name: stored[name] for name in typed} == typed


# Days


def test_days_are_ticked(
    visitor: Visitor, daemon: StubDaemon, uci: Path, write_uci: Callable[[str], None]
) -> None:
    write_uci(
        ANNA.replace(
            "\toption SOMETHING_NEW", "\toption allowed_days 'Mon-Wed'\n\toption SOMETHING_NEW"
        )
    )
    anna = sections(uci)[0].id
    form = visitor.get(f"/clients/{anna}").main_form()
    assert [name for name, _ in form.fields if name.startswith("allowed_days")] == [
        f"allowed_days_{day}" for day in ("mon", "tue", "wed")
    ]
    assert edit(visitor, anna).staged == 0
    assert values(sections(uci)[0])["allowed_days"] == "Mon-Wed", "nothing was changed"
    edit(visitor, anna, allowed_days_tue=[], allowed_days_sun="1")  # type: ignore[arg-type]
    assert values(sections(uci)[0])["allowed_days"] == "mon wed sun"
    edit(visitor, anna, **{f"allowed_days_{day}": "1" for day in ("tue", "thu", "fri", "sat")})
    assert "allowed_days" not in values(sections(uci)[0]), "every day is no limit"


def test_days_that_are_none_are_typed(
    visitor: Visitor, uci: Path, write_uci: Callable[[str], None]
) -> None:
    write_uci(
        ANNA.replace(
            "\toption SOMETHING_NEW", "\toption allowed_days 'noday'\n\toption SOMETHING_NEW"
        )
    )
    form = visitor.get(f"/clients/{sections(uci)[0].id}").main_form()
    assert form.value("allowed_days") == "noday"
