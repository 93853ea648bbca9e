"""The language chosen in LuCI (System, Language and Style), which counts for these pages too."""

from __future__ import annotations

from pathlib import Path

from fwknopd.config.problems import ConfigError
from fwknopd.config.uci_format import parse_uci

LARGEST = 64 * 1024
"""Bytes. LuCI's own file has about 1,500."""


class LuciLanguage:
    """Read from LuCI's UCI file, and again only when that has changed."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: tuple[int, int] | None = None
        self._chosen = ""

    def chosen(self) -> str:
        """Its code, such as de or pt_BR; "" where the browser shall decide."""
        try:
            state = self._file.stat()
            seen = (state.st_mtime_ns, state.st_size)
            if seen != self._seen:
                self._seen, self._chosen = seen, _language(self._file)
        except OSError:
            return ""
        return self._chosen


def _language(file: Path) -> str:
    with file.open("rb") as opened:
        text = opened.read(LARGEST)
    try:
        package = parse_uci(text, str(file))
    except ConfigError:
        return ""
    found = [s.get("lang") for s in package.of_type("core") if s.name == "main"]
    return found[-1] if found and found[-1] != "auto" else ""
