"""The page's files in an archive: catalogs that say the same, and scripts without comments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from gettext import GNUTranslations
from pathlib import Path

import pytest

from fwknop_webui import catalogs
from fwknop_webui.catalogs import PackedTexts
from fwknop_webui.data import Data, data_of
from package.dev import packing_data
from package.dev.packing_streams import PackingError

WEBUI = Path(__file__).parents[2] / "webui/fwknop_webui"
LANGUAGES = sorted(catalogs.languages())


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """What a router has of the page's files."""
    folder = tmp_path_factory.mktemp("packed")
    (folder / "data.z").write_bytes(packing_data.archive(WEBUI))
    return data_of(folder)


@pytest.fixture
def packed(archive: Data, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The page finds its catalogs there."""
    monkeypatch.setattr(catalogs, "data", lambda: archive)
    yield


def test_an_archive_has_all_files(archive: Data) -> None:
    assert archive.files("templates")["shell.html"] == (WEBUI / "templates/shell.html").read_bytes()
    assert {"app.css", "app.js"} <= archive.files("static").keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_packed_texts_are_those_of_the_catalog(
    language: str, request: pytest.FixtureRequest
) -> None:
    with (WEBUI / catalogs.path(language, catalogs.PAGE)).open("rb") as file:
        plain = GNUTranslations(file)
    request.getfixturevalue("packed")
    short = catalogs.translations(language)
    assert isinstance(short, PackedTexts)
    texts = {text if isinstance(text, str) else text[0] for text in plain._catalog}  # type: ignore[attr-defined]
    assert len(texts) > 1000
    for text in texts - {""}:
        assert short.gettext(text) == plain.gettext(text)
    by_number = {text[0] for text in plain._catalog if isinstance(text, tuple)}  # type: ignore[attr-defined]
    assert by_number
    for text in by_number:
        for number in (0, 1, 2, 5):
            assert short.ngettext(text, "x", number) == plain.ngettext(text, "x", number)


@pytest.mark.usefixtures("packed")
def test_texts_in_no_packed_catalog_stay_as_they_are() -> None:
    short = catalogs.translations("de")
    assert short is not None
    assert short.gettext("No such text") == "No such text"
    assert short.ngettext("one", "more", 1) == "one"
    assert short.ngettext("one", "more", 2) == "more"
    assert catalogs.translations("xx") is None is catalogs.pairs("xx")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_daemons_sentences_are_those_of_the_catalog(
    language: str, request: pytest.FixtureRequest
) -> None:
    plain = dict(catalogs.pairs(language) or ())
    request.getfixturevalue("packed")
    assert dict(catalogs.pairs(language) or ()) == plain
    assert len(plain) > 500


def made(folder: Path, name: str, text: str) -> Callable[[], bytes]:
    """The archived content of one file."""
    (folder / name).write_text(text)
    return lambda: packing_data._file(folder / name)[1]


def test_scripts_come_without_comments(tmp_path: Path) -> None:
    script = 'a("//x");\n\t// why\n\tb(`/* ${c} */`); // d\n/* e\n * f */\n\n  g();\n'
    assert made(tmp_path, "a.js", script)() == b'a("//x");\nb(`/* ${c} */`); // d\ng();\n'
    style = "/* a\n b */\n.c {\n\td: e; /* f */\n}\n/* g */ .h { i: j }\n"
    assert made(tmp_path, "a.css", style)() == b".c {\nd: e; /* f */\n}\n/* g */ .h { i: j }\n"


def test_a_script_with_text_of_several_lines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackingError, match="indentation may be text"):
        made(tmp_path, "a.js", "a = `\n  b`;\n")()
