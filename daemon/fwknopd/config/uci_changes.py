"""Changes to a UCI package: everything a page needs to stage them, show them and apply them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

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
from fwknopd.config.uci_edit import ChangeError, apply, new_section_id
from fwknopd.config.uci_format import quote
from fwknopd.config.variables import is_secret

__all__ = [
    "AddListItem",
    "AddSection",
    "ChangeError",
    "DeleteListItem",
    "DeleteOption",
    "DeleteSection",
    "Rename",
    "Reorder",
    "SetOption",
    "SetSection",
    "UciChange",
    "apply",
    "as_commands",
    "new_section_id",
]

MASK = "********"


def as_commands(changes: Iterable[UciChange], package: str = "fwknopd") -> list[str]:
    """The changes as ``uci`` command lines for people to read; keys are masked."""
    return [line for change in changes for line in _commands(change, package)]


def _commands(change: UciChange, package: str) -> Iterator[str]:
    place = f"uci %s {package}.{change.section}"
    option = getattr(change, "option", None)
    if option is not None:
        place += f".{option}"
    shown = _shown(change)
    match change:
        case AddSection(type=value):
            yield f"uci add {package} {value} # {change.section}"
        case SetSection() | SetOption(value=str()):
            yield f"{place % 'set'}={shown[0]}"
        case SetOption():
            yield f"{place % 'delete'}"
            yield from (f"{place % 'add_list'}={item}" for item in shown)
        case AddListItem():
            yield f"{place % 'add_list'}={shown[0]}"
        case DeleteListItem():
            yield f"{place % 'del_list'}={shown[0]}"
        case DeleteOption(index=int() as index):
            yield f"{place % 'delete'}={index}"
        case DeleteOption() | DeleteSection():
            yield place % "delete"
        case Rename(name=value):
            yield f"{place % 'rename'}={quote(value)}"
        case Reorder(position=position):
            yield f"{place % 'reorder'}={position}"


def _shown(change: UciChange) -> list[str]:
    value = change.type if isinstance(change, SetSection) else getattr(change, "value", "")
    items = [value] if isinstance(value, str) else list(value)
    if is_secret(getattr(change, "option", None) or ""):
        items = [MASK if item else item for item in items]
    return [quote(item) for item in items]
