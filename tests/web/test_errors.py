"""What is wrong is said on a page: where, and what to do. Nothing is lost by it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from fwknop_webui.app import MAX_REQUEST_BYTES
from tests.web.test_clients import add
from tests.web.visitor import Visitor

PAGES = ["/clients", "/clients/add", "/settings", "/changes"]


@pytest.mark.parametrize("path", PAGES)
def test_broken_file_is_named_with_line_and_remedy(
    path: str, visitor: Visitor, uci: Path, write_uci: Callable[[str], None]
) -> None:
    write_uci("\nconfig global\n\noption 'unterminated\n")
    before = uci.read_bytes()
    page = visitor.get(path)
    assert page.status == 409
    assert {"/backup", "/backup/reset"} <= set(page.links)
    assert "not valid UCI" in page.text
    assert str(uci) in page.text
    assert "line" in page.text
    assert "Mend it in an editor" in page.text
    assert uci.read_bytes() == before


@pytest.mark.parametrize("path", PAGES)
def test_missing_file_is_named(path: str, visitor: Visitor, uci: Path) -> None:
    uci.unlink()
    page = visitor.get(path)
    assert page.status == 409
    assert {"/backup", "/backup/reset"} <= set(page.links)
    assert f"{uci} does not exist" in page.text


def test_overview_works_with_a_broken_file(
    visitor: Visitor, write_uci: Callable[[str], None]
) -> None:
    write_uci("bad")
    assert visitor.get("/").status == 200
    assert visitor.client.get("/api/overview").status_code == 200


def test_form_filled_in_while_the_file_broke_saves_nothing(
    visitor: Visitor, uci: Path, write_uci: Callable[[str], None]
) -> None:
    form = visitor.get("/clients/add").main_form()
    write_uci("bad")
    assert visitor.press(form, "Save & Apply", name="Anna").status == 409
    assert uci.read_text() == "bad"


def test_staged_changes_outlive_a_broken_file(
    visitor: Visitor, uci: Path, write_uci: Callable[[str], None]
) -> None:
    good = uci.read_text()
    add(visitor, "Save", name="Anna")
    write_uci("bad")
    assert visitor.get("/clients").status == 409
    write_uci(good)
    assert visitor.get("/clients").staged == 6


def test_too_large_a_form_is_refused(visitor: Visitor) -> None:
    page = visitor.post("/settings", {"csrf": "x", "note": "x" * MAX_REQUEST_BYTES})
    assert page.status == 413
    assert "too large" in page.text


def test_too_many_parts_are_refused(visitor: Visitor) -> None:
    data = {f"n{number}": (None, "x") for number in range(500)}
    answer = visitor.client.post("/settings", data=data, content_type="multipart/form-data")
    assert answer.status_code in (400, 403, 413)


def test_unknown_page_says_so(visitor: Visitor, stranger: Visitor) -> None:
    assert visitor.get("/nothing").status == 404
    assert stranger.get("/nothing").status == 404


def test_unexpected_fault_shows_no_insides_and_is_logged_without_the_form(
    visitor: Visitor, app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the insides")

    form = visitor.get("/clients/add").main_form()
    monkeypatch.setattr("fwknop_webui.client_form.judge", broken)
    with caplog.at_level(logging.ERROR):
        page = visitor.press(form, "Save", name="Anna", key="a secret key")
    assert page.status == 500
    assert "the insides" not in page.html
    assert "Traceback" not in page.html
    assert "POST /clients/add failed" in caplog.text
    assert "a secret key" not in caplog.text
    assert visitor.get("/clients").status == 200


def test_file_readable_by_others_is_pointed_out(visitor: Visitor, uci: Path) -> None:
    uci.chmod(0o644)
    assert "Worth a look" in visitor.get("/clients").text
