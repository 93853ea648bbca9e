"""Applying changes to a UCI package, with libuci's idea of what each of them does.

Platform notes 1.3, 1.5 and 1.6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from fwknopd.config.uci_change import (
    AddListItem,
    AddSection,
    DeleteListItem,
    DeleteOption,
    DeleteSection,
    Rename,
    Reorder,
    SetOption,
    SetSection,
    UciChange,
)
from fwknopd.config.uci_model import (
    UciOption,
    UciPackage,
    UciSection,
    anonymous_id,
    is_name,
    is_type,
    is_writable_type,
)

_ALLOWED_CONTROLS = "\t\n\r"


class ChangeError(ValueError):
    """A change does not fit the package: the section is gone, a name is not allowed."""


def apply(package: UciPackage, changes: Iterable[UciChange]) -> UciPackage:
    """The package after all changes, in order. Raises ChangeError at the first bad one."""
    for change in changes:
        _check_values(change)
        _check_names(package, change)
        package = _apply(package, change)
    return package


def apply_delta(
    package: UciPackage, changes: Iterable[UciChange]
) -> tuple[UciPackage, tuple[UciChange, ...]]:
    """Apply what can be applied, as libuci does with a delta file; also returns just that."""
    applied = []
    for change in changes:
        try:
            package = _apply(package, change)
        except ChangeError:
            continue
        applied.append(change)
    return package, tuple(applied)


def new_section_id(package: UciPackage, section_type: str) -> str:
    """The id ``uci add`` would give the next anonymous section; never one already in use."""
    number = len(package.sections) + 1
    while package.section(anonymous_id(number, section_type)) is not None:
        number += 1
    return anonymous_id(number, section_type)


def _apply(package: UciPackage, change: UciChange) -> UciPackage:
    operation: Callable[[UciPackage, Any], UciPackage] = _OPERATIONS[type(change)]
    return operation(package, change)


def _check_values(change: UciChange) -> None:
    value = getattr(change, "value", "")
    for item in (value,) if isinstance(value, str) else value:
        check_text(item)


def check_text(text: str) -> None:
    """Raises ChangeError for what no file can hold as a value."""
    if any(char < " " and char not in _ALLOWED_CONTROLS for char in text):
        raise ChangeError("the value has a control character; use plain text")
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise ChangeError("the value has a character no file can hold") from error


def _check_names(package: UciPackage, change: UciChange) -> None:
    """What libuci lets pass, and what leaves a file behind that it can't read."""
    if isinstance(change, SetSection | AddSection) and change.type:
        if not is_writable_type(change.type):
            raise ChangeError(f"'{change.type}' is no section type; use plain letters")
    elif isinstance(change, Rename):
        section = _find(package, change.section)
        taken = package.section if change.option is None else section.option
        if taken(change.name) is not None:
            raise ChangeError(f"the name '{change.name}' is already in use")


def _find(package: UciPackage, section_id: str) -> UciSection:
    section = package.section(section_id)
    if section is None:
        raise ChangeError(f"there is no section '{section_id}'; load the configuration again")
    return section


def _put(package: UciPackage, old: UciSection, new: UciSection) -> UciPackage:
    return UciPackage(tuple(new if item is old else item for item in package.sections))


def _drop(package: UciPackage, old: UciSection) -> UciPackage:
    return UciPackage(tuple(item for item in package.sections if item is not old))


def _set_section(package: UciPackage, change: SetSection | AddSection) -> UciPackage:
    anonymous = isinstance(change, AddSection)
    old = package.section(change.section)
    if not change.type:
        return package if old is None else _drop(package, old)
    if not is_type(change.type) or not is_name(change.section):
        raise ChangeError("the section type or name has a character UCI does not allow")
    if old is None:
        name = None if anonymous else change.section
        return UciPackage((*package.sections, UciSection(change.type, name, change.section)))
    return _put(package, old, replace(old, type=change.type, name=None if anonymous else old.name))


def _set_option(package: UciPackage, change: SetOption) -> UciPackage:
    section = _find(package, change.section)
    if not change.value:
        old = section.option(change.option)
        return package if old is None else _without_option(package, section, old)
    return _put_option(package, section, UciOption(change.option, change.value))


def _put_option(package: UciPackage, section: UciSection, option: UciOption) -> UciPackage:
    if not is_name(option.name):
        raise ChangeError(f"'{option.name}' is no option name; use letters, digits and _")
    return _put(package, section, section.with_option(option))


def _without_option(package: UciPackage, section: UciSection, option: UciOption) -> UciPackage:
    options = tuple(item for item in section.options if item is not option)
    return _put(package, section, replace(section, options=options))


def _add_list_item(package: UciPackage, change: AddListItem) -> UciPackage:
    section = _find(package, change.section)
    old = section.option(change.option)
    items = (*(old.items if old else ()), change.value)
    return _put_option(package, section, UciOption(change.option, items))


def _delete_list_item(package: UciPackage, change: DeleteListItem) -> UciPackage:
    section = _find(package, change.section)
    old = section.option(change.option)
    if old is None or isinstance(old.value, str):
        return package
    items = tuple(item for item in old.value if item != change.value)
    return _put_option(package, section, UciOption(change.option, items))


def _delete_option(package: UciPackage, change: DeleteOption) -> UciPackage:
    section = _find(package, change.section)
    old = section.option(change.option)
    if old is None:
        raise ChangeError(f"there is no option '{change.option}' to delete")
    if change.index is None or isinstance(old.value, str):
        return _without_option(package, section, old)
    items = old.value[: change.index] + old.value[change.index + 1 :]
    return _put_option(package, section, UciOption(change.option, items))


def _delete_section(package: UciPackage, change: DeleteSection) -> UciPackage:
    return _drop(package, _find(package, change.section))


def _rename(package: UciPackage, change: Rename) -> UciPackage:
    section = _find(package, change.section)
    if not is_name(change.name):
        raise ChangeError(f"'{change.name}' is no name; use letters, digits and _")
    if change.option is None:
        return _put(package, section, replace(section, name=change.name, id=change.name))
    old = section.option(change.option)
    if old is None:
        raise ChangeError(f"there is no option '{change.option}' to rename")
    renamed = replace(old, name=change.name)
    options = tuple(renamed if item is old else item for item in section.options)
    return _put(package, section, replace(section, options=options))


def _reorder(package: UciPackage, change: Reorder) -> UciPackage:
    section = _find(package, change.section)
    others = _drop(package, section).sections
    position = max(0, change.position)
    return UciPackage((*others[:position], section, *others[position:]))


_OPERATIONS: dict[type, Callable[[UciPackage, Any], UciPackage]] = {
    AddSection: _set_section,
    SetSection: _set_section,
    SetOption: _set_option,
    AddListItem: _add_list_item,
    DeleteListItem: _delete_list_item,
    DeleteOption: _delete_option,
    DeleteSection: _delete_section,
    Rename: _rename,
    Reorder: _reorder,
}
