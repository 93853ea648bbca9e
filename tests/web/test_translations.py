"""The catalogs of the web page's languages, and who gets which."""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Message

from fwknop_webui import i18n
from fwknop_webui.variable_text import _KINDS
from fwknopd.config.variable import Kind
from tests.web.daemon import StubDaemon
from tests.web.visitor import Visitor

ROOT = Path(__file__).resolve().parents[2]
TOOL: dict[str, Any] = runpy.run_path(str(ROOT / "package/dev/translations.py"))
CATALOGS = sorted(TOOL["TRANSLATIONS"].glob("*/LC_MESSAGES/*.po"))
PAGES = (
    "/",
    "/clients",
    "/clients/add",
    "/clients/cfg03ea17",
    "/settings",
    "/advanced",
    "/import",
    "/logs",
    "/diagnostics",
    "/backup",
    "/changes",
)
GERMAN = {"headers": {"Accept-Language": "de"}}
SAME = {"Clients", "Status", "Client"}


def language_of(path: Path) -> str:
    return path.parent.parent.name


def messages(path: Path) -> Iterator[Message]:
    return (message for message in TOOL["read"](path) if message.id)


def pairs(message: Message) -> Iterator[tuple[str, str]]:
    """Each text with its translation; the plural forms of other languages are the plural's."""
    if isinstance(message.id, str):
        yield message.id, str(message.string)
        return
    singular, plural = message.id
    assert isinstance(message.string, tuple)
    first, *others = message.string
    yield singular, first
    yield from ((plural, other) for other in others)


def test_there_is_german() -> None:
    assert "de" in map(language_of, CATALOGS)
    assert set(i18n.languages()) == {"en", *map(language_of, CATALOGS)}


@pytest.mark.parametrize("po", CATALOGS, ids=language_of)
def test_compiled_catalog_is_that_of_the_edited_one(po: Path) -> None:
    text = po.read_bytes()
    assert TOOL["as_po"](TOOL["read"](po)) == text, "run: make translations"
    compiled = TOOL["as_mo"](TOOL["read_back"](text, po))
    assert po.with_suffix(".mo").read_bytes() == compiled, "run: make translations"


@pytest.mark.parametrize("po", CATALOGS, ids=language_of)
def test_every_text_is_translated(po: Path) -> None:
    # A new text needs a line in every catalog: `make translations` makes it, a person fills it.
    catalog = TOOL["updated"](TOOL["read"](po))
    assert TOOL["open_texts"](catalog) == []
    assert TOOL["as_po"](catalog) == po.read_bytes(), "run: make translations"


@pytest.mark.parametrize("po", CATALOGS, ids=language_of)
def test_translations_fill_in_the_same_things(po: Path) -> None:
    for message in messages(po):
        assert not message.fuzzy, message.id
        for text, translation in pairs(message):
            if not translation:
                continue
            placeholders, ours = (sorted(re.findall(r"{\w*}", t)) for t in (text, translation))
            assert ours == placeholders, text
            # Some are put together with a value that follows.
            for edge in (text[:1], text[-1:]):
                assert not edge.isspace() or edge in (translation[:1], translation[-1:]), text
            assert translation == translation.replace("\n", " "), text
            assert not re.search(r"[<>]|  ", translation.replace("-> ", "")), text


def test_every_type_of_variable_has_a_name_that_can_be_translated() -> None:
    assert set(_KINDS) == set(Kind)


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.5", "de"),
        ("en-GB,en;q=0.9,de;q=0.8", "en"),
        ("en;q=0.3,de;q=0.4", "de"),
        ("fr-FR,fr;q=0.9,de;q=0.5", "de"),
        ("fr,ja;q=0.8", "en"),
        ("de;q=0,en", "en"),
        ("*", "en"),
        ("de;q=much, ;;;q=,,", "en"),
        ("../../etc/passwd", "en"),
    ],
)
def test_browser_says_which_language(asked: str, given: str, stranger: Visitor) -> None:
    page = stranger.get("/login", headers={"Accept-Language": asked})
    assert f'<html lang="{given}">' in page.html
    assert ("Anmelden" in page.text) is (given == "de")


def test_language_chosen_for_luci_counts_more(stranger: Visitor, uci: Path) -> None:
    luci = uci.with_name("luci")

    def shown(text: str, asked: str) -> str:
        luci.write_text(text)
        page = stranger.get("/login", headers={"Accept-Language": asked})
        return page.html.partition('<html lang="')[2][:2]

    chosen = "config core main\n\toption lang '{}'\n"
    assert shown(chosen.format("de"), "en") == "de"
    assert shown(chosen.format("en"), "de") == "en"
    assert shown(chosen.format("auto"), "de") == "de"
    assert shown(chosen.format("zh_cn"), "de") == "de", "one there isn't"
    assert shown(chosen.format("../de"), "en") == "en"
    assert shown("no uci '", "de") == "de"
    luci.unlink()
    assert shown("", "de") == "de"


def test_german_pages_have_no_english_left(visitor: Visitor, daemon: StubDaemon) -> None:
    catalog = TOOL["read"](next(po for po in CATALOGS if language_of(po) == "de"))
    english = {
        m.id
        for m in catalog
        if isinstance(m.id, str) and len(m.id) > 5 and m.id != m.string and m.id not in SAME
    }
    for path in PAGES:
        page = visitor.get(path, **GERMAN)
        texts = {text.strip() for text in re.split(r"<[^>]*>", page.html)}
        titles = set(re.findall(r'(?:title|aria-label|placeholder)="([^"]*)"', page.html))
        assert (texts | titles) & english == set(), path


def test_error_says_in_german_what_is_expected(visitor: Visitor, daemon: StubDaemon) -> None:
    form = visitor.get("/clients/add").main_form()
    fields = {**dict(form.fields), "name": "Anna", "SOURCE": "nonsense", "do": "save"}
    page = visitor.post("/clients/add", fields, **GERMAN)
    assert page.status == 422
    assert "Erwartet: Adressen und Netze, etwa ANY" in page.text
    assert "nonsense" in page.text
