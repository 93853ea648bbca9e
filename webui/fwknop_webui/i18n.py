"""Translation of what people read. English is both the source and the fallback."""

from __future__ import annotations

import gettext as _gettext

_translations = _gettext.NullTranslations()


def _(text: str) -> str:
    """``text`` in the reader's language."""
    return _translations.gettext(text)


def ngettext(singular: str, plural: str, number: int) -> str:
    """The form that fits ``number``; the caller fills the number in."""
    return _translations.ngettext(singular, plural, number)


def noop(text: str) -> str:
    """Mark text of a module-level table for translation at the time it is shown."""
    return text
