"""The shortest list of changes that turns one UCI package into another.

Staging keeps the package as it shall become, and asks here what that means. So typing a
value twice is one change, and typing the old value again is none.
"""

from __future__ import annotations

from collections.abc import Iterator

from fwknopd.config.uci_changes import (
    AddSection,
    DeleteOption,
    DeleteSection,
    Reorder,
    SetOption,
    SetSection,
    UciChange,
)
from fwknopd.config.uci_format import UciPackage, UciSection


def differences(before: UciPackage, after: UciPackage) -> tuple[UciChange, ...]:
    """Changes to apply to ``before`` to get ``after``; sections are matched by id."""
    kept = _kept(before, after)
    return (
        *(DeleteSection(item.id) for item in before.sections if item.id not in kept),
        *(change for item in after.sections for change in _section(kept.get(item.id), item)),
        *_order(kept, after),
    )


def _kept(before: UciPackage, after: UciPackage) -> dict[str, UciSection]:
    types = {item.id: item.type for item in after.sections}
    return {item.id: item for item in before.sections if types.get(item.id) == item.type}


def _section(old: UciSection | None, new: UciSection) -> Iterator[UciChange]:
    if old is None:
        yield AddSection(new.id, new.type) if new.name is None else SetSection(new.id, new.type)
    former = {} if old is None else {item.name: item.value for item in old.options}
    present = {item.name: item.value for item in new.options}
    yield from (DeleteOption(new.id, name) for name in former if name not in present)
    for name, value in present.items():
        if former.get(name) != value:
            yield SetOption(new.id, name, value)


def _order(kept: dict[str, UciSection], after: UciPackage) -> Iterator[UciChange]:
    wanted = [item.id for item in after.sections]
    current = [*kept, *(name for name in wanted if name not in kept)]
    for position, name in enumerate(wanted):
        if current[position] != name:
            current.remove(name)
            current.insert(position, name)
            yield Reorder(name, position)
