"""Translation of what people read. English is both the source and the fallback.

Catalogs are gettext's, one folder for each language in ``translations/``; `make translations`
brings them up to date. The browser says which language its user reads, unless one was chosen
for LuCI.
"""

from __future__ import annotations

import gettext as _gettext
from functools import cache
from io import BytesIO
from typing import IO

from flask import current_app, g, has_request_context, request

from fwknop_webui.data import data

DOMAIN = "fwknop_webui"
SOURCE_LANGUAGE = "en"
_CATALOGS = "/LC_MESSAGES"
CHOSEN = "fwknop_webui_language"
"""Name of the application's extension that says which language was chosen, "" for none."""


def _(text: str) -> str:
    """``text`` in the reader's language."""
    # The catalog's own header stands under the empty text.
    return _translations().gettext(text) if text else ""


def ngettext(singular: str, plural: str, number: int) -> str:
    """The form that fits ``number``; the caller fills the number in."""
    return _translations().ngettext(singular, plural, number)


def noop(text: str) -> str:
    """Mark text of a module-level table for translation at the time it is shown."""
    return text


def language() -> str:
    """The language of this answer: the one chosen, or the browser's first that there is."""
    if not has_request_context():
        return SOURCE_LANGUAGE
    if "language" not in g:
        chosen = current_app.extensions[CHOSEN]()
        wanted = chosen if chosen in languages() else ""
        g.language = wanted or request.accept_languages.best_match(languages()) or SOURCE_LANGUAGE
    found: str = g.language
    return found


@cache
def languages() -> tuple[str, ...]:
    """The languages there are, English first: it also stands for those there are not."""
    found = {folder.split("/")[1] for folder in data().folders() if folder.endswith(_CATALOGS)}
    return (SOURCE_LANGUAGE, *sorted(found))


def catalog(name: str, domain: str) -> IO[bytes] | None:
    """A language's compiled catalog, or None if it is missing."""
    found = data().files(f"translations/{name}{_CATALOGS}").get(f"{domain}.mo")
    return None if found is None else BytesIO(found)


def _translations() -> _gettext.NullTranslations:
    return _catalog(language())


@cache
def _catalog(name: str) -> _gettext.NullTranslations:
    if name == SOURCE_LANGUAGE:
        return _gettext.NullTranslations()
    compiled = catalog(name, DOMAIN)
    if compiled is None:
        return _gettext.NullTranslations()
    return _gettext.GNUTranslations(compiled)
