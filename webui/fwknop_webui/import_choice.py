"""What may become of a part of an import, and what a person chose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """What becomes of a part."""

    ADD = "add"
    SAME = "same"
    CONFLICT = "conflict"
    CANNOT = "cannot"


class Choice(StrEnum):
    """What a person wants done with a stanza."""

    LEAVE = ""
    ADD = "add"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class Chosen:
    """A posted preview."""

    stanzas: Mapping[int, Choice]
    names: Mapping[int, str]
    settings: frozenset[int]
    enable: bool

    @classmethod
    def from_form(cls, form: Mapping[str, str]) -> Chosen:
        """Read the fields; what isn't a choice is none."""
        words = set(Choice)
        return cls(
            {n: Choice(text) for n, text in numbered("take-", form) if text in words},
            {n: text.strip() for n, text in numbered("name-", form)},
            frozenset(n for n, _text in numbered("set-", form)),
            bool(form.get("enable")),
        )


def numbered(prefix: str, form: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """The fields of that prefix, by the number behind it."""
    for name, text in form.items():
        number = name.removeprefix(prefix)
        if number != name and number.isascii() and number.isdigit() and len(number) < 6:
            yield int(number), text
