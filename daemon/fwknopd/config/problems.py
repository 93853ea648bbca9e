"""What is wrong with a configuration, in words a router owner can act on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """ERROR stops the configuration from being used; the others never do."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


def printable(text: str) -> str:
    """The text on one line, without control characters and bytes that are no characters."""
    return "".join(char if char.isprintable() else "?" for char in text)


def shell_word(text: str) -> str:
    """The text as one word of a command that somebody may paste into a shell."""
    # Loaded when something is wrong, and not by every daemon.
    import shlex

    return shlex.quote(text)


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding: where, what, and what to do about it. Never contains a key.

    ``line`` counts from 1 and is None where no line can be named (a missing option,
    an uncommitted change). ``section`` is the UCI section the finding belongs to, or ""
    for classic files, so that a form can show it beside its field.
    """

    severity: Severity
    file: str
    line: int | None
    option: str
    message: str
    remedy: str
    section: str = ""

    @property
    def where(self) -> str:
        """File and line as far as the message doesn't name them itself."""
        if self.line is not None:
            return f"{self.file}:{self.line}"
        return "" if self.file in self.message else self.file

    def __str__(self) -> str:
        subject = ": ".join(part for part in (self.where, self.option, self.message) if part)
        # One line for the log, whatever a name or path was made of.
        return printable(f"{subject}. {self.remedy}".rstrip())


class ConfigError(Exception):
    """The configuration cannot be used. ``problems`` holds every finding, errors first."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        found = tuple(problems)
        errors = tuple(item for item in found if item.severity is Severity.ERROR)
        others = tuple(item for item in found if item.severity is not Severity.ERROR)
        self.problems: tuple[Problem, ...] = errors + others
        super().__init__("; ".join(str(item) for item in errors) or "configuration error")
