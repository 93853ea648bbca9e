"""How a value's reader says that a value is wrong, or odd but readable."""

from __future__ import annotations

import re

from fwknopd.config.problems import printable

CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_MAX_SHOWN = 40


class InvalidValue(ValueError):
    """The value can't be used: what is wrong, and what to write instead. Never quotes a key."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class Leniencies:
    """What was read although it is odd, so that a person can be told how it was understood."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str]] = []

    def add(self, message: str, remedy: str) -> None:
        """Record how the odd value was understood, and what to write instead."""
        self.found.append((message, remedy))


def shown(text: str) -> str:
    """A value for a message: cut, and without characters that could disturb a log."""
    clean = printable(text)
    return f"'{clean[:_MAX_SHOWN]}...'" if len(clean) > _MAX_SHOWN else f"'{clean}'"
