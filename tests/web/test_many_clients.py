"""The pages for files with hundreds of clients, and without a daemon to ask."""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

import fwknop_webui.check
from fwknop_webui.check import Checked, check
from fwknop_webui.services import EXTENSION
from fwknopd.config.uci_format import UciPackage, parse_uci
from tests.web.visitor import Page, Visitor

CLIENTS = 500
PAGES = (
    "/clients",
    "/clients/c7",
    "/clients/c7/rotate",
    "/advanced",
    "/clients/c7/advanced",
    "/import",
    "/backup",
    "/backup/reset",
)


@pytest.fixture(autouse=True)
def file(write_uci: Callable[[str], None]) -> None:
    write_uci(
        "".join(
            f"\nconfig access 'c{n}'\n\toption SOURCE 'ANY'\n\toption name 'Client {n}'\n"
            f"\toption KEY 'key of {n}'\n\toption HMAC_KEY 'other of {n}'\n"
            for n in range(CLIENTS)
        )
    )


@pytest.mark.parametrize("path", PAGES)
def test_page_stays_small(visitor: Visitor, path: str) -> None:
    page = visitor.get(path)
    assert page.status == 200
    assert len(gzip.compress(page.response.data)) <= 30 * 1024


def test_all_of_them_can_be_imported_at_once(visitor: Visitor, uci: Path) -> None:
    access = "".join(f"# New {n}x\nSOURCE ANY\nKEY new {n}\n" for n in range(CLIENTS))
    form = visitor.get("/import").form("/import/check")
    page = visitor.press(form, "Look at it", access_text=access)
    assert f"{CLIENTS} will be added" in page.text
    visitor.press(page.form("/import/confirm"), "Import what is ticked")
    visitor.press(visitor.get("/changes").form("/changes/apply"), "Save & Apply")
    assert len(parse_uci(uci.read_text(), "").of_type("access")) == 2 * CLIENTS


def test_all_of_them_can_be_restored_at_once(
    visitor: Visitor, write_uci: Callable[[str], None], uci: Path
) -> None:
    before = uci.read_text()
    form = visitor.get("/backup").form("/backup/download")
    backup = visitor.press(form, "Download without encryption").response.data
    write_uci("\nconfig global\n\n")
    csrf = visitor.get("/backup").form("/backup/restore").value("csrf")
    page = visitor.post("/backup/restore", {"csrf": csrf, "backup": (io.BytesIO(backup), "b")})
    assert "more lines are not shown" in page.text
    visitor.press(page.form("/backup/confirm"), "Restore")
    visitor.press(visitor.get("/changes").form("/changes/apply"), "Save & Apply")
    assert parse_uci(uci.read_text(), "") == parse_uci(before, "")


def names(page: Page) -> list[str]:
    return re.findall(r"Edit (Client \d+)", page.text)


def test_list_comes_in_pages_and_every_client_is_on_one(visitor: Visitor) -> None:
    found: list[str] = []
    page = visitor.get("/clients")
    assert len(page.html) < 150 * 1024
    for number in range(1, 11):
        assert f"page {number} of 10" in page.text
        found += names(page)
        # Above the list and below it.
        [form] = [form for form in page.forms if form.action == "/ticks"]
        following = [value for text, _, value, _ in form.buttons if text == "Next »"]
        assert following == ([str(number + 1)] * 2 if number < 10 else [])
        page = visitor.press(form, "Next »") if following else page
    assert found == [f"Client {n}" for n in range(CLIENTS)]
    assert "Reset count for all clients, not only for those on this page" in page.text


@pytest.mark.parametrize("asked", ["0", "-1", "11", "99999999", "x", "%C2%B2", ""])
def test_page_that_is_not_there_is_the_nearest(asked: str, visitor: Visitor) -> None:
    page = visitor.get(f"/clients?page={asked}")
    assert page.status == 200
    assert f"page {10 if asked == '11' else 1} of 10" in page.text


def test_search_finds_any_of_them(visitor: Visitor) -> None:
    # Here a script would look at this page's rows alone.
    assert "data-filter" not in visitor.get("/clients").html
    for n in (0, 77, 499):
        assert f"Client {n}" in names(visitor.get(f"/clients?q=client+{n}"))
    page = visitor.get("/clients?q=client&page=2")
    assert f"{CLIENTS} of {CLIENTS} clients" in page.text
    page = visitor.press(page.form("/ticks"), "Next »")
    assert page.response.request.full_path == "/clients?page=3&q=client"


def ticked(page: Page) -> list[str]:
    return page.row_form("/sheet").values("client")


def test_ticks_last_from_page_to_page_and_through_searches(
    visitor: Visitor, uci: Path, write_uci: Callable[[str], None]
) -> None:
    page = visitor.press(visitor.get("/clients").form("/ticks"), "Next »", client=["c3", "c4"])
    assert "2 more clients are ticked that are not shown here." in page.text
    page = visitor.press(page.form("/ticks"), "Filter", client="c60", q="client 7")
    page = visitor.press(page.form("/ticks"), "Show all", client="c77")
    assert ticked(page) == ["c3", "c4"]
    assert "2 more clients are ticked" in page.text
    page = visitor.press(page.form("/ticks"), "Next »", client=["c3"])
    assert ticked(page) == ["c60", "c77"]
    # They are who was ticked, whatever was changed meanwhile.
    write_uci(uci.read_text() + "config access 'another'\n\toption name 'Another'\n")
    page = visitor.press(page.form("/ticks"), "« Previous")
    assert ticked(page) == ["c3"]
    asked = visitor.press(page.row_form("/sheet"), "QR codes to print")
    assert "3 clients, ticked on Clients" in asked.text
    page = visitor.press(page.form("/ticks"), "Untick all")
    assert (ticked(page), "more client" in page.text) == ([], False)
    # Who comes anew finds none ticked.
    visitor.press(page.form("/ticks"), "Next »", client="c3")
    assert ticked(visitor.get("/clients")) == []


def test_client_moves_from_one_page_to_the_other(visitor: Visitor, uci: Path) -> None:
    page = visitor.get("/clients?page=2")
    page = visitor.press(page.row_form("/clients/c50/move"), "▲Move up Client 50")
    # The list follows it, to press the same button again.
    assert "page 1 of 10" in page.text
    assert names(page)[-1] == "Client 50"
    page = visitor.press(page.row_form("/clients/c50/move"), "▼Move down Client 50")
    assert "page 2 of 10" in page.text
    assert names(page)[0] == "Client 50"
    page = visitor.get("/clients?page=2")
    visitor.press(page.row_form("/clients/c50/move"), "▲Move up Client 50")
    visitor.press(visitor.get("/changes").form("/changes/apply"), "Save & Apply")
    order = [section.id for section in parse_uci(uci.read_text(), "").of_type("access")]
    assert order[48:52] == ["c48", "c50", "c49", "c51"]


def test_what_is_done_on_a_page_leads_back_to_it(visitor: Visitor) -> None:
    page = visitor.get("/clients?page=4")
    page = visitor.press(page.row_form("/clients/c160/switch"), "Disable")
    assert "page 4 of 10" in page.text
    page = visitor.get("/clients/c160/delete")
    page = visitor.press(page.form("/clients/c160/delete"), "Delete")
    assert "page 4 of 10" in page.text
    assert "Client 160" not in names(page)
    assert names(page)[-1] == "Client 200"


def test_file_that_did_not_change_is_parsed_and_checked_once(
    visitor: Visitor, app: Flask, uci: Path, write_uci: Callable[[str], None]
) -> None:
    store = app.extensions[EXTENSION].store
    first = store.load()
    assert store.load().package is first.package
    assert check(first.package, "f") is check(first.package, "f")
    write_uci(uci.read_text().replace("Client 7'", "Seven'"))
    assert store.load().package is not first.package
    assert "Seven" in visitor.get("/clients").text
    assert check(store.load().package, "f") is not check(first.package, "f")


def test_draft_that_did_not_change_is_put_together_and_checked_once(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor.press(visitor.get("/clients").row_form("/clients/c7/switch"), "Disable")
    asked: list[object] = []
    checked = fwknop_webui.check._checked

    def counted(package: UciPackage, file: str) -> Checked:
        asked.append(package)
        return checked(package, file)

    monkeypatch.setattr(fwknop_webui.check, "_checked", counted)
    for path in ("/clients", "/settings", "/clients?page=2", "/changes", "/clients"):
        visitor.get(path)
    assert len(asked) <= 2, "the file, and the draft"
    del asked[:]
    visitor.press(visitor.get("/clients").row_form("/clients/c8/switch"), "Disable")
    assert "Unsaved Changes: 2" in visitor.get("/clients").text
    assert len(asked) == 1
