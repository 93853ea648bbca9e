"""Save, Save & Apply, Revert, and what happens when somebody else edits the file."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from fwknopd.config.uci_config import configuration_from_uci
from fwknopd.config.uci_format import parse_uci
from fwknopd.control.protocol import VerbError
from fwknopd.status import problems_json
from tests.web.conftest import STOCK
from tests.web.daemon import StubDaemon
from tests.web.test_clients import ANNA, add, sections, values
from tests.web.visitor import Page, Visitor

OVERWRITING = STOCK.replace("config global\n", "config global\n\toption uci_enabled '1'\n")


def apply(visitor: Visitor) -> Page:
    return visitor.press(visitor.get("/changes").form("/changes/apply"), "Save & Apply")


def put_back(visitor: Visitor) -> Page:
    """After the daemon refused it."""
    page = visitor.get("/changes/applied")
    return visitor.press(page.form("/changes/keep"), "Put the old file back")


def test_client_that_is_added_is_told_of_in_two_messages(
    visitor: Visitor, daemon: StubDaemon, write_uci: Callable[[str], None]
) -> None:
    # With a client that has no key, and pages that aren't in use.
    write_uci("\nconfig access\n\toption SOURCE 'ANY'\n\toption KEY '__CHANGEME__'\n\n")
    page = add(visitor, "Save", name="Anna")
    assert page.html.count('<div class="alert-message') == 2
    for words in (
        "Anna is added, with fresh keys.",
        "press Save & Apply when done",
        "“Enable config overwrite” is off",
        "this is the placeholder of the stock configuration",
    ):
        assert words in page.text


def test_saving_only_stages(visitor: Visitor, daemon: StubDaemon, uci: Path) -> None:
    before = uci.read_bytes()
    page = add(visitor, "Save", name="Anna")
    assert "It is not in use yet: press Save & Apply when done." in page.text
    assert page.staged == 6
    assert uci.read_bytes() == before
    assert daemon.reloads() == 0
    assert "not applied" in visitor.get("/clients").text


def test_badge_opens_the_list_as_uci_commands(visitor: Visitor) -> None:
    page = add(visitor, "Save", name="Anna's <b>phone</b>")
    (link,) = {item for item in page.links if item.startswith("/changes")}
    page = visitor.get(link)
    assert "uci add fwknopd access" in page.text
    assert "<b>phone</b>" in page.text
    assert "<b>phone" not in page.html
    assert "KEY_BASE64='********'" in page.text
    assert "/clients" in page.links


def test_other_sessions_do_not_see_staged_changes(visitor: Visitor, second: Visitor) -> None:
    add(visitor, "Save", name="Anna")
    page = second.get("/clients")
    assert page.staged == 0
    assert "Anna" not in page.text


def test_several_saves_are_applied_as_one(visitor: Visitor, daemon: StubDaemon, uci: Path) -> None:
    add(visitor, "Save", name="Anna")
    add(visitor, "Save", name="Bert")
    visitor.press(visitor.get("/settings").form("/settings"), "Save", uci_enabled="1")
    page = apply(visitor)
    assert "13 changes applied; the daemon is using them." in page.text
    assert page.staged == 0
    assert [section.get("name") for section in sections(uci)] == ["", "Anna", "Bert"]
    assert daemon.reloads() == 1


def test_reverting_forgets_them(visitor: Visitor, uci: Path) -> None:
    before = uci.read_bytes()
    add(visitor, "Save", name="Anna")
    page = visitor.press(visitor.get("/changes").form("/changes/apply"), "Revert")
    assert page.staged == 0
    assert "Anna" not in visitor.get("/clients").text
    assert uci.read_bytes() == before


def test_typing_the_old_value_again_leaves_nothing_staged(
    visitor: Visitor, write_uci: Callable[[str], None], uci: Path
) -> None:
    write_uci(ANNA)
    path = f"/clients/{sections(uci)[0].id}"
    page = visitor.press(visitor.get(path).main_form(), "Save", FW_ACCESS_TIMEOUT="60")
    assert page.staged == 1
    page = visitor.press(visitor.get(path).main_form(), "Save", FW_ACCESS_TIMEOUT="45")
    assert page.staged == 0


def test_stopped_daemon_does_not_keep_from_saving(visitor: Visitor, uci: Path) -> None:
    page = add(visitor, name="Anna")
    assert "Saved, but not in use yet" in page.text
    assert "/etc/init.d/fwknopd start" in page.text
    assert sections(uci)[-1].get("name") == "Anna"
    assert page.staged == 0


def test_daemon_s_warnings_are_shown_after_applying(visitor: Visitor, daemon: StubDaemon) -> None:
    warning = {
        "severity": "warning",
        "file": "f",
        "line": 3,
        "section": "",
        "option": "SOURCE",
        "message": "any address may knock",
        "remedy": "Narrow it.",
    }
    daemon.reload_answer = {"reloaded": True, "problems": [warning]}
    text = add(visitor, name="Anna").text
    assert "applied" in text
    assert "any address may knock. Narrow it." in text


def test_what_the_outcome_says_is_not_said_twice(
    visitor: Visitor, daemon: StubDaemon, write_uci: Callable[[str], None], uci: Path
) -> None:
    write_uci(OVERWRITING)

    def answer_as_the_daemon_does() -> None:
        package = parse_uci(uci.read_text(), str(uci))
        problems = problems_json(configuration_from_uci(package, str(uci)).problems)
        daemon.reload_answer = {"reloaded": True, "problems": problems}

    daemon.on_reload = answer_as_the_daemon_does
    page = add(visitor, name="Anna")
    assert "6 changes applied" in page.text
    assert page.text.count("this is the placeholder") == 1
    page = visitor.get("/clients")
    assert page.text.count("this is the placeholder") == 1
    assert "section cfg03ea17 (#1)" in page.text


def test_refused_configuration_is_taken_back_and_stays_staged(
    visitor: Visitor, daemon: StubDaemon, uci: Path, write_uci: Callable[[str], None]
) -> None:
    write_uci(OVERWRITING)
    before = parse_uci(uci.read_text(), "f")
    written: list[str] = []
    daemon.on_reload = lambda: written.append(uci.read_text())
    problem = {
        "severity": "error",
        "file": str(uci),
        "line": 9,
        "section": "cfg05ea17",
        "option": "SOURCE",
        "message": "not good enough",
        "remedy": "Write another.",
    }
    daemon.reload_answer = {"reloaded": False, "problems": [problem]}
    page = add(visitor, name="Anna")
    assert "The daemon refused this configuration" in page.text
    assert "not good enough. Write another." in page.text
    assert "line 9" in page.text
    assert "Anna" in written[0]
    page = put_back(visitor)
    assert parse_uci(uci.read_text(), "f") == before
    assert page.staged == 6
    daemon.reload_answer = {"reloaded": True, "problems": []}
    assert "6 changes applied" in apply(visitor).text
    assert sections(uci)[-1].get("name") == "Anna"


def test_taking_back_restores_deleted_and_moved_sections(
    visitor: Visitor, daemon: StubDaemon, uci: Path, write_uci: Callable[[str], None]
) -> None:
    write_uci(ANNA + "config global\n\toption uci_enabled '1'\n\n")
    before = parse_uci(uci.read_text(), "f").sections
    section = sections(uci)[0].id
    page = visitor.get(f"/clients/{section}/delete")
    visitor.press(page.form(f"/clients/{section}/delete"), "Delete")
    add(visitor, "Save", name="Carla")
    daemon.reload_answer = {"reloaded": False, "problems": []}
    apply(visitor)
    put_back(visitor)
    after = parse_uci(uci.read_text(), "f").sections
    assert [values(item) for item in after] == [values(item) for item in before]


def test_errors_found_before_writing_keep_the_file_untouched(
    visitor: Visitor, daemon: StubDaemon, uci: Path, write_uci: Callable[[str], None]
) -> None:
    write_uci(ANNA.replace("192.0.2.0/24", "nonsense"))
    before = uci.read_bytes()
    page = add(visitor, name="Carla")
    assert "would not take this configuration" in page.text
    assert "nonsense" in page.text
    assert "section bert" in page.text
    assert page.staged == 6
    assert uci.read_bytes() == before
    assert daemon.reloads() == 0


def test_somebody_else_s_edit_is_never_overwritten(
    visitor: Visitor, daemon: StubDaemon, uci: Path, write_uci: Callable[[str], None]
) -> None:
    add(visitor, "Save", name="Anna")
    write_uci(STOCK.replace("'ANY'", "'10.0.0.0/8'"))
    theirs = uci.read_bytes()
    page = visitor.get("/changes")
    assert "changed by somebody else" in page.text
    assert "Save & Apply" not in [text for text, *_ in page.form("/changes/apply").buttons]
    page = visitor.post("/changes/apply", {"csrf": page.main_form().value("csrf")})
    assert "Not applied: the configuration was changed by somebody else" in page.text
    assert page.staged == 6
    assert uci.read_bytes() == theirs
    assert daemon.reloads() == 0


def test_own_changes_can_be_put_on_top_of_somebody_else_s(
    visitor: Visitor, daemon: StubDaemon, uci: Path, write_uci: Callable[[str], None]
) -> None:
    add(visitor, "Save", name="Anna")
    write_uci(
        STOCK + "config access\n\toption SOURCE 'ANY'\n\toption name 'Theirs'\n\toption KEY 'k'\n\n"
    )
    page = visitor.press(visitor.get("/changes").form("/changes/apply"), "Keep my changes")
    assert "now stand on top" in page.text
    apply(visitor)
    assert [section.get("name") for section in sections(uci)] == ["", "Theirs", "Anna"]
    assert sections(uci)[1].get("KEY") == "k"
    assert len(sections(uci)[2].get("KEY_BASE64")) == 44


def test_both_changing_one_client_is_left_to_a_person(
    visitor: Visitor, uci: Path, write_uci: Callable[[str], None]
) -> None:
    write_uci(ANNA)
    path = f"/clients/{sections(uci)[0].id}"
    visitor.press(visitor.get(path).main_form(), "Save", FW_ACCESS_TIMEOUT="60")
    write_uci(ANNA.replace("'45'", "'50'"))
    theirs = uci.read_bytes()
    page = visitor.get("/changes")
    assert "Changed by both of you" in page.text
    assert page.staged == 1
    assert uci.read_bytes() == theirs


def test_two_sessions_applying_at_once_lose_nothing(
    visitor: Visitor, second: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    add(visitor, "Save", name="Anna")
    add(second, "Save", name="Bert")
    forms = [(who, who.get("/changes").form("/changes/apply")) for who in (visitor, second)]
    threads = [
        threading.Thread(target=who.press, args=(form, "Save & Apply")) for who, form in forms
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = [section.get("name") for section in sections(uci)]
    assert names in (["", "Anna"], ["", "Bert"])
    loser = visitor if names == ["", "Bert"] else second
    assert loser.get("/changes").staged == 6
    loser.press(loser.get("/changes").form("/changes/apply"), "Keep my changes")
    apply(loser)
    assert sorted(section.get("name") for section in sections(uci)) == ["", "Anna", "Bert"]


def test_changes_of_the_uci_command_are_shown_and_saved_too(
    visitor: Visitor, daemon: StubDaemon, uci: Path, tmp_path: Path
) -> None:
    delta = tmp_path / "delta"
    delta.mkdir(mode=0o700)
    (delta / "fwknopd").write_text("fwknopd.cfg03ea17.SOURCE='10.0.0.0/8'\n")
    page = visitor.get("/clients")
    assert "10.0.0.0/8" in page.text
    assert "uci changes fwknopd" in page.text
    add(visitor, name="Anna")
    assert sections(uci)[0].get("SOURCE") == "10.0.0.0/8"
    assert (delta / "fwknopd").read_text() == ""


def test_file_that_can_not_be_written_keeps_the_changes(
    visitor: Visitor, daemon: StubDaemon, uci: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    before = uci.read_bytes()
    monkeypatch.setattr("os.fsync", full)
    page = add(visitor, name="Anna")
    assert "Not saved" in page.text
    assert "No space left on device" in page.text
    assert page.staged == 6
    assert uci.read_bytes() == before
    assert daemon.reloads() == 0


def refused(file: str) -> dict[str, object]:
    problem = {
        "severity": "error",
        "file": file,
        "line": 9,
        "section": "",
        "option": "SOURCE",
        "message": "not good enough",
        "remedy": "Write another.",
    }
    return {"reloaded": False, "problems": [problem]}


def test_with_overwrite_off_nobody_is_told_that_it_is_in_use(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    daemon.origin = {"source": "files", "file": "/opt/fwknop/fwknopd.conf"}
    page = add(visitor, name="Anna")
    assert sections(uci)[-1].get("name") == "Anna"
    assert "Saved; the daemon runs from the files in /opt/fwknop" in page.text
    assert "Tick “Enable config overwrite” in Settings to use this." in page.text
    assert "Not in use" not in page.text
    assert "Not in use" in visitor.get("/clients").text
    assert "is using" not in page.text


def test_without_any_configuration_in_use_the_page_says_so(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    daemon.origin = {"source": "none", "file": str(uci)}
    page = add(visitor, name="Anna")
    assert "Saved, but the daemon uses no configuration at all" in page.text
    assert "Tick “Enable config overwrite”" in page.text
    assert "is using" not in page.text


def test_daemon_that_was_started_with_classic_files_is_not_said_to_need_a_tick(
    visitor: Visitor, daemon: StubDaemon, write_uci: Callable[[str], None], uci: Path
) -> None:
    write_uci(OVERWRITING)
    daemon.origin = {"source": "files", "file": "/etc/fwknop/fwknopd.conf"}
    page = add(visitor, name="Anna")
    assert "the daemon runs from the files in /etc/fwknop" in page.text
    assert f"--uci {uci}" in page.text
    assert "Tick" not in page.text


def test_daemon_on_another_uci_file_is_named(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    daemon.origin = {"source": "uci", "file": "/etc/config/fwknopd"}
    page = add(visitor, name="Anna")
    assert f"Saved in {uci}, but the daemon runs from /etc/config/fwknopd" in page.text
    assert "is using" not in page.text


def test_same_file_by_another_path_is_the_same(
    visitor: Visitor, daemon: StubDaemon, uci: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(uci.parent)
    daemon.origin = {"source": "uci", "file": str(link / uci.name)}
    assert "6 changes applied; the daemon is using them." in add(visitor, name="Anna").text


def test_older_daemon_is_asked_for_its_status(visitor: Visitor, daemon: StubDaemon) -> None:
    daemon.origin = {}
    configuration = {"source": "files", "file": "/etc/fwknop/fwknopd.conf"}
    daemon.status = daemon.status | {"configuration": configuration}
    assert "the daemon runs from the files in /etc/fwknop" in add(visitor, name="Anna").text


def test_faults_in_classic_files_do_not_keep_from_saving_here(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    daemon.origin = {"source": "files", "file": "/etc/fwknop/fwknopd.conf"}
    daemon.reload_answer = refused("/etc/fwknop/access.conf")
    page = add(visitor, name="Anna")
    assert "Saved; the daemon runs from the files in /etc/fwknop" in page.text
    assert "not good enough. Write another." in page.text
    assert page.staged == 0
    assert sections(uci)[-1].get("name") == "Anna"


def test_switching_overwrite_off_is_taken_back_when_the_classic_files_are_faulty(
    visitor: Visitor, daemon: StubDaemon, uci: Path, write_uci: Callable[[str], None]
) -> None:
    write_uci(OVERWRITING)
    daemon.reload_answer = refused("/etc/fwknop/access.conf")
    form = visitor.get("/settings").form("/settings")
    page = visitor.press(form, "Save & Apply", uci_enabled=[])
    assert "The daemon refused this configuration" in page.text
    page = put_back(visitor)
    assert "uci_enabled '1'" in uci.read_text()
    assert page.staged == 1


def test_daemon_that_does_not_answer_is_told_apart_from_a_stopped_one(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    daemon.refusal = VerbError("internal", "the daemon failed to answer", "Please report it")
    page = add(visitor, name="Anna")
    assert "Saved, but not in use yet" in page.text
    assert "Please report it" in page.text
    assert sections(uci)[-1].get("name") == "Anna"
