"""The rows of the page Advanced: a variable, what is set, and how that is edited.

Several sections may set one variable, also under an older name. As for the daemon's loader,
the last one counts. Clearing it clears them all: an earlier one must not come back to life.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from fwknop_webui import variable_text
from fwknop_webui.displayable import displayable
from fwknop_webui.forms import MAX_LENGTH
from fwknop_webui.i18n import _
from fwknopd.config.stanza_keys import KEY_NAMES
from fwknopd.config.uci_changes import AddSection, DeleteOption, SetOption, UciChange
from fwknopd.config.uci_edit import new_section_id
from fwknopd.config.uci_format import UciOption, UciPackage, UciSection, UciValue
from fwknopd.config.variables import (
    ACCESS_VARIABLES,
    SERVER_VARIABLES,
    Kind,
    Scope,
    Status,
    Variable,
    is_secret,
    lookup,
)

SHOWN_OF_FIXED = 200
"""Characters shown of a value no input can hold."""


class Input(StrEnum):
    """How a row is edited. FIXED: not at all, as no input could hold the value."""

    TEXT = "text"
    NUMBER = "number"
    SELECT = "select"
    MASKED = "masked"
    LINES = "lines"
    FIXED = "fixed"
    KEYS = "keys"


@dataclass(frozen=True, slots=True)
class Held:
    """One place that sets a variable."""

    section: UciSection
    option: UciOption


@dataclass(frozen=True, slots=True)
class Subject:
    """What the page is about: the server, or the client of one section."""

    scope: Scope
    section_type: str
    section_id: str = ""

    def sections(self, package: UciPackage) -> tuple[UciSection, ...]:
        """The sections that hold its variables, in the loader's order."""
        found = package.of_type(self.section_type)
        return tuple(s for s in found if not self.section_id or s.id == self.section_id)

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The table's entries."""
        return SERVER_VARIABLES if self.scope is Scope.SERVER else ACCESS_VARIABLES

    def home(self, package: UciPackage) -> tuple[str, list[UciChange]]:
        """The section new options go into, and what makes it if there is none."""
        existing = self.sections(package)
        if existing:
            return existing[0].id, []
        made = new_section_id(package, self.section_type)
        return made, [AddSection(made, self.section_type)]


SERVER = Subject(Scope.SERVER, "config")


def client_subject(section_id: str) -> Subject:
    """One client."""
    return Subject(Scope.ACCESS, "access", section_id)


@dataclass(frozen=True, slots=True)
class Row:
    """One variable, or an option no table knows (``variable`` None).

    ``typed`` is what stood in the input when the form came in, None before that.
    """

    name: str
    variable: Variable | None
    held: tuple[Held, ...]
    typed: str | None = None
    error: str = ""
    warning: str = ""

    @property
    def is_set(self) -> bool:
        """Whether anything sets it."""
        return bool(self.held)

    @property
    def stored(self) -> UciOption | None:
        """The option that counts."""
        return self.held[-1].option if self.held else None

    @property
    def input(self) -> Input:
        """How it is edited."""
        if self.variable is not None and self.name in KEY_NAMES:
            return Input.KEYS
        if is_secret(self.name):
            return Input.MASKED
        if self.stored is not None and _is_unholdable(self.stored):
            return Input.FIXED
        if self.variable is None:
            return Input.LINES if self._is_list else Input.TEXT
        if variable_text.choices(self.variable):
            return Input.SELECT
        return Input.NUMBER if self.variable.kind is Kind.INTEGER else Input.TEXT

    @property
    def _is_list(self) -> bool:
        return self.stored is not None and not isinstance(self.stored.value, str)

    @property
    def value(self) -> str:
        """What stands in the input; never a secret."""
        if self.input in (Input.MASKED, Input.KEYS):
            return ""
        return self.shown if self.typed is None else self.typed

    @property
    def shown(self) -> str:
        """What the file says, as the input shows it."""
        if self.stored is None:
            return ""
        separator = "\n" if self.input is Input.LINES else ", "
        return displayable(separator.join(self.stored.items))

    @property
    def fixed_text(self) -> str:
        """A value that can't be edited, shortened and with its control characters visible."""
        text = self.shown
        visible = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
        return visible if len(visible) <= SHOWN_OF_FIXED else f"{visible[:SHOWN_OF_FIXED]} …"

    @property
    def choices(self) -> tuple[str, ...]:
        """The values of a selector; one we don't know stays selectable, so nothing is lost."""
        known = variable_text.choices(self.variable) if self.variable else ()
        return known if not self.value or self.value in known else (self.value, *known)

    @property
    def is_honoured(self) -> bool:
        """Whether the daemon goes by it."""
        return self.variable is not None and self.variable.status is Status.HONOURED

    @property
    def notes(self) -> list[str]:
        """What is odd about the way it is set."""
        found = []
        counting = self.held[-1] if self.held else None
        if counting and self.variable and counting.option.name != self.name:
            text = _("It is written as {name}, which means the same.")
            found.append(text.format(name=counting.option.name))
        if counting and len(self.held) > 1:
            others = ", ".join(f"{h.section.id}.{h.option.name}" for h in self.held[:-1])
            text = _("Also set as {places}, where it has no effect: the last one counts.")
            found.append(text.format(places=others))
        return found

    def changes(self, home: str, typed: str) -> list[UciChange]:
        """What makes the file say what was typed; nothing when it does already.

        ``home`` is the section a new option goes into.
        """
        if self.input in (Input.KEYS, Input.FIXED) or typed == self.value:
            return []
        value = self._written(typed)
        return self.put(home, value) if value else self.removal()

    def _written(self, typed: str) -> UciValue:
        if self.input is Input.LINES:
            return tuple(line for line in typed.split("\n") if line)
        return typed.strip()

    def removal(self) -> list[UciChange]:
        """What unsets it, wherever it is set."""
        return [DeleteOption(held.section.id, held.option.name) for held in self.held]

    def put(self, home: str, value: UciValue) -> list[UciChange]:
        """What sets it where it counts; ``home`` is the section for one nothing sets yet."""
        if not self.held:
            return [SetOption(home, self.name, value)]
        section_id, old = self.held[-1].section.id, self.held[-1].option.name
        changes: list[UciChange] = [SetOption(section_id, self.name, value)]
        return [*changes, DeleteOption(section_id, old)] if old != self.name else changes


def _is_unholdable(option: UciOption) -> bool:
    """Would an input of a page change the value by itself?"""
    return any(
        len(item) > MAX_LENGTH or any(char < " " or char == "\x7f" for char in item)
        for item in option.items
    )


def rows(subject: Subject, package: UciPackage) -> list[Row]:
    """All variables in the order of the table, then the options it doesn't know."""
    held = [Held(s, option) for s in subject.sections(package) for option in s.options]
    known = [Row(item.name, item, _of(item, held)) for item in subject.variables]
    return [*known, *_unknown(subject, held)]


def _of(variable: Variable, held: Sequence[Held]) -> tuple[Held, ...]:
    names = (variable.name, *variable.aliases)
    return tuple(item for item in held if item.option.name in names)


def _unknown(subject: Subject, held: Sequence[Held]) -> Iterator[Row]:
    names = dict.fromkeys(item.option.name for item in held)
    for name in names:
        if lookup(subject.scope, name) is None:
            yield Row(name, None, tuple(item for item in held if item.option.name == name))
