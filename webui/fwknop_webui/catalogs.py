"""Compiled catalogs: gettext's own, or on a router what package/dev/packing_data.py made of them.

There the page's texts are not told by what they are in English, which the page says anyway, but
by a checksum of that. The daemon's sentences have to be read in English, so they are there.
"""

from __future__ import annotations

import marshal
import struct
from collections.abc import Callable, Iterator, Mapping
from gettext import GNUTranslations, NullTranslations, c2py
from io import BytesIO
from zlib import crc32

from fwknop_webui.data import data

PAGE, DAEMON = "fwknop_webui", "fwknopd"
FOLDER = "translations"
_INNER = "LC_MESSAGES"
PACKED = ".texts"
"""The end of the name of a catalog for a router; gettext's is .mo."""


def languages() -> Iterator[str]:
    """Those there are catalogs for. Raises OSError."""
    for folder in data().folders():
        if folder.startswith(f"{FOLDER}/") and folder.endswith(f"/{_INNER}"):
            yield folder.split("/")[1]


def path(language: str, domain: str) -> str:
    """Where a catalog should be, below the page's own folder."""
    return f"{FOLDER}/{language}/{_INNER}/{domain}.mo"


def translations(language: str) -> NullTranslations | None:
    """The page's texts, or None if their catalog is missing. Raises OSError."""
    found = _files(language)
    if packed := found.get(PAGE + PACKED):
        return PackedTexts(packed)
    compiled = found.get(f"{PAGE}.mo")
    return GNUTranslations(BytesIO(compiled)) if compiled else None


def pairs(language: str) -> Iterator[tuple[str, str]] | None:
    """The daemon's texts, each with its translation; None as above. Raises OSError."""
    found = _files(language)
    if packed := found.get(DAEMON + PACKED):
        texts, translated = marshal.loads(packed)  # noqa: S302 - root's, as the code is
        return zip(texts.split("\0"), translated.split("\0"), strict=True)
    compiled = found.get(f"{DAEMON}.mo")
    return _Listed(BytesIO(compiled)).texts() if compiled else None


def _files(language: str) -> Mapping[str, bytes]:
    return data().files(f"{FOLDER}/{language}/{_INNER}")


class _Listed(GNUTranslations):
    """A compiled catalog whose texts can be listed."""

    _catalog: dict[str, str]

    def texts(self) -> Iterator[tuple[str, str]]:
        """Each text with its translation; the catalog's own header stands under ""."""
        return ((text, string) for text, string in self._catalog.items() if text)


class PackedTexts(NullTranslations):
    """A catalog of translations by their text's checksum; some have a form for each number."""

    def __init__(self, packed: bytes) -> None:
        super().__init__()
        rule, sums, texts = marshal.loads(packed)  # noqa: S302 - root's, as the code is
        numbers = struct.unpack(f"<{len(sums) // 4}I", sums)
        self._texts: dict[int, str] = dict(zip(numbers, texts.split("\0"), strict=True))
        self._plural: Callable[[int], int] = c2py(rule)

    def gettext(self, message: str) -> str:
        """The translation, or the text itself."""
        found = self._texts.get(crc32(message.encode()), message)
        return self._form(found, 1) if "\1" in found else found

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        """The translation for this number, or the one of the two that English takes."""
        found = self._texts.get(crc32(msgid1.encode()), "")
        if "\1" in found:
            return self._form(found, n)
        return msgid1 if n == 1 else msgid2

    def _form(self, forms: str, number: int) -> str:
        return forms.split("\1")[self._plural(number)]
