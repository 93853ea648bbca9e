"""Fields of a form, and their way between a UCI section and what a person types.

A field takes its help, unit, range and default from the variable table, so that form,
daemon and reference page say the same. Whether a value is right is not decided here: the
would-be configuration is given to the daemon's own loader (see check).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from fwknop_webui import days
from fwknop_webui.dates import fwknop_date, is_iso_date, iso_date
from fwknop_webui.displayable import displayable
from fwknop_webui.i18n import _
from fwknopd.config.command_values import SEPARATOR
from fwknopd.config.uci_changes import DeleteOption, SetOption, UciChange
from fwknopd.config.uci_config import joined
from fwknopd.config.uci_format import UciSection
from fwknopd.config.values import says_on, says_yes
from fwknopd.config.variables import Kind, Scope, Variable, lookup

MAX_LENGTH = 1000
_SEPARATORS = {
    **dict.fromkeys((Kind.NETWORKS, Kind.PORTS, Kind.NAT_RANGES, Kind.GPG_IDS), ","),
    **dict.fromkeys((Kind.HOURS, Kind.INTERFACE), ", "),
    Kind.COMMANDS: SEPARATOR,
}
"""What parts the items of a list, as the daemon's readers have it."""


class Widget(StrEnum):
    """How a field is edited."""

    TEXT = "text"
    NUMBER = "number"
    FLAG = "flag"
    SELECT = "select"
    DATE = "date"
    DAYS = "days"
    SECRET = "secret"  # noqa: S105 - the name of a widget


@dataclass(frozen=True, slots=True)
class Field:
    """One option of a section. ``text`` replaces the table's help where the page needs its own."""

    option: str
    label: str
    scope: Scope
    widget: Widget = Widget.TEXT
    text: str = ""
    suggestions: str = ""
    placeholder: str = ""
    unit: str = ""
    parted_by: str = ""
    """Characters between the items of a list, where others do than the daemon takes."""
    needs: str = ""
    """Another option of the form without which this one says nothing."""

    @property
    def separators(self) -> str:
        """Characters between its items, the usual one first; "" where there is one value."""
        return self.parted_by or (_SEPARATORS.get(self.variable.kind, "") if self.variable else "")

    @property
    def variable(self) -> Variable | None:
        """The table's entry; None for fields that are no configuration variable."""
        return lookup(self.scope, self.option)

    @property
    def takes_any(self) -> bool:
        """Whether the word ANY in it means everything, whatever stands beside it."""
        return self.variable is not None and self.variable.kind is Kind.NETWORKS

    @property
    def default(self) -> str:
        """What the option means when it isn't there, as the widget shows it."""
        default = self.variable.default if self.variable else None
        if self.widget is Widget.FLAG:
            return "1" if default is True else ""
        return str(default) if self.widget is Widget.SELECT and default is not None else ""

    @property
    def names(self) -> tuple[str, ...]:
        """Its own name and older ones."""
        return (self.option, *(self.variable.aliases if self.variable else ()))

    def stored_names(self, section: UciSection | None) -> list[str]:
        """The names under which the section holds it."""
        stored = section.options if section else ()
        return [item.name for item in stored if item.name in self.names]

    def read(self, section: UciSection | None) -> str:
        """What the form shows for the section: "1" or "" for a flag, else the text.

        Secrets are never shown.
        """
        if self.widget is Widget.SECRET:
            return ""
        names = self.stored_names(section)
        stored = displayable(self._text(section, names[-1])) if section and names else ""
        return self._shown(stored) if stored else self.default

    def _text(self, section: UciSection, name: str) -> str:
        option = section.option(name)
        if option is not None and self.variable and self.variable.kind is Kind.COMMANDS:
            # Blanks would not part them.
            return joined(option, self.variable)
        return section.get(name)

    def _shown(self, stored: str) -> str:
        if self.widget is Widget.FLAG:
            return "1" if self._is_on(stored) else ""
        if self.widget is Widget.SELECT:
            return next((c for c in self.choices if c.lower() == stored.lower()), stored)
        if self.widget is Widget.DAYS:
            return days.plain(stored)
        return iso_date(stored) if self.widget is Widget.DATE else stored

    @property
    def choices(self) -> tuple[str, ...]:
        """The values of a selector."""
        return self.variable.choices if self.variable else ()

    @property
    def _is_switch(self) -> bool:
        """UCI's own options say 0/1, fwknopd's variables N/Y."""
        return self.variable is None or self.variable.kind is Kind.SWITCH

    def _is_on(self, stored: str) -> bool:
        return says_on(stored) if self._is_switch else says_yes(stored)

    def changes(
        self, section_id: str, stored: UciSection | None, typed: str
    ) -> Iterator[UciChange]:
        """What to change so that the section says what was typed; nothing when it does already."""
        if typed == self.read(stored):
            return
        value = self._written(typed)
        if value:
            yield SetOption(section_id, self.option, value)
        for name in self.stored_names(stored):
            if name != self.option or not value:
                yield DeleteOption(section_id, name)

    def _written(self, typed: str) -> str:
        if self.widget is Widget.DATE:
            return fwknop_date(typed)
        if self.widget not in (Widget.FLAG, Widget.SELECT):
            return typed
        # The default needs no option; off must be written out where on is the default.
        if typed == self.default or self.widget is Widget.SELECT:
            return "" if typed == self.default else typed
        words = ("0", "1") if self._is_switch else ("N", "Y")
        return words[bool(typed)]


@dataclass(frozen=True, slots=True)
class BoundField:
    """A field with what stands in it and what is wrong with that: what a template draws.

    ``is_kept``: there is a secret, which stays if nothing is typed.
    """

    field: Field
    value: str
    error: str = ""
    is_kept: bool = False

    @property
    def name(self) -> str:
        """Name of the input."""
        return self.field.option

    @property
    def choices(self) -> tuple[str, ...]:
        """The values of a selector; one we don't know stays selectable, so nothing is lost."""
        known = self.field.choices
        return known if not self.value or self.value in known else (self.value, *known)

    @property
    def is_date(self) -> bool:
        """Whether the browser's date picker can show the value."""
        return not self.value or is_iso_date(self.value)

    @property
    def days(self) -> tuple[days.Day, ...]:
        """Weekdays to tick; none for other fields, or when what they say has to be typed."""
        return days.tickable(self.value) if self.field.widget is Widget.DAYS else ()

    @property
    def shows_name(self) -> bool:
        """Whether the option's own name is worth showing beside the label."""
        return self.field.variable is not None

    @property
    def help(self) -> str:
        """The sentence under the input."""
        variable = self.field.variable
        return _(self.field.text or (variable.help if variable else ""))

    @property
    def unit(self) -> str:
        """The unit after a number."""
        return _(self.field.variable.unit if self.field.variable else self.field.unit)

    @property
    def placeholder(self) -> str:
        """The default, or an example, in grey."""
        variable = self.field.variable
        if self.field.placeholder:
            return _(self.field.placeholder)
        if variable is None:
            return ""
        if variable.default not in (None, "") and not isinstance(variable.default, bool):
            return str(variable.default)
        return variable.example


def typed_values(fields: Iterable[Field], form: Mapping[str, str]) -> dict[str, str]:
    """What a person typed, by option; a flag that isn't sent is off."""
    return {field.option: _typed(field, form) for field in fields}


def _typed(field: Field, form: Mapping[str, str]) -> str:
    text = form.get(field.option, "")
    if field.widget is Widget.FLAG:
        return "1" if text else ""
    if field.widget is Widget.DAYS:
        return text.strip() or days.ticked(field.option, form)
    return text if field.widget is Widget.SECRET else text.strip()


def stored_values(fields: Iterable[Field], section: UciSection | None) -> dict[str, str]:
    """What the section holds, by option."""
    return {field.option: field.read(section) for field in fields}


def unacceptable(typed: Mapping[str, str]) -> dict[str, str]:
    """Errors no loader should have to see: control characters and floods of text."""
    errors = {}
    for name, value in typed.items():
        if len(value) > MAX_LENGTH:
            errors[name] = _("Expecting: at most 1000 characters.")
        elif not value.isprintable():
            errors[name] = _("Expecting: one line of text, without control characters.")
    return errors


def field_changes(
    fields: Iterable[Field], section_id: str, stored: UciSection | None, typed: Mapping[str, str]
) -> list[UciChange]:
    """The changes of all fields."""
    return [
        change
        for field in fields
        for change in field.changes(section_id, stored, typed[field.option])
    ]
