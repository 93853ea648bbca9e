"""Which old keys ended before their time, on disk: neither a reload nor a reboot revives them.

A daemon in its jail can't change the UCI file, so this is where it is remembered until the web
page removes them there. Nobody can tell the keys by what stands in the file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from fwknopd.run_file import read_own, replace_own

MOST = 200
_MAX_BYTES = 1 << 16
_MARK = re.compile(r"[0-9a-f]{32}")


class EndedKeys:
    """One file of marks, oldest first. Nothing raises: each method says what is wrong instead."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> tuple[tuple[str, ...], str]:
        """The marks, and what is wrong with the file ("" if nothing)."""
        try:
            lines = read_own(self._path, _MAX_BYTES).decode("ascii", "replace").split()
        except FileNotFoundError:
            return (), ""
        except OSError as error:
            return (), f"{self._path} is not used: {error.strerror}"
        marks = tuple(line for line in lines if _MARK.fullmatch(line))
        return marks, "" if len(marks) == len(lines) else f"{self._path} has damaged lines"

    def keep(self, marks: Sequence[str]) -> str:
        """Have the newest of these in the file; "" when that is done, else why not."""
        text = "".join(f"{mark}\n" for mark in marks[-MOST:])
        try:
            replace_own(self._path, text.encode("ascii"), sync=True)
        except OSError as error:
            return f"{self._path} can't be written: {error.strerror}"
        return ""
