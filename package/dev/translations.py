"""Bring the catalogs of the web page's languages up to date, and compile them.

Usage: python package/dev/translations.py [--check]

Texts come from the sources and templates, and from the daemon's variable table, whose help
the forms show. What the daemon itself says has a catalog of its own (daemon_texts). What is new
or changed in English is left empty for a translator, and `tests/web/test_translations.py` fails
until somebody has filled it in.
"""

from __future__ import annotations

import ast
import runpy
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from jinja2.ext import babel_extract

from fwknop_webui.catalogs import DAEMON, PAGE
from fwknopd.config.variables import ACCESS_VARIABLES, SERVER_VARIABLES, UCI_VARIABLES

ROOT = Path(__file__).resolve().parents[2]
WEBUI = ROOT / "webui/fwknop_webui"
TRANSLATIONS = WEBUI / "translations"
COMMAND = "make translations"
NO_DATE = datetime(2000, 1, 1, tzinfo=UTC)

Text = str | tuple[str, str]
"""A text, or its singular and plural."""

_MARKS = {"_", "N_", "noop", "ngettext"}


def texts() -> Iterator[tuple[str, Text]]:
    """Every text people may read, with the file it stands in."""
    for path in sorted(WEBUI.rglob("*.py")):
        yield from ((_place(path), text) for text in _of_source(path))
    for path in sorted(WEBUI.glob("templates/*.html")):
        yield from ((_place(path), text) for text in _of_template(path))
    yield from (("fwknopd/config/variables.py", text) for text in _of_variables())


def _place(path: Path) -> str:
    return str(path.relative_to(ROOT / "webui"))


def _of_source(path: Path) -> Iterator[Text]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            literals = [a.value for a in node.args if isinstance(a, ast.Constant)]
            found = [text for text in literals if isinstance(text, str)]
            if node.func.id in _MARKS and found:
                yield (found[0], found[1]) if node.func.id == "ngettext" else found[0]


def _of_template(path: Path) -> Iterator[Text]:
    source = BytesIO(path.read_bytes())
    options = {"silent": "false", "trim_blocks": "true", "lstrip_blocks": "true"}
    for _line, function, found, _comments in babel_extract(source, ("_", "ngettext"), (), options):
        if isinstance(found, str):
            yield found
        elif function == "ngettext" and found:
            yield (str(found[0]), str(found[1]))


def _of_variables() -> Iterator[str]:
    for variable in (*ACCESS_VARIABLES, *SERVER_VARIABLES, *UCI_VARIABLES):
        parts = (variable.help, variable.unit, variable.group, variable.status_note)
        yield from (text for text in parts if text)


SOURCES: dict[str, Callable[[], Iterator[tuple[str, Text]]]] = {
    PAGE: texts,
    DAEMON: runpy.run_path(str(Path(__file__).with_name("daemon_texts.py")))["texts"],
}
"""Where the texts of each catalog come from."""


def template(domain: str = PAGE) -> Catalog:
    """All texts, untranslated."""
    catalog = Catalog(project=domain, domain=domain, fuzzy=False)
    for place, text in SOURCES[domain]():
        catalog.add(text, locations=[(place, 0)])
    return catalog


def updated(old: Catalog) -> Catalog:
    """``old`` with today's texts: translations are kept, texts that are gone are dropped."""
    domain = str(old.domain)
    new = Catalog(locale=old.locale, project=domain, domain=domain, fuzzy=False)
    for message in template(domain):
        if message.id:
            known = old.get(message.id)
            new.add(message.id, known.string if known else "", locations=message.locations)
    return new


def open_texts(catalog: Catalog) -> list[str]:
    """What nobody has translated yet."""
    return [str(message.id) for message in catalog if message.id and not _is_done(message.string)]


def _is_done(string: str | Iterable[str] | None) -> bool:
    return bool(string) if isinstance(string, str | None) else all(string)


def read(path: Path) -> Catalog:
    """A catalog as people edit it."""
    with path.open("rb") as file:
        return read_po(file, locale=path.parent.parent.name, domain=path.stem)


def as_po(catalog: Catalog) -> bytes:
    """A catalog as people edit it; the same texts always give the same file."""
    made = BytesIO()
    write_po(made, catalog, omit_header=True, sort_output=True, width=100, no_location=True)
    # A header of our own: Babel's holds dates, which would change though no text has.
    header = (
        'msgid ""\nmsgstr ""\n'
        f'"Language: {catalog.locale_identifier}\\n"\n'
        '"Content-Type: text/plain; charset=utf-8\\n"\n'
        f'"Plural-Forms: {catalog.plural_forms}\\n"\n\n'
    )
    return header.encode() + made.getvalue()


def as_mo(catalog: Catalog) -> bytes:
    """A catalog as the program reads it."""
    made = BytesIO()
    catalog.creation_date = catalog.revision_date = NO_DATE
    write_mo(made, catalog)
    return made.getvalue()


def main(arguments: Sequence[str]) -> int:
    """Write the catalogs, or only say whether they are up to date and complete."""
    status = 0
    for po in sorted(TRANSLATIONS.glob("*/LC_MESSAGES/*.po")):
        catalog = updated(read(po))
        for text in open_texts(catalog):
            print(f"{po.parent.parent.name}: not translated yet: {text}")
            status = 1
        files = {po: as_po(catalog), po.with_suffix(".mo"): as_mo(read_back(as_po(catalog), po))}
        for path, content in files.items():
            if "--check" not in arguments:
                path.write_bytes(content)
            elif not path.exists() or path.read_bytes() != content:
                print(f"{path.relative_to(ROOT)} is out of date: run `{COMMAND}`")
                status = 1
    return status


def read_back(text: bytes, po: Path) -> Catalog:
    """The catalog that a .po file of this text is."""
    return read_po(BytesIO(text), locale=po.parent.parent.name, domain=po.stem)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
