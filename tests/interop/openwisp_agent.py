"""What OpenWISP's agent makes of a router's file: a model of its merge, in UCI packages.

The rules are those of openwisp-config 1.x with ``merge_config`` on, as its manual ("Merge
Configuration") and its change log (0.4.0, 0.5.0) tell them, and as its own script was seen to
follow them: sections go by their names alone; what was delivered before and is not any more is
taken away, option by option; what the router had at first comes back then, unless it was
delivered too; a list is replaced as a whole; an empty section goes; and new sections come in no
order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from fwknopd.config.uci_model import UciPackage, UciSection

Order = Callable[[Sequence[UciSection]], Sequence[UciSection]]


def autonamed(package: UciPackage) -> UciPackage:
    """Before its first merge it gives names to sections that have none, and sorts their options."""
    taken = {section.name for section in package.sections}
    sections = []
    for section in package.sections:
        if section.name is None:
            number = 1
            while f"{section.type}{number}" in taken:
                number += 1
            name = f"{section.type}{number}"
            taken.add(name)
            options = tuple(sorted(section.options, key=lambda option: option.name))
            section = UciSection(section.type, name, name, options)
        sections.append(section)
    return UciPackage(tuple(sections))


@dataclass
class Agent:
    """``router`` is its file, ``order`` the one in which new sections come."""

    router: UciPackage
    order: Order = tuple
    _delivered: UciPackage = field(default_factory=UciPackage)
    _at_first: UciPackage | None = None

    def __post_init__(self) -> None:
        self.router = autonamed(self.router)

    def apply(self, new: UciPackage) -> None:
        """Merge what was delivered into the router's file."""
        for old in self._delivered.sections:
            self._take_away(old, new.section(old.id))
        if self._at_first is None and new.sections:
            self._at_first = _without(self.router, new)
        for section in self.order(new.sections):
            self._put(section)
        self._delivered = new

    def _take_away(self, old: UciSection, new: UciSection | None) -> None:
        kept = {option.name for option in new.options} if new else set()
        gone = {option.name for option in old.options} - kept
        first = (self._at_first or UciPackage()).section(old.id)
        section = self.router.section(old.id)
        if section is not None:
            left = tuple(option for option in section.options if option.name not in gone)
            self._set(replace(section, options=left))
        for option in first.options if first else ():
            if new is None or option.name in gone:
                self._put(UciSection(old.type, old.name, old.id, (option,)))

    def _put(self, section: UciSection) -> None:
        found = self.router.section(section.id)
        if found is None:
            found = UciSection(section.type, section.name, section.id)
            self.router = UciPackage((*self.router.sections, found))
        found = replace(found, type=section.type)
        for option in sorted(section.options, key=lambda option: option.name):
            found = found.with_option(option)
        self.router = self.router.with_section(found)

    def _set(self, section: UciSection) -> None:
        if section.options:
            self.router = self.router.with_section(section)
        else:
            kept = tuple(item for item in self.router.sections if item.id != section.id)
            self.router = UciPackage(kept)


def _without(package: UciPackage, new: UciPackage) -> UciPackage:
    """What is the router's own alone."""
    sections = []
    for section in package.sections:
        delivered = new.section(section.id)
        names = {option.name for option in delivered.options} if delivered else set()
        left = tuple(option for option in section.options if option.name not in names)
        if left or delivered is None:
            sections.append(replace(section, options=left))
    return UciPackage(tuple(sections))
