"""UCI packages as values: parsing and writing the text form of libuci (see uci_parser)."""

from __future__ import annotations

from dataclasses import dataclass, field

UciValue = str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UciOption:
    """``option`` when the value is text, ``list`` when it is a tuple. ``line`` counts from 1."""

    name: str
    value: UciValue = field(repr=False)
    line: int | None = None

    @property
    def text(self) -> str:
        """The value as one string; the items of a list are joined by blanks."""
        return self.value if isinstance(self.value, str) else " ".join(self.value)


@dataclass(frozen=True, slots=True)
class UciSection:
    """A section. ``name`` is None when anonymous; ``id`` (cfgXXXXXX then) always addresses it.

    The id of an anonymous section is valid only until the next commit by anybody.
    """

    type: str
    name: str | None
    id: str
    options: tuple[UciOption, ...] = ()
    line: int | None = None

    def option(self, name: str) -> UciOption | None:
        """The option or list of that name, or None."""
        return next((item for item in self.options if item.name == name), None)

    def get(self, name: str, default: str = "") -> str:
        """The value as text, or ``default``."""
        found = self.option(name)
        return default if found is None else found.text


@dataclass(frozen=True, slots=True)
class UciPackage:
    """The sections of one file, in order."""

    sections: tuple[UciSection, ...] = ()

    def section(self, section_id: str) -> UciSection | None:
        """The section with that id (name or cfg name), or None."""
        return next((item for item in self.sections if item.id == section_id), None)

    def of_type(self, section_type: str) -> tuple[UciSection, ...]:
        """All sections of that type, in order."""
        return tuple(item for item in self.sections if item.type == section_type)
