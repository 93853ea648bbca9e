"""A configuration file that is no valid UCI can be replaced as a whole from the page."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from fwknop_webui.factory import factory_package
from fwknop_webui.sessions import FRESH_SECONDS
from fwknopd.config.uci_format import format_uci, parse_uci
from fwknopd.uci_store import MAX_FILE_SIZE
from tests.web.clock import HandClock
from tests.web.daemon import StubDaemon
from tests.web.test_backup import FILE, content, restore
from tests.web.test_clients import add
from tests.web.visitor import Visitor

BROKEN = "\nconfig global\n\noption 'a secret\n"
REPLACE = "/backup/replace"


@pytest.fixture
def copy(uci: Path) -> Path:
    return uci.with_name(".fwknopd.broken")


@pytest.fixture(autouse=True)
def file(write_uci: Callable[[str], None]) -> None:
    write_uci(BROKEN)


def test_backup_takes_the_place_of_a_broken_file(
    visitor: Visitor, uci: Path, copy: Path, daemon: StubDaemon
) -> None:
    daemon.origin = {"source": "uci", "file": str(uci)}
    page = restore(visitor, content())
    assert page.status == 200
    assert "the backup, which has 2 clients" in page.text
    assert "not valid UCI" in page.text
    assert str(copy) in page.text
    assert uci.read_text() == BROKEN

    page = visitor.press(page.form(REPLACE), "Replace the file")
    assert page.status == 200
    assert "The file is replaced; the daemon is using the new one" in page.text
    assert parse_uci(uci.read_bytes(), "") == parse_uci(FILE, "")
    assert copy.read_text() == BROKEN
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert str(copy) in page.text
    assert daemon.reloads() == 1
    assert visitor.get("/clients").status == 200


def test_factory_reset_takes_the_place_of_a_broken_file(
    visitor: Visitor, uci: Path, copy: Path
) -> None:
    page = visitor.get("/backup/reset")
    assert page.status == 200
    page = visitor.press(page.form(REPLACE), "Replace the file")
    assert "Saved, but not in use yet" in page.text
    assert format_uci(parse_uci(uci.read_bytes(), "")) == format_uci(factory_package())
    assert copy.read_text() == BROKEN
    assert visitor.get("/settings").status == 200


def test_refusal_of_the_daemon_is_told(visitor: Visitor, daemon: StubDaemon) -> None:
    daemon.reload_answer = {"reloaded": False, "problems": []}
    page = restore(visitor, content())
    assert "the daemon refused it" in visitor.press(page.form(REPLACE), "Replace the file").text


def test_pending_changes_go_into_the_copy(visitor: Visitor, uci: Path, copy: Path) -> None:
    delta = uci.parent.parent / "delta"
    delta.mkdir(mode=0o700)
    (delta / "fwknopd").write_text("fwknopd.x='y'\n")
    (delta / "fwknopd").chmod(0o600)
    visitor.press(visitor.get("/backup/reset").form(REPLACE), "Replace the file")
    assert copy.read_text().endswith("\nfwknopd.x='y'\n")
    assert (delta / "fwknopd").read_bytes() == b""


def test_broken_text_is_given_only_for_the_password(visitor: Visitor, hands: HandClock) -> None:
    page = visitor.get("/backup/reset")
    got = visitor.press(page.form("/backup/broken"), "Download the file as it is")
    assert got.html == BROKEN
    assert "attachment" in got.response.headers["Content-Disposition"]

    hands.forward(FRESH_SECONDS + 1)
    form = visitor.get("/backup/reset").form("/backup/broken")
    wrong = visitor.press(form, "Download the file as it is", password="wrong")
    assert wrong.status == 401
    assert "a secret" not in re.sub("<ul.*?</ul>", "", wrong.html)
    got = visitor.press(form, "Download the file as it is", password=visitor.password)
    assert got.html == BROKEN


def test_nothing_is_replaced_that_was_not_looked_at(
    visitor: Visitor, uci: Path, copy: Path, write_uci: Callable[[str], None]
) -> None:
    form = visitor.get("/backup/reset").form(REPLACE)
    write_uci("other")
    page = visitor.press(form, "Replace the file")
    assert "changed meanwhile" in page.text
    assert uci.read_text() == "other"
    write_uci(FILE)
    assert "can be read again" in visitor.press(form, "Replace the file").text
    assert uci.read_text() == FILE
    write_uci(BROKEN)
    form = restore(visitor, content()).form(REPLACE)
    restore(visitor, content(FILE + "\n"))
    assert "out of date" in visitor.press(form, "Replace the file").text
    assert not copy.exists()


LARGE = "\n# a secret" + "x" * MAX_FILE_SIZE


def test_file_that_is_too_large_is_replaced_and_kept(
    visitor: Visitor, uci: Path, copy: Path, write_uci: Callable[[str], None], daemon: StubDaemon
) -> None:
    daemon.origin = {"source": "uci", "file": str(uci)}
    write_uci(LARGE)
    page = visitor.get("/clients")
    assert page.status == 409
    assert "is larger than 4194304 bytes" in page.text
    assert "/backup/reset" in page.links
    assert "Restore and Factory reset are under Backup" in visitor.get("/").text
    page = restore(visitor, content())
    assert "the backup, which has 2 clients" in page.text
    assert "not valid UCI" not in page.text
    assert "/backup/broken" not in {form.action for form in page.forms}, "who would read it?"
    sent = {"csrf": page.form(REPLACE).value("csrf")}
    assert visitor.post("/backup/broken", sent).status == 404
    page = visitor.press(page.form(REPLACE), "Replace the file")
    assert "The file is replaced; the daemon is using the new one" in page.text
    assert str(copy) in page.text
    assert parse_uci(uci.read_bytes(), "") == parse_uci(FILE, "")
    assert copy.read_text() == LARGE
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


def test_file_that_is_gone_is_made(
    visitor: Visitor, uci: Path, copy: Path, daemon: StubDaemon
) -> None:
    daemon.origin = {"source": "uci", "file": str(uci)}
    uci.unlink()
    assert f"{uci} does not exist. Make it from a backup, or" in visitor.get("/").text
    page = visitor.get("/backup/reset")
    assert f"{uci} does not exist" in page.text
    assert "Make the file as it was first installed, without any client?" in page.text
    form = page.form(REPLACE)
    assert not uci.exists(), "looking makes nothing"
    page = visitor.press(form, "Make the file")
    assert "The file is replaced" in page.text
    assert "kept in" not in page.text, "there was nothing"
    assert format_uci(parse_uci(uci.read_bytes(), "")) == format_uci(factory_package())
    assert stat.S_IMODE(uci.stat().st_mode) == 0o600
    assert not copy.exists()
    assert "can be read again" in visitor.press(form, "Make the file").text


def test_file_that_came_back_broken_is_not_replaced_unseen(visitor: Visitor, uci: Path) -> None:
    uci.unlink()
    form = visitor.get("/backup/reset").form(REPLACE)
    uci.write_text(BROKEN)
    assert "changed meanwhile" in visitor.press(form, "Make the file").text
    assert uci.read_text() == BROKEN


def test_changes_that_wait_are_decided_first(
    visitor: Visitor, uci: Path, write_uci: Callable[[str], None], daemon: StubDaemon
) -> None:
    write_uci(FILE)
    daemon.origin = {"source": "uci", "file": str(uci)}
    visitor.keeps = False
    add(visitor, "Save & Apply", name="Cleo")
    write_uci(BROKEN)
    page = visitor.press(visitor.get("/backup/reset").form(REPLACE), "Replace the file")
    assert "not confirmed yet" in page.text
    assert uci.read_text() == BROKEN
