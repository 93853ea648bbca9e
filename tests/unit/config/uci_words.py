"""Arguments and output lines of the `uci` command, for the replay of recorded cases."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fwknopd.config.uci_change import (
    AddListItem,
    AddSection,
    DeleteListItem,
    DeleteOption,
    Rename,
    Reorder,
    UciChange,
)
from fwknopd.config.uci_delta import format_delta
from fwknopd.config.uci_model import is_name, is_package_name


class CommandFailed(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Pointer:
    package: str
    section: str | None = None
    option: str | None = None
    value: str | None = None


def parse_pointer(text: str) -> Pointer:
    path, equals, value = text.partition("=")
    names = path.split(".")
    if len(names) > 3 or not is_package_name(names[0]):
        raise CommandFailed(1)
    section = names[1] if len(names) > 1 else None
    option = names[2] if len(names) > 2 else None
    if option is not None and not is_name(option):
        raise CommandFailed(1)
    return Pointer(names[0], section, option, value if equals else None)


def by_package(text: str) -> list[tuple[str, str]]:
    found = re.split(r"^package (\S+)$", text, flags=re.MULTILINE)
    return list(zip(found[1::2], found[2::2], strict=True))


def change_line(change: UciChange, package: str) -> str:
    """A line of `uci changes`: the delta line, with its mark moved or left out."""
    line = format_delta([change], package)
    match change:
        case AddListItem() | DeleteListItem():
            sign = "+=" if isinstance(change, AddListItem) else "-="
            return line[1:].replace("=", sign, 1)
        case DeleteOption(index=int()):
            return line.partition("=")[0] + "\n"
        case AddSection() | Rename() | Reorder():
            return line[1:]
    return line
