"""Delta files: the lines in which libuci and rpcd keep changes that are not committed yet.

Platform notes 1.6. Lines that make no sense are skipped, as libuci does: a program that is
interrupted while writing must not make the rest unreadable.
"""

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
from fwknopd.config.uci_format import quote
from fwknopd.config.uci_model import is_name
from fwknopd.config.uci_scanner import ScanError, Scanner

_PREFIXES = "^-@+|~"


def parse_delta(text: str, package: str) -> tuple[UciChange, ...]:
    """The changes to ``package`` recorded in a delta file. Never raises."""
    return tuple(_read(text, package))


def _read(text: str, package: str) -> Iterator[UciChange]:
    try:
        scanner = Scanner(text)
        while not scanner.at_end():
            prefix = scanner.take(_PREFIXES)
            change = _change(prefix, scanner.word(), package)
            scanner.skip_line()
            scanner.take_newline()
            if change is not None:
                yield change
    except ScanError:
        return


def _change(prefix: str, word: str, package: str) -> UciChange | None:
    path, equals, value = word.partition("=")
    names = path.split(".")
    if len(names) not in (2, 3) or names[0] != package or not all(map(is_name, names[1:])):
        return None
    section, option = names[1], names[2] if len(names) == 3 else None
    if prefix == "-":
        return _removal(section, option, value if equals else None)
    if not equals:
        return None
    if option is None:
        return _section_change(prefix, section, value)
    return _option_change(prefix, section, option, value)


def _removal(section: str, option: str | None, value: str | None) -> UciChange | None:
    if option is None:
        return DeleteSection(section)
    if value is None:
        return DeleteOption(section, option)
    return DeleteOption(section, option, _number(value)) if _is_number(value) else None


def _section_change(prefix: str, section: str, value: str) -> UciChange | None:
    if prefix == "+":
        return AddSection(section, value)
    if prefix == "":
        return SetSection(section, value)
    if prefix == "@" and is_name(value):
        return Rename(section, None, value)
    return Reorder(section, _number(value)) if prefix == "^" and _is_number(value) else None


def _option_change(prefix: str, section: str, option: str, value: str) -> UciChange | None:
    if prefix in ("", "+"):
        return SetOption(section, option, value)
    if prefix == "|":
        return AddListItem(section, option, value)
    if prefix == "~":
        return DeleteListItem(section, option, value)
    return Rename(section, option, value) if prefix == "@" and is_name(value) else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _number(text: str) -> int:
    return int(text)


def format_delta(changes: Iterable[UciChange], package: str) -> str:
    """The lines libuci would record for these changes."""
    return "".join(f"{line}\n" for change in changes for line in _lines(change, package))


def _lines(change: UciChange, package: str) -> Iterator[str]:
    place = f"{package}.{change.section}"
    option = getattr(change, "option", None)
    if option is not None:
        place += f".{option}"
    match change:
        case AddSection(type=value):
            yield f"+{place}={quote(value)}"
        case SetSection(type=value):
            yield f"{place}={quote(value)}"
        case SetOption(value=str() as value) if value:
            yield f"{place}={quote(value)}"
        case SetOption(value=items):
            yield f"-{place}"
            yield from (f"|{place}={quote(item)}" for item in items)
        case AddListItem(value=value):
            yield f"|{place}={quote(value)}"
        case DeleteListItem(value=value):
            yield f"~{place}={quote(value)}"
        case DeleteOption(index=int() as index):
            yield f"-{place}={quote(str(index))}"
        case DeleteOption() | DeleteSection():
            yield f"-{place}"
        case Rename(name=value):
            yield f"@{place}={quote(value)}"
        case Reorder(position=position):
            yield f"^{place}={quote(str(position))}"
