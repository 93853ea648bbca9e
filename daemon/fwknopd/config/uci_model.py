"""UCI packages as values: sections and options, their names, and how anonymous ones are called.

Platform notes 1.2 to 1.4.
"""

from __future__ import annotations

import string
from dataclasses import dataclass, field, replace

UciValue = str | tuple[str, ...]

_NAME_CHARACTERS = frozenset(string.ascii_letters + string.digits + "_")


@dataclass(frozen=True, slots=True)
class UciOption:
    """``option`` when the value is text, ``list`` when it is a tuple. ``line`` counts from 1."""

    name: str
    value: UciValue = field(repr=False)
    line: int | None = field(default=None, compare=False)

    @property
    def text(self) -> str:
        """The value as one string; the items of a list are joined by blanks."""
        return self.value if isinstance(self.value, str) else " ".join(self.value)

    @property
    def items(self) -> tuple[str, ...]:
        """The value as items; an option is one item."""
        return (self.value,) if isinstance(self.value, str) else self.value


@dataclass(frozen=True, slots=True)
class UciSection:
    """A section. ``name`` is None when anonymous; ``id`` (cfgXXXXXX then) always addresses it.

    The id of an anonymous section is valid only until the next commit by anybody.
    """

    type: str
    name: str | None
    id: str
    options: tuple[UciOption, ...] = ()
    line: int | None = field(default=None, compare=False)

    def option(self, name: str) -> UciOption | None:
        """The option or list of that name, or None."""
        return next((item for item in self.options if item.name == name), None)

    def get(self, name: str, default: str = "") -> str:
        """The value as text, or ``default``."""
        found = self.option(name)
        return default if found is None else found.text

    def with_option(self, option: UciOption) -> UciSection:
        """The section with that option, at the place of an older one of the same name."""
        if self.option(option.name) is None:
            return replace(self, options=(*self.options, option))
        options = tuple(option if item.name == option.name else item for item in self.options)
        return replace(self, options=options)


@dataclass(frozen=True, slots=True)
class UciPackage:
    """The sections of one file, in order."""

    sections: tuple[UciSection, ...] = ()

    def section(self, section_id: str) -> UciSection | None:
        """The section with that id (name or cfg name), or None."""
        return next((item for item in self.sections if item.id == section_id), None)

    def with_section(self, section: UciSection) -> UciPackage:
        """The package with this section in the place of the one with its id."""
        return UciPackage(tuple(section if s.id == section.id else s for s in self.sections))

    def of_type(self, section_type: str) -> tuple[UciSection, ...]:
        """All sections of that type, in order."""
        return tuple(item for item in self.sections if item.type == section_type)


def is_name(text: str) -> bool:
    """Is it allowed as the name of a section, option or list?"""
    return bool(text) and _NAME_CHARACTERS.issuperset(text)


def is_type(text: str) -> bool:
    """Is it allowed as a section type: printable ASCII without blanks?"""
    return bool(text) and all("!" <= char <= "~" for char in text)


def is_writable_type(text: str) -> bool:
    """Does a section of this type survive being written? libuci writes types without quotes."""
    return is_type(text) and not set(text) & set("'\"\\#;")


def is_package_name(text: str) -> bool:
    """Is it allowed as the name of a package?"""
    return bool(text) and _NAME_CHARACTERS.union("-").issuperset(text)


def anonymous_id(number: int, section_type: str) -> str:
    """libuci's name for the anonymous section that is the ``number``-th (from 1) of its package.

    Only the type goes into the hash. Platform notes 1.4.
    """
    value = 5381
    for byte in section_type.encode("utf-8", "surrogateescape"):
        signed = byte - 256 if byte > 127 else byte
        value = (value * 33 + signed) & 0xFFFFFFFF
    return f"cfg{number:02x}{value & 0x7FFFFFFF & 0xFFFF:04x}"
