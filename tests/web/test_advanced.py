"""The page Advanced: every variable of the table, whatever the file holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fwknopd.config.uci_format import UciOption, UciPackage, UciSection, format_uci, parse_uci
from fwknopd.config.variables import ACCESS_VARIABLES, SERVER_VARIABLES, Status
from tests.web.test_escaping import PAYLOADS, assert_harmless
from tests.web.visitor import Form, Page, Visitor

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
GPG_PASSPHRASE = "a passphrase nobody may read"

FILE = f"""
config global
\toption uci_enabled '1'
\toption colour 'green'

config access 'anna'
\toption SOURCE 'ANY'
\toption name 'Anna'
\toption KEY_BASE64 '{KEY}'
\toption REQUIRE_SOURCE 'Y'
\toption GPG_DECRYPT_PW '{GPG_PASSPHRASE}'
\toption MY_NOTE 'hers'

config config
\toption MAX_SPA_PACKET_AGE '60'
\toption VERBOSE '1'

config config
\toption MAX_SPA_PACKET_AGE '90'
\toption FUTURE_SWITCH 'on'
\toption API_TOKEN_KEY 'sesame'
\tlist SEVERAL 'one'
\tlist SEVERAL 'two and a half'

"""


@pytest.fixture(autouse=True)
def file(write_uci: Callable[[str], None]) -> None:
    write_uci(FILE)


def form_of(page: Page, path: str = "/advanced") -> Form:
    """The form that is saved, whatever was searched for."""
    (only,) = [f for f in page.forms if f.method == "post" and f.action.split("?")[0] == path]
    return only


def save(visitor: Visitor, path: str = "/advanced", button: str = "Save", **typed: str) -> Page:
    form = form_of(visitor.get(path), path.split("?")[0])
    return visitor.press(form, button, **{f"v-{name}": text for name, text in typed.items()})


def staged(visitor: Visitor) -> str:
    return visitor.get("/changes").text


@pytest.mark.parametrize(
    ("path", "variables"),
    [("/advanced", SERVER_VARIABLES), ("/clients/anna/advanced", ACCESS_VARIABLES)],
    ids=["server", "client"],
)
def test_every_variable_is_there_with_what_the_table_says(
    visitor: Visitor, path: str, variables: tuple[object, ...]
) -> None:
    page = visitor.get(path)
    for variable in SERVER_VARIABLES if path == "/advanced" else ACCESS_VARIABLES:
        assert variable.name in page.text
        assert " ".join(variable.help.split()) in page.text
        assert variable.status_note in page.text
    assert page.text.count("not supported yet") >= sum(
        1 for item in variables if getattr(item, "status", None) is Status.LATER
    )


def test_defaults_ranges_units_and_marks_are_told(visitor: Visitor) -> None:
    text = visitor.get("/advanced?q=MAX_SPA_PACKET_AGE").text
    assert "1 to 100000 seconds" in text
    assert "default: 120" in text
    assert "set by you" in text
    assert "honoured" in text
    assert "default: 0x40000000" in visitor.get("/advanced?q=firewall+mark").text
    assert "set by you" not in visitor.get("/advanced?q=PCAP_FILTER").text
    assert "A change counts after a restart" in visitor.get("/advanced?q=SYSLOG_FACILITY").text


def test_who_looks_for_replay_finds_what_is_kept_against_it(visitor: Visitor) -> None:
    found = visitor.get("/advanced?q=replay").html
    assert "v-DIGEST_FILE" in found
    assert "v-ENABLE_DIGEST_PERSISTENCE" in found


def test_search_works_without_scripts(visitor: Visitor) -> None:
    page = visitor.get("/advanced", query_string={"q": "promisc"})
    names = {name for name, _ in form_of(page).fields}
    assert "v-ENABLE_PCAP_PROMISC" in names
    assert "v-MAX_SPA_PACKET_AGE" not in names
    assert "1 of" in page.text
    assert "Nothing here fits your search." in visitor.get("/advanced?q=qqqq").text
    # Words of the explanation are found, too, and all of them must be there.
    assert "v-ENABLE_PCAP_PROMISC" in visitor.get("/advanced?q=mirror+PORT").html
    assert "v-ENABLE_PCAP_PROMISC" not in visitor.get("/advanced?q=mirror+qqqq").html


def test_only_what_is_set_can_be_shown(visitor: Visitor) -> None:
    page = visitor.get("/advanced?show=set")
    values = {n for n, _ in form_of(page).fields if n.startswith("v-")}
    assert values == {
        "v-MAX_SPA_PACKET_AGE",
        "v-VERBOSE",
        "v-FUTURE_SWITCH",
        "v-API_TOKEN_KEY",
        "v-SEVERAL",
    }
    assert "v-PCAP_DISPATCH_COUNT" not in visitor.get("/advanced?show=honoured").html
    assert visitor.get("/advanced?show=nonsense").status == 200


def test_saving_a_form_nobody_touched_changes_nothing(visitor: Visitor) -> None:
    for path in ("/advanced", "/advanced?show=set", "/clients/anna/advanced"):
        assert save(visitor, path).staged == 0


def test_value_is_staged_applied_and_cleared(visitor: Visitor, uci: Path) -> None:
    assert save(visitor, VERBOSE="0").staged == 1
    assert "VERBOSE '1'" in uci.read_text()
    save(visitor, button="Save & Apply", PCAP_INTF="eth7")
    assert "VERBOSE '0'" in uci.read_text()
    assert "PCAP_INTF 'eth7'" in uci.read_text()
    save(visitor, button="Save & Apply", PCAP_INTF="", VERBOSE="")
    assert "PCAP_INTF" not in uci.read_text()
    assert "VERBOSE" not in uci.read_text()


def test_last_of_several_sections_counts_and_clearing_clears_all(
    visitor: Visitor, uci: Path
) -> None:
    page = visitor.get("/advanced")
    assert form_of(page).value("v-MAX_SPA_PACKET_AGE") == "90"
    assert "where it has no effect: the last one counts" in page.text
    save(visitor, button="Save & Apply", MAX_SPA_PACKET_AGE="77")
    assert "'60'" in uci.read_text() and "'77'" in uci.read_text()
    save(visitor, button="Save & Apply", MAX_SPA_PACKET_AGE="")
    assert "MAX_SPA_PACKET_AGE" not in uci.read_text()


def test_first_variable_makes_its_section(
    visitor: Visitor, write_uci: Callable[[str], None], uci: Path
) -> None:
    write_uci("\nconfig global\n\n")
    save(visitor, button="Save & Apply", VERBOSE="1", PCAP_INTF="eth1")
    (made,) = parse_uci(uci.read_text(), "").of_type("config")
    assert [(o.name, o.value) for o in made.options] == [("PCAP_INTF", "eth1"), ("VERBOSE", "1")]


def test_old_name_of_a_variable_is_shown_and_replaced(visitor: Visitor, uci: Path) -> None:
    path = "/clients/anna/advanced"
    page = visitor.get(path)
    assert "It is written as REQUIRE_SOURCE, which means the same." in page.text
    assert form_of(page, path).value("v-REQUIRE_SOURCE_ADDRESS") == "Y"
    save(visitor, path, "Save & Apply", REQUIRE_SOURCE_ADDRESS="N")
    options = parse_uci(uci.read_text(), "").section("anna")
    assert options and options.option("REQUIRE_SOURCE") is None
    assert options.get("REQUIRE_SOURCE_ADDRESS") == "N"


def test_unknown_names_are_kept_changed_and_removed(visitor: Visitor, uci: Path) -> None:
    page = visitor.get("/advanced")
    assert form_of(page).value("v-FUTURE_SWITCH") == "on"
    assert form_of(page).value("v-SEVERAL") == "one\r\ntwo and a half"
    save(visitor, button="Save & Apply", SEVERAL="one\r\n\r\nthree", FUTURE_SWITCH="off")
    config = parse_uci(uci.read_text(), "").of_type("config")[-1]
    assert config.get("FUTURE_SWITCH") == "off"
    found = config.option("SEVERAL")
    assert found and found.value == ("one", "three")
    save(visitor, button="Save & Apply", SEVERAL="")
    assert "SEVERAL" not in uci.read_text()


def test_new_name_is_added(visitor: Visitor, uci: Path) -> None:
    for path, place in (("/advanced", "config"), ("/clients/anna/advanced", "access")):
        form = form_of(visitor.get(path), path)
        visitor.press(form, "Save & Apply", new_name="ANOTHER_9", new_value="it's mine")
        section = parse_uci(uci.read_text(), "").of_type(place)[0]
        assert section.get("ANOTHER_9") == "it's mine"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("", "x", "a name for this value"),
        ("two words", "x", "letters, digits and _"),
        ("a-b", "x", "letters, digits and _"),
        ("ü", "x", "letters, digits and _"),
        ("VERBOSE", "1", "has a row of its own"),
        ("FUTURE_SWITCH", "1", "has a row of its own"),
        ("EMPTY", "", "a value"),
        ("LONG", "x" * 1001, "at most 1000"),
        ("BELL", "\x07", "one line"),
    ],
)
def test_new_name_must_be_one(visitor: Visitor, name: str, value: str, expected: str) -> None:
    form = form_of(visitor.get("/advanced"))
    page = visitor.press(form, "Save", new_name=name, new_value=value)
    assert page.status == 422
    assert expected in page.text
    assert form_of(page).value("new_name") == name
    assert page.staged == 0


@pytest.mark.parametrize(
    ("name", "typed", "expected"),
    [
        ("MAX_SPA_PACKET_AGE", "soon", "number"),
        ("UDPSERV_PORT", "70000", "65535"),
        ("PCAP_INTF", "x" * 1001, "at most 1000"),
        ("PCAP_INTF", "a\x1bb", "without control characters"),
        ("mark", "3", ""),
    ],
)
def test_wrong_value_is_refused_and_kept(
    visitor: Visitor, name: str, typed: str, expected: str
) -> None:
    page = save(visitor, **{name: typed, "SYSLOG_IDENTITY": "me"})
    assert page.status == 422
    assert expected in page.text
    assert page.staged == 0
    assert form_of(page).value("v-SYSLOG_IDENTITY") == "me"
    assert f'id="e-{name}"' in page.html
    assert 'aria-invalid="true"' in page.html


def test_fault_is_shown_even_where_the_search_left_it_out(
    visitor: Visitor, write_uci: Callable[[str], None]
) -> None:
    write_uci(FILE.replace("VERBOSE '1'", "VERBOSE 'loud'"))
    page = save(visitor, "/advanced?q=SYSLOG", SYSLOG_IDENTITY="me")
    assert page.status == 422
    assert 'id="e-VERBOSE"' in page.html
    page = visitor.press(form_of(page), "Save", **{"v-VERBOSE": "0"})
    assert page.staged == 2


def test_other_faults_of_the_file_stop_nobody(
    visitor: Visitor, write_uci: Callable[[str], None]
) -> None:
    write_uci(FILE + "\nconfig access\n\toption SOURCE 'nowhere'\n\toption KEY 'x'\n")
    assert save(visitor, SYSLOG_IDENTITY="me").staged == 1


def test_variable_that_spoils_a_client_is_refused(
    visitor: Visitor, write_uci: Callable[[str], None]
) -> None:
    nat = "\toption FORCE_NAT '192.168.1.2 22'\n"
    write_uci(
        FILE.replace("\toption MY_NOTE", nat + "\toption MY_NOTE").replace(
            "\toption VERBOSE", "\toption ENABLE_IPT_FORWARDING 'Y'\n\toption VERBOSE"
        )
    )
    page = save(visitor, ENABLE_IPT_FORWARDING="N")
    assert page.status == 422
    assert "FORCE_NAT" in page.text
    assert form_of(page).value("v-ENABLE_IPT_FORWARDING") == "N"


def test_secrets_are_never_sent(visitor: Visitor) -> None:
    form = form_of(visitor.get("/clients/anna/advanced"), "/clients/anna/advanced")
    failed = visitor.press(form, "Save", **{"v-SOURCE": "x", "v-GPG_DECRYPT_PW": "just typed"})
    assert failed.status == 422
    pages = [visitor.get("/advanced"), visitor.get("/clients/anna/advanced"), failed]
    for page in pages:
        for secret in (KEY, GPG_PASSPHRASE, "sesame", "just typed"):
            assert secret not in page.html
    assert "<hidden>" in pages[1].text
    assert "Set and changed under Keys" in pages[1].text


def test_secret_is_kept_replaced_or_removed(visitor: Visitor, uci: Path) -> None:
    save(visitor, button="Save & Apply", VERBOSE="0")
    assert "API_TOKEN_KEY 'sesame'" in uci.read_text()
    save(visitor, button="Save & Apply", API_TOKEN_KEY="open")
    assert "API_TOKEN_KEY 'open'" in uci.read_text()
    form = form_of(visitor.get("/advanced"))
    visitor.press(form, "Save & Apply", **{"remove-API_TOKEN_KEY": "1"})
    assert "API_TOKEN_KEY" not in uci.read_text()


def test_secret_of_a_new_name_does_not_come_back(visitor: Visitor) -> None:
    form = form_of(visitor.get("/advanced"))
    page = visitor.press(form, "Save", new_name="MY_KEY", new_value="hush", **{"v-VERBOSE": "loud"})
    assert page.status == 422
    assert "hush" not in page.html
    assert form_of(page).value("new_name") == "MY_KEY"


def test_value_no_field_holds_is_left_alone(
    visitor: Visitor, write_uci: Callable[[str], None], uci: Path
) -> None:
    odd = "two\nlines\tand a tab"
    options = (UciOption("ODD", odd), UciOption("LONG", "y" * 5000), UciOption("VERBOSE", "1"))
    write_uci(format_uci(UciPackage((UciSection("config", None, "c", options),))))
    page = visitor.get("/advanced")
    assert "two\\x0alines\\x09and a tab" in page.text
    assert "y" * 201 not in page.html
    save(visitor, button="Save & Apply", VERBOSE="0")
    (section,) = parse_uci(uci.read_text(), "").of_type("config")
    assert (section.get("ODD"), section.get("LONG")) == (odd, "y" * 5000)
    form = form_of(visitor.get("/advanced"))
    visitor.press(form, "Save & Apply", **{"remove-ODD": "1"})
    assert "ODD" not in uci.read_text()


def test_options_of_other_sections_are_listed(visitor: Visitor) -> None:
    text = visitor.get("/advanced").text
    assert "colour" in text
    assert "green" in text
    assert "uci_enabled" not in text


def test_old_page_overwrites_nothing(visitor: Visitor, write_uci: Callable[[str], None]) -> None:
    form = form_of(visitor.get("/advanced"))
    write_uci(FILE.replace("VERBOSE '1'", "VERBOSE '2'"))
    page = visitor.press(form, "Save", **{"v-SYSLOG_IDENTITY": "me"})
    assert page.staged == 1
    assert form_of(page).value("v-SYSLOG_IDENTITY") == "me"
    assert form_of(page).value("v-VERBOSE") == "2"
    page = visitor.press(form, "Save", base="long ago", **{"v-VERBOSE": "3"})
    assert page.status == 409
    assert "the configuration changed" in page.text
    assert form_of(page).value("v-VERBOSE") == "3"
    assert page.staged == 1


def test_row_that_is_gone_is_not_made_again(visitor: Visitor) -> None:
    form = form_of(visitor.get("/advanced"))
    page = visitor.press(form, "Save", **{"v-NEVER_HEARD_OF": "x"})
    assert page.status == 409
    assert page.staged == 0


def test_clients_can_be_chosen(visitor: Visitor) -> None:
    page = visitor.get("/advanced", query_string={"client": "anna"})
    assert "Advanced » Anna" in page.text
    assert visitor.get("/advanced?client=nobody").status == 200
    assert visitor.get("/clients/nobody/advanced").status == 404
    assert "/clients/anna/advanced" in visitor.get("/clients/anna").links


def test_client_is_changed_on_its_own_page(visitor: Visitor, uci: Path) -> None:
    page = save(visitor, "/clients/anna/advanced", "Save & Apply", OPEN_PORTS="tcp/22")
    assert "Advanced » Anna" in page.text
    assert "OPEN_PORTS tcp/22" in page.text
    assert "OPEN_PORTS 'tcp/22'" in uci.read_text()


def test_fault_of_a_disabled_client_is_told_as_well(visitor: Visitor) -> None:
    page = save(visitor, "/clients/anna/advanced", enabled="0", OPEN_PORTS="22")
    assert page.status == 422
    assert 'id="e-OPEN_PORTS"' in page.html


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_becomes_markup(
    visitor: Visitor, payload: str, write_uci: Callable[[str], None]
) -> None:
    value = UciOption("ODD", payload)
    options = (value, UciOption("PCAP_INTF", payload), UciOption("L", (payload, payload)))
    client = (value, UciOption("name", payload), UciOption("SOURCE", payload))
    sections = (
        UciSection("config", None, "c", options),
        UciSection("access", "a", "a", client),
        UciSection("other", "o", "o", (value,)),
    )
    write_uci(format_uci(UciPackage(sections)))
    for path in ("/advanced", "/clients/a/advanced"):
        assert_harmless(visitor.get(path).html)
        form = form_of(visitor.get(path), path)
        typed = {n: payload for n, _ in form.fields if n.startswith(("v-", "new_"))}
        assert_harmless(visitor.press(form, "Save", **typed).html)
        assert_harmless(visitor.get(path, query_string={"q": payload, "show": payload}).html)


def test_file_that_is_no_uci_is_said_to_be_so(
    visitor: Visitor, write_uci: Callable[[str], None]
) -> None:
    write_uci("config global\n\toption 'unfinished\n")
    page = visitor.get("/advanced")
    assert page.status == 409
    assert "can't be read" in page.text


def test_many_strange_names_leave_a_page(
    visitor: Visitor, write_uci: Callable[[str], None], uci: Path
) -> None:
    options = tuple(UciOption(f"STRANGE_{n}", "x" * 900) for n in range(300))
    write_uci(format_uci(UciPackage((UciSection("config", None, "c", options),))))
    page = visitor.get("/advanced")
    assert "200 more unknown names are in the file" in page.text
    assert save(visitor, button="Save & Apply", VERBOSE="1").status == 200
    assert uci.read_text().count("STRANGE_") == 300
    save(visitor, "/advanced?q=STRANGE_299", "Save & Apply", STRANGE_299="")
    assert uci.read_text().count("STRANGE_") == 299


VALUES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
NAMES = st.sampled_from(
    [item.name for item in SERVER_VARIABLES] + ["ODD", "base", "csrf", "do", "new_name", "MY_KEY"]
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    options=st.dictionaries(
        NAMES, VALUES | st.lists(VALUES, min_size=1, max_size=3).map(tuple), max_size=6
    )
)
def test_whatever_is_stored_survives_a_save(
    options: dict[str, str | tuple[str, ...]],
    visitor: Visitor,
    write_uci: Callable[[str], None],
) -> None:
    made = tuple(UciOption(name, value) for name, value in options.items())
    write_uci(format_uci(UciPackage((UciSection("config", None, "c", made),))))
    page = save(visitor)
    # An error in the file is told; nothing is changed in either case.
    assert page.status in (200, 422)
    assert page.staged == 0
