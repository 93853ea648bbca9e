"""What access.conf needs of the outside world when it includes other files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class IncludeError(Exception):
    """A file or folder can't be read. ``message`` says why, ``remedy`` what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message}. {remedy}")
        self.message = message
        self.remedy = remedy


class IncludeReader(Protocol):
    """Reads included files; limits of size, number and place are its business."""

    def read_file(self, path: str) -> str:
        """The text of a file. Raises IncludeError."""

    def list_folder(self, path: str) -> Sequence[str]:
        """The names of the files in a folder, in any order. Raises IncludeError."""


class NoIncludes:
    """For text that stands alone, such as an upload: every include is refused."""

    def read_file(self, path: str) -> str:
        """Always raises IncludeError."""
        raise IncludeError("other files can't be included here", "Paste their text instead.")

    def list_folder(self, path: str) -> Sequence[str]:
        """Always raises IncludeError."""
        raise IncludeError("other files can't be included here", "Paste their text instead.")
