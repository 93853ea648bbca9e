"""Two people's changes to one configuration, put together option by option.

Three packages: ``base``, which both started from, and what each made of it. What only one
changed is taken; what both changed alike is taken once; the rest are conflicts, for a person
to decide. Ids of anonymous sections are mere positions, so sections are first matched by
what is in them (see matching).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from fwknop_webui.matching import ACCESS, matched, twins
from fwknopd.config.uci_changes import (
    AddSection,
    DeleteOption,
    DeleteSection,
    Reorder,
    SetOption,
    SetSection,
    UciChange,
    apply,
    new_section_id,
)
from fwknopd.config.uci_differences import differences
from fwknopd.config.uci_format import UciPackage, UciSection, UciValue

SPELLINGS = {
    "KEY": "KEY_BASE64",
    "KEY_BASE64": "KEY",
    "HMAC_KEY": "HMAC_KEY_BASE64",
    "HMAC_KEY_BASE64": "HMAC_KEY",
}
"""Options that say the same in two ways: a client has one of them."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """Both changed this option; a value is None where there is none any more.

    ``option`` is "" when one deleted the section (None) that the other changed (""), and
    ``section`` as well when both moved sections. ``section`` is an id of theirs, or one of
    ``base`` when theirs has it no more.
    """

    section: str
    option: str
    mine: UciValue | None = field(default=None, repr=False)
    theirs: UciValue | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Merged:
    """``package`` is theirs with my changes on top; ``sections`` the ids there by mine."""

    package: UciPackage
    conflicts: tuple[Conflict, ...] = ()
    sections: Mapping[str, str] = field(default_factory=dict)


def merge(
    base: UciPackage, mine: UciPackage, theirs: UciPackage, *, prefer_mine: bool = True
) -> Merged:
    """Put them together; ``prefer_mine`` says whose values ``package`` has in a conflict."""
    work = _Merge(base, mine, theirs, prefer_mine)
    wanted = differences(base, mine)
    for change in wanted:
        work.take(change)
    if any(isinstance(change, Reorder) for change in wanted):
        work.order([item.id for item in mine.sections])
    return Merged(work.package, tuple(work.conflicts), work.sections)


class _Merge:
    """The package as it grows."""

    def __init__(
        self, base: UciPackage, mine: UciPackage, theirs: UciPackage, prefer_mine: bool
    ) -> None:
        self._base, self._mine, self._theirs = base, mine, theirs
        self._prefer_mine = prefer_mine
        self._made: set[str] = set()
        self.package = theirs
        self.conflicts: list[Conflict] = []
        added = _added(base, mine)
        self._added = {item.id for item in added}
        known = set(matched(base, theirs, certain=True).values())
        self._twins = twins(added, [item for item in theirs.sections if item.id not in known])
        # What is one of mine is not what stood in its place.
        shared = set(self._twins.values())
        self.sections = {
            old: new for old, new in matched(base, theirs).items() if new not in shared
        }

    def take(self, change: UciChange) -> None:
        match change:
            case AddSection():
                self._add(change)
            case SetSection():
                self._add_named(change)
            case DeleteSection(section=name):
                self._delete(name)
            case SetOption(section=name, option=option, value=value):
                self._set(name, option, value)
            case DeleteOption(section=name, option=option):
                self._set(name, option, None)

    def _add(self, change: AddSection) -> None:
        theirs = self._theirs.of_type(change.type)
        is_only = change.type != ACCESS and not self._base.of_type(change.type)
        if is_only and theirs and theirs[0].id not in self.sections.values():
            # Both needed a place for a setting: it is one and the same.
            self.sections[change.section] = theirs[0].id
            return
        if change.section in self._twins:
            self.sections[change.section] = self._twins[change.section]
            return
        made = new_section_id(self.package, change.type)
        self.sections[change.section] = made
        self._make(replace(change, section=made))

    def _add_named(self, change: SetSection) -> None:
        # Somebody else may have made it, too; then their options meet.
        name = self._twins.get(change.section, change.section)
        there = self.package.section(name)
        self.sections[change.section] = name
        if there is not None and there.type != change.type:
            # The name is that of something else there.
            self._note(Conflict(name, "", None, ""))
            if not self._prefer_mine:
                del self.sections[change.section]
                return
            self._apply(DeleteSection(name))
        if self.package.section(name) is None:
            self._make(change)

    def _make(self, change: AddSection | SetSection) -> None:
        self._apply(change)
        self._made.add(change.section)

    def _delete(self, section_id: str) -> None:
        place = self.sections.get(section_id)
        if place is None:
            return
        if _options(self._base, section_id) != _options(self._theirs, place):
            self.conflicts.append(Conflict(place, "", None, ""))
            if not self._prefer_mine:
                return
        self._apply(DeleteSection(place))

    def _set(self, section_id: str, option: str, mine: UciValue | None) -> None:
        place = self.sections.get(section_id)
        if place is None:
            self._gone(section_id)
        if place is None:
            return
        if place in self._made:
            self._put(place, option, mine)
            return
        theirs = _options(self._theirs, place).get(option)
        if theirs == mine:
            return
        if theirs != self._before(section_id).get(option):
            self._note(Conflict(place, option, mine, theirs))
            if not self._prefer_mine:
                return
        if mine is None or self._is_only_spelling(section_id, place, option, mine):
            self._put(place, option, mine)

    def _is_only_spelling(self, section_id: str, place: str, option: str, mine: UciValue) -> bool:
        """False when theirs is kept in another spelling; mine takes its place."""
        other = SPELLINGS.get(option, "")
        theirs = _options(self._theirs, place).get(other)
        if theirs is None or theirs == self._before(section_id).get(other):
            return True
        if other in _options(self._mine, section_id):
            return True
        self._note(Conflict(place, option, mine, theirs))
        if self._prefer_mine:
            self._put(place, other, None)
        return self._prefer_mine

    def _before(self, section_id: str) -> dict[str, UciValue]:
        """What I changed; what I added may have the id of something else there was."""
        return {} if section_id in self._added else _options(self._base, section_id)

    def _put(self, place: str, option: str, value: UciValue | None) -> None:
        self._apply(SetOption(place, option, "" if value is None else value))

    def _gone(self, section_id: str) -> None:
        """They deleted a section I changed: mine is made anew."""
        self._note(Conflict(section_id, "", "", None))
        section = self._mine.section(section_id)
        if section is None or not self._prefer_mine:
            return
        make = AddSection if section.name is None else SetSection
        self.take(make(section_id, section.type))
        for option in section.options:
            self._put(self.sections[section_id], option.name, option.value)

    def order(self, mine: Sequence[str]) -> None:
        """Take over my order, unless both of us moved something and theirs is preferred."""
        before = [self.sections.get(item.id, "") for item in self._base.sections]
        kept = [item.id for item in self._theirs.sections if item.id in before]
        if [name for name in before if name] != kept:
            self._note(Conflict("", ""))
            if not self._prefer_mine:
                return
        wanted = [self.sections.get(name, "") for name in mine]
        self.package = _ordered(self.package, wanted, self._theirs)

    def _note(self, conflict: Conflict) -> None:
        if conflict not in self.conflicts:
            self.conflicts.append(conflict)

    def _apply(self, change: UciChange) -> None:
        self.package = apply(self.package, (change,))


def _added(base: UciPackage, mine: UciPackage) -> list[UciSection]:
    types = {item.id: item.type for item in base.sections}
    return [item for item in mine.sections if types.get(item.id) != item.type]


def _options(package: UciPackage, section_id: str) -> dict[str, UciValue]:
    section = package.section(section_id)
    return {item.name: item.value for item in section.options} if section else {}


def _ordered(package: UciPackage, wanted: Sequence[str], theirs: UciPackage) -> UciPackage:
    """The sections as wanted; what only they have stays behind its neighbour there."""
    by_id = {item.id: item for item in package.sections}
    order = [name for name in dict.fromkeys(wanted) if name in by_id]
    place = 0
    for item in theirs.sections:
        if item.id in order:
            place = order.index(item.id) + 1
        elif item.id in by_id:
            order.insert(place, item.id)
            place += 1
    return UciPackage(tuple(by_id[name] for name in order))
