"""Forms, buttons and staged changes when somebody else edits the same configuration meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fwknop_webui.staging import Staging
from fwknop_webui.versions import MAX_WEIGHT, Versions
from fwknopd.config.uci_format import parse_uci
from fwknopd.uci_store import Loaded
from tests.web.daemon import StubDaemon
from tests.web.test_changes import apply
from tests.web.test_clients import ANNA, add, sections
from tests.web.visitor import Page, Visitor

MEANWHILE = "The configuration was changed while you filled in the form"


@pytest.fixture(autouse=True)
def running(daemon: StubDaemon, write_uci: Callable[[str], None]) -> None:
    """Every test has a daemon that takes what it gets, and two clients."""
    write_uci(ANNA + "config config\n\toption MAX_SPA_PACKET_AGE '90'\n\n")


def anna(uci: Path) -> str:
    return f"/clients/{sections(uci)[0].id}"


def edit(uci: Path, old: str, new: str) -> None:
    """What somebody does in an editor."""
    text = uci.read_text()
    assert old in text
    uci.write_text(text.replace(old, new))


def error_beside(page: Page, name: str) -> str:
    (found,) = [a for t, a in page.tags if t == "div" and a.get("id") == f"e-{name}"]
    assert found["class"] == "cbi-error"
    return page.text


@pytest.mark.parametrize("how", ["an editor", "the uci command", "another tab"])
def test_other_option_of_the_same_client_is_kept(
    how: str, visitor: Visitor, uci: Path, tmp_path: Path
) -> None:
    form = visitor.get(anna(uci)).main_form()
    if how == "an editor":
        edit(uci, "option FW_ACCESS_TIMEOUT '45'", "option FW_ACCESS_TIMEOUT '50'")
    elif how == "the uci command":
        (tmp_path / "delta").mkdir(mode=0o700)
        place = sections(uci)[0].id
        (tmp_path / "delta" / "fwknopd").write_text(f"fwknopd.{place}.FW_ACCESS_TIMEOUT='50'\n")
    else:
        visitor.press(visitor.get(anna(uci)).main_form(), "Save", FW_ACCESS_TIMEOUT="50")
    page = visitor.press(form, "Save & Apply", note="mine")
    assert MEANWHILE in page.text
    assert sections(uci)[0].get("FW_ACCESS_TIMEOUT") == "50"
    assert sections(uci)[0].get("note") == "mine"


OUTDATED = "The file was changed by somebody else since you made your unsaved changes"


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/clients", "/settings", "/advanced", "/clients/bert"),
        *("/clients/bert/rotate", "/clients/bert/delete", "/logs", "/backup"),
    ],
)
def test_pages_say_that_the_file_changed_since_the_unsaved_changes(
    path: str, visitor: Visitor, second: Visitor, uci: Path
) -> None:
    visitor.press(visitor.get(anna(uci)).main_form(), "Save", note="mine")
    assert OUTDATED not in visitor.get(path).text, "only its own changes"
    edit(uci, "option MAX_SPA_PACKET_AGE '90'", "option MAX_SPA_PACKET_AGE '60'")
    page = visitor.get(path)
    assert page.text.count(OUTDATED) == 1
    assert [link for link in page.links if link.startswith("/changes?back=/")]
    assert OUTDATED not in second.get(path).text, "who has no changes sees the file as it is"
    assert OUTDATED not in visitor.get("/changes").text, "that page says it more closely"
    page = visitor.press(visitor.get("/changes").form("/changes/apply"), "Keep my changes")
    assert OUTDATED not in visitor.get(path).text
    assert visitor.get(path).staged


@pytest.mark.parametrize("how", ["an editor", "another tab"])
def test_same_option_is_shown_with_both_values(how: str, visitor: Visitor, uci: Path) -> None:
    form = visitor.get(anna(uci)).main_form()
    if how == "an editor":
        edit(uci, "'45'", "'50'")
    else:
        visitor.press(visitor.get(anna(uci)).main_form(), "Save", FW_ACCESS_TIMEOUT="50")
    before = uci.read_bytes()
    page = visitor.press(form, "Save & Apply", FW_ACCESS_TIMEOUT="77", note="mine")
    assert page.status == 409
    assert "Not saved: somebody else changed the same meanwhile" in page.text
    assert "Meanwhile it was changed to “50”." in error_beside(page, "FW_ACCESS_TIMEOUT")
    assert page.main_form().value("FW_ACCESS_TIMEOUT") == "77"
    assert page.main_form().value("note") == "mine"
    assert uci.read_bytes() == before
    visitor.press(page.main_form(), "Save & Apply")
    assert sections(uci)[0].get("FW_ACCESS_TIMEOUT") == "77"


def test_key_in_conflict_is_not_shown(visitor: Visitor, uci: Path) -> None:
    visitor.press(visitor.get(anna(uci)).main_form(), "Save", key="mine mine mine", key_kind="KEY")
    edit(uci, f"option KEY_BASE64 '{sections(uci)[0].get('KEY_BASE64')}'", "option KEY 'theirs'")
    page = visitor.get("/changes")
    assert "Changed by both of you" in page.text
    assert "KEY ******** ********" in page.text
    assert "theirs'" not in page.html
    assert "mine mine" not in page.html


def test_old_page_hits_the_client_it_showed(
    visitor: Visitor, uci: Path, write_uci: Callable[[str], None]
) -> None:
    # Ids of anonymous sections are positions: somebody put another client in front.
    form, place = visitor.get(anna(uci)).main_form(), sections(uci)[0].id
    theirs = "\nconfig access\n\toption SOURCE 'ANY'\n\toption name 'New'\n\toption KEY 'k'\n"
    first = "\nconfig access\n\toption SOURCE 'ANY'"
    write_uci(uci.read_text().replace(first, theirs + first))
    assert sections(uci)[0].id == place
    visitor.press(form, "Save & Apply", FW_ACCESS_TIMEOUT="77")
    times = {s.get("name"): s.get("FW_ACCESS_TIMEOUT") for s in sections(uci)}
    assert times["Anna"] == "77"
    assert times["New"] == ""


def test_client_somebody_deleted_can_be_added_anew(visitor: Visitor, uci: Path) -> None:
    form = visitor.get("/clients/bert").main_form()
    start = uci.read_text().index("config access 'bert'")
    end = uci.read_text().index("config config")
    uci.write_text(uci.read_text()[:start] + uci.read_text()[end:])
    page = visitor.press(form, "Save", FW_ACCESS_TIMEOUT="77")
    assert page.status == 409
    assert "this client was deleted meanwhile by somebody else" in page.text
    assert page.main_form().value("FW_ACCESS_TIMEOUT") == "77"
    page = visitor.press(page.main_form(), "Save", name="Bert")
    assert "is added, with fresh keys" in page.text


def test_settings_of_two_people_meet(visitor: Visitor, second: Visitor, uci: Path) -> None:
    form = visitor.get("/settings").form("/settings")
    second.press(second.get("/settings").form("/settings"), "Save & Apply", network="lan")
    page = visitor.press(form, "Save & Apply", MAX_SPA_PACKET_AGE="60")
    assert MEANWHILE in page.text
    assert page.form("/settings").value("network") == "lan"
    assert "MAX_SPA_PACKET_AGE '60'" in uci.read_text()
    page = visitor.press(form, "Save & Apply", network="wan6", spa_port="99")
    assert page.status == 409
    assert "Meanwhile it was changed to “lan”." in error_beside(page, "network")
    assert page.form("/settings").value("network") == "wan6"
    assert page.form("/settings").value("MAX_SPA_PACKET_AGE") == "60"


def test_port_both_changed_is_marked_at_its_field(visitor: Visitor, uci: Path) -> None:
    form = visitor.get("/settings").form("/settings")
    visitor.press(visitor.get("/settings").form("/settings"), "Save", spa_port="1000")
    page = visitor.press(form, "Save", spa_port="2000")
    assert "“udp port 1000”" in error_beside(page, "spa_port")
    assert page.form("/settings").value("spa_port") == "2000"


def test_variables_of_two_tabs_meet(visitor: Visitor, uci: Path) -> None:
    form = visitor.get("/advanced").main_form()
    visitor.press(visitor.get("/advanced").main_form(), "Save", **{"v-VERBOSE": "1"})
    page = visitor.press(form, "Save", **{"v-MAX_SPA_PACKET_AGE": "60"})
    assert MEANWHILE in page.text
    assert page.staged == 2
    page = visitor.press(form, "Save", **{"v-VERBOSE": "2"})
    assert page.status == 409
    assert "Meanwhile it was changed to “1”." in error_beside(page, "VERBOSE")
    assert page.main_form().value("v-VERBOSE") == "2"
    assert page.main_form().value("v-MAX_SPA_PACKET_AGE") == "60"


@pytest.mark.parametrize("page", ["client", "settings", "advanced"])
def test_page_nobody_remembers_shows_all_that_differs(
    page: str, visitor: Visitor, uci: Path
) -> None:
    path, prefix, name = {
        "client": (anna(uci), "", "FW_ACCESS_TIMEOUT"),
        "settings": ("/settings", "", "MAX_SPA_PACKET_AGE"),
        "advanced": ("/advanced", "v-", "MAX_SPA_PACKET_AGE"),
    }[page]
    form = visitor.get(path).main_form()
    edit(uci, "'45'", "'50'")
    edit(uci, "MAX_SPA_PACKET_AGE '90'", "MAX_SPA_PACKET_AGE '50'")
    form.fields = [(key, "old" if key == "base" else old) for key, old in form.fields]
    found = visitor.press(form, "Save", **{prefix + name: "77"})
    assert found.status == 409
    assert "the configuration changed since this page was opened" in found.text
    assert "Now it is “50”. Save again to have yours" in error_beside(found, name)
    assert [a["id"] for _t, a in found.tags if a.get("class") == "cbi-error"] == [f"e-{name}"]
    assert visitor.press(found.main_form(), "Save").staged == 1


def test_as_many_versions_are_remembered_as_there_is_room_for() -> None:
    text = "config access\n" + "".join(f"\toption n{n} 'x'\n" for n in range(MAX_WEIGHT // 4))
    file = parse_uci(text, "")
    known, names = Versions(), []
    for etag in "abcd":
        base = Loaded(file, file, etag, ())
        names += [known.name(Staging().on(base)) for _twice in range(2)]
    assert len(set(names)) == 4
    assert all(map(known.find, names))
    last = known.name(Staging().on(Loaded(file, file, "e", ())))
    assert known.find(last)
    assert [name for name in dict.fromkeys(names) if not known.find(name)] == names[:1]


def test_button_of_an_old_tab_does_not_hit_a_new_client(visitor: Visitor, uci: Path) -> None:
    # A client that is added takes the id of one that was deleted, as with libuci.
    uci.write_text(uci.read_text().replace("config access 'bert'", "config access"))
    bert = sections(uci)[1].id
    old = visitor.get(f"/clients/{bert}/delete").form(f"/clients/{bert}/delete")
    visitor.press(old, "Delete")
    add(visitor, "Save", name="Carla")
    page = visitor.get("/clients")
    assert "Carla" in page.text
    taken = visitor.get(f"/clients/{bert}").status == 200
    assert visitor.press(old, "Delete").status == (409 if taken else 404)
    assert "Carla" in visitor.get("/clients").text


@pytest.mark.parametrize("button", ["Factory reset", "Keep these, reset the rest"])
def test_reset_says_what_came_since_its_page_was_opened(
    button: str, visitor: Visitor, uci: Path
) -> None:
    form = visitor.get("/backup/reset").form("/backup/reset")
    add(visitor, "Save", name="Carla")
    edit(uci, "MAX_SPA_PACKET_AGE '90'", "MAX_SPA_PACKET_AGE '80'")
    page = visitor.press(form, "Factory reset")
    assert "First decide what becomes of your unsaved changes" in page.text
    page = visitor.press(page.form("/changes/apply"), "Keep my changes")
    assert "/backup/reset" in page.links
    page = visitor.press(form, "Factory reset")
    assert page.status == 409
    assert "MAX_SPA_PACKET_AGE='80'" in page.text
    assert "name='Carla'" in page.text
    visitor.press(page.form("/backup/reset"), button)
    apply(visitor)
    kept = button != "Factory reset"
    assert ("Carla" in uci.read_text()) is kept
    assert ("MAX_SPA_PACKET_AGE '80'" in uci.read_text()) is kept
    assert "Anna" not in uci.read_text()


def stage_on_old(visitor: Visitor, uci: Path) -> Page:
    visitor.press(visitor.get(anna(uci)).main_form(), "Save", FW_ACCESS_TIMEOUT="77", note="mine")
    edit(uci, "'45'", "'50'")
    edit(uci, "MAX_SPA_PACKET_AGE '90'", "MAX_SPA_PACKET_AGE '80'")
    return visitor.get("/changes")


def test_list_shows_what_both_did(visitor: Visitor, uci: Path) -> None:
    page = stage_on_old(visitor, uci)
    assert "What changed in the file meanwhile" in page.text
    assert "MAX_SPA_PACKET_AGE='80'" in page.text
    assert "(Anna) FW_ACCESS_TIMEOUT 77 50" in page.text
    buttons = [text for text, *_ in page.form("/changes/apply").buttons]
    assert buttons == ["Keep mine", "Keep theirs", "Revert"]


@pytest.mark.parametrize(("button", "time"), [("Keep mine", "77"), ("Keep theirs", "50")])
def test_a_person_decides_whose_values_to_keep(
    button: str, time: str, visitor: Visitor, uci: Path
) -> None:
    page = stage_on_old(visitor, uci)
    page = visitor.press(page.form("/changes/apply"), button)
    assert "now stand on top" in page.text
    apply(visitor)
    assert sections(uci)[0].get("FW_ACCESS_TIMEOUT") == time
    assert sections(uci)[0].get("note") == "mine"
    assert "MAX_SPA_PACKET_AGE '80'" in uci.read_text()


def test_nobody_agrees_to_a_change_that_was_not_shown(visitor: Visitor, uci: Path) -> None:
    form = stage_on_old(visitor, uci).form("/changes/apply")
    edit(uci, "MAX_SPA_PACKET_AGE '80'", "MAX_SPA_PACKET_AGE '70'")
    page = visitor.press(form, "Keep mine")
    assert "changed once more" in page.text
    assert "MAX_SPA_PACKET_AGE='70'" in page.text


def test_choice_is_needed_where_both_changed_the_same(visitor: Visitor, uci: Path) -> None:
    form = stage_on_old(visitor, uci).form("/changes/apply")
    data = {"csrf": form.value("csrf"), "seen": form.value("seen")}
    page = visitor.post("/changes/rebase", data)
    assert "choose whose to keep" in page.text
    assert page.staged == 2


def test_deleted_client_that_was_changed_is_named(visitor: Visitor, uci: Path) -> None:
    page = visitor.get("/clients/bert/delete")
    visitor.press(page.form("/clients/bert/delete"), "Delete")
    edit(uci, "config access 'bert'\n", "config access 'bert'\n\toption note 'x'\n")
    page = visitor.get("/changes")
    assert "deleted changed" in page.text
    visitor.press(page.form("/changes/apply"), "Keep theirs")
    assert visitor.get("/changes").staged == 0
    assert "Edit bert" in visitor.get("/clients").text


def test_changed_client_that_was_deleted_can_be_kept(visitor: Visitor, uci: Path) -> None:
    visitor.press(visitor.get("/clients/bert").main_form(), "Save", FW_ACCESS_TIMEOUT="77")
    start = uci.read_text().index("config access 'bert'")
    end = uci.read_text().index("config config")
    uci.write_text(uci.read_text()[:start] + uci.read_text()[end:])
    page = visitor.get("/changes")
    assert "changed deleted" in page.text
    visitor.press(page.form("/changes/apply"), "Keep mine")
    apply(visitor)
    (bert,) = [s for s in sections(uci) if s.name == "bert"]
    assert bert.get("FW_ACCESS_TIMEOUT") == "77"
    assert bert.get("KEY") == "a passphrase"


def test_pending_changes_of_the_uci_command_are_listed_with_yours(
    visitor: Visitor, uci: Path, tmp_path: Path
) -> None:
    (tmp_path / "delta").mkdir(mode=0o700)
    (tmp_path / "delta" / "fwknopd").write_text("fwknopd.bert.note='by hand'\n")
    page = visitor.get("/changes")
    assert "Changes by the uci command that are not committed" in page.text
    assert "uci set fwknopd.bert.note='by hand'" in page.text
    add(visitor, "Save", name="Carla")
    assert "Your changes" in visitor.get("/changes").text
