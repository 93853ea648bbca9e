"""Translation of what people read. English is both the source and the fallback.

Catalogs are gettext's, one folder for each language in ``translations/``; `make translations`
brings them up to date. The browser says which language its user reads, unless one was chosen
for LuCI.
"""

from __future__ import annotations

from functools import cache
from gettext import NullTranslations

from flask import current_app, g, has_request_context, request

from fwknop_webui import catalogs

SOURCE_LANGUAGE = "en"
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
    return (SOURCE_LANGUAGE, *sorted(catalogs.languages()))


def _translations() -> NullTranslations:
    return _catalog(language())


@cache
def _catalog(name: str) -> NullTranslations:
    found = None if name == SOURCE_LANGUAGE else catalogs.translations(name)
    return found or NullTranslations()
