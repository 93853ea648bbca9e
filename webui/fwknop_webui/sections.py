"""Finding the right section for an option, and making it when there is none."""

from __future__ import annotations

from collections.abc import Sequence

from fwknop_webui.forms import Field
from fwknopd.config.uci_changes import (
    AddSection,
    DeleteOption,
    Reorder,
    UciChange,
    apply,
    new_section_id,
)
from fwknopd.config.uci_format import UciPackage, UciSection


class Sections:
    """A package, and the changes wanted to it so far."""

    def __init__(self, package: UciPackage) -> None:
        self._package = package
        self.changes: list[UciChange] = []

    def holder(self, section_type: str, option: str) -> UciSection | None:
        """The section whose value of the option counts: the last that has it, else the first."""
        sections = self._package.of_type(section_type)
        having = [item for item in sections if item.option(option)]
        return having[-1] if having else next(iter(sections), None)

    def value(self, section_type: str, option: str) -> str:
        """The value that counts, "" when unset."""
        section = self.holder(section_type, option)
        return section.get(option) if section else ""

    def change(self, section_type: str, item: Field, typed: str) -> None:
        """Make the field say what was typed."""
        section = self.holder(section_type, item.option)
        section_id = section.id if section else new_section_id(self._package, section_type)
        wanted = list(item.changes(section_id, section, typed))
        if wanted and section is None:
            wanted = [*self._creation(section_id, section_type), *wanted]
        self._take(wanted)
        if wanted and all(isinstance(change, DeleteOption) for change in wanted):
            # With the last one gone an earlier one would count.
            self.clear(section_type, item)

    def clear(self, section_type: str, item: Field) -> None:
        """Unset it wherever it is set."""
        for section in self._package.of_type(section_type):
            self._take([DeleteOption(section.id, name) for name in item.stored_names(section)])

    def _take(self, changes: Sequence[UciChange]) -> None:
        self.changes += changes
        self._package = apply(self._package, changes)

    def _creation(self, section_id: str, section_type: str) -> list[UciChange]:
        made: list[UciChange] = [AddSection(section_id, section_type)]
        if section_type == "global":
            # The stock init script drops everything that stands above this section.
            made.append(Reorder(section_id, 0))
        return made
