"""Putting staged changes on top of a file that somebody else changed meanwhile.

Allowed only where both did not touch the same section: ids of anonymous sections are mere
positions, so a section counts as the same only if it is the same throughout.
"""

from __future__ import annotations

from dataclasses import replace

from fwknop_webui.differences import differences
from fwknop_webui.staging import Draft, Staging
from fwknopd.config.uci_changes import AddSection, Reorder, UciChange, apply, new_section_id
from fwknopd.config.uci_format import UciPackage, UciSection
from fwknopd.uci_store import Loaded


class CannotRebase(Exception):
    """Both changed the same section: a person has to decide."""


def rebase(draft: Draft) -> Staging:
    """The staged changes, to be applied to the current file. Raises CannotRebase."""
    current: Loaded = draft.current
    names = _new_names(draft)
    wanted = current.package
    for change in draft.changes:
        if change.section not in names:
            _require_same(draft, change.section)
        # Positions of another file mean nothing in this one.
        if not isinstance(change, Reorder):
            renamed: UciChange = replace(change, section=names.get(change.section, change.section))
            wanted = apply(wanted, (renamed,))
    return Staging(current, differences(current.package, wanted))


def _new_names(draft: Draft) -> dict[str, str]:
    """Ids for the sections the changes add, none of them taken in the current file."""
    grown, names = draft.current.package, dict[str, str]()
    for change in draft.changes:
        if isinstance(change, AddSection):
            names[change.section] = new_section_id(grown, change.type)
            grown = apply(grown, (AddSection(names[change.section], change.type),))
    return names


def _require_same(draft: Draft, section_id: str) -> None:
    mine = draft.base.package.section(section_id)
    theirs = draft.current.package.section(section_id)
    if mine is None and theirs is None:
        return
    if mine is None or theirs is None or _content(mine) != _content(theirs):
        raise CannotRebase(section_id)


def _content(section: UciSection) -> tuple[str, str | None, tuple[tuple[str, object], ...]]:
    options = tuple((option.name, option.value) for option in section.options)
    return section.type, section.name, options


def moved(package: UciPackage, section: UciSection) -> str | None:
    """Where a section of an older file is now: the id of the one equal to it, if just one is."""
    equal = [s.id for s in package.sections if _content(s) == _content(section)]
    return equal[0] if len(equal) == 1 else None
