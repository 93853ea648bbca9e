"""The archive of what is no module: templates, catalogs and static files of the page.

fwknop_webui.data reads it: folders with their files, each folder compressed by itself.
"""

from __future__ import annotations

import marshal
import re
import struct
import zlib
from collections.abc import Iterable
from gettext import GNUTranslations
from io import BytesIO
from pathlib import Path

from package.dev.packing_streams import PackingError

NO_DATA = (".py", ".pyc", ".po", ".pot", ".typed")
PAGE, DAEMON = "fwknop_webui", "fwknopd"
PACKED = ".texts"

_BLOCK = r"^[ \t]*/\*(?:[^*]|\*(?!/))*\*/[ \t]*$"
_COMMENT = {
    ".js": re.compile(rf"^[ \t]*//.*$|{_BLOCK}", re.MULTILINE),
    ".css": re.compile(_BLOCK, re.MULTILINE),
}
_INDENTATION = re.compile(r"^\s+", re.MULTILINE)


def archive(source: Path) -> bytes:
    """All files of a package that are no modules; b"" for none. Raises PackingError."""
    folders: dict[str, dict[str, bytes]] = {}
    for path in sorted(source.rglob("*")):
        if _is_data(path):
            name, content = _file(path)
            folders.setdefault(path.parent.relative_to(source).as_posix(), {})[name] = content
    packed = {name: zlib.compress(marshal.dumps(files), 9) for name, files in folders.items()}
    return marshal.dumps(packed) if packed else b""


def _is_data(path: Path) -> bool:
    return path.is_file() and path.suffix not in NO_DATA and "__pycache__" not in path.parts


def _file(path: Path) -> tuple[str, bytes]:
    """Its name and content in the archive."""
    if path.suffix in _COMMENT:
        return path.name, _without_comments(path.read_text(), _COMMENT[path.suffix]).encode()
    if path.suffix != ".mo":
        return path.name, path.read_bytes()
    catalog = _Catalog(BytesIO(path.read_bytes()))
    packed = {PAGE: catalog.by_checksum, DAEMON: catalog.listed}[path.stem]
    return path.stem + PACKED, packed()


def _without_comments(text: str, comment: re.Pattern[str]) -> str:
    """The same for browsers, without lines that are comments, and indentation.

    No line may begin within a string. Raises PackingError.
    """
    if any(line.count("`") % 2 for line in text.splitlines()):
        raise PackingError("a ` without another one in its line: indentation may be text there")
    return _INDENTATION.sub("", comment.sub("", text))


class _Catalog(GNUTranslations):
    """A compiled catalog. Texts that have a form for each number stand there with that."""

    _catalog: dict[str | tuple[str, int], str]

    def by_checksum(self) -> bytes:
        """The rule for numbers, checksums of all texts, and their translations."""
        texts: dict[str, str] = {}
        for text, translation in self._catalog.items():
            if isinstance(text, tuple):
                # One for each number, in their order.
                before = texts.get(text[0])
                texts[text[0]] = translation if before is None else f"{before}\1{translation}"
            elif text:
                texts[text] = translation
        sums = [zlib.crc32(text.encode()) for text in texts]
        if len(set(sums)) < len(sums):
            raise PackingError("two texts of the page have the same checksum: change one")
        rule = self.info()["plural-forms"].partition("plural=")[2].strip(" ;")
        return marshal.dumps((rule, struct.pack(f"<{len(sums)}I", *sums), _row(texts.values())))

    def listed(self) -> bytes:
        """All texts, and all translations."""
        pairs = {text: string for text, string in self._catalog.items() if isinstance(text, str)}
        del pairs[""]
        return marshal.dumps((_row(pairs), _row(pairs.values())))


def _row(texts: Iterable[str]) -> str:
    return "\0".join(texts)
