"""The pages for files with hundreds of clients, and without a daemon to ask."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from fwknopd.config.uci_format import parse_uci
from tests.web.visitor import Visitor

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
