"""The `uci` command as far as the recorded cases need it, built on the product's functions.

Only what the command line adds is here: argument syntax, exit codes, printing. Everything
that touches a package, a delta file or a commit is the code under test.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from fwknopd.config.problems import ConfigError
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
from fwknopd.config.uci_delta import format_delta, parse_delta
from fwknopd.config.uci_edit import ChangeError, apply, new_section_id
from fwknopd.config.uci_format import (
    UciOption,
    UciPackage,
    UciSection,
    decode_text,
    encode_text,
    export_uci,
    format_uci,
    parse_uci,
    quote,
)
from fwknopd.config.uci_model import is_name, is_package_name
from fwknopd.config.uci_scanner import Scanner
from fwknopd.uci_store import StoreError, UciStore
from tests.unit.config.uci_words import (
    CommandFailed,
    Pointer,
    by_package,
    change_line,
    parse_pointer,
)

_EXTENDED = re.compile(r"@([^\[\]]*)\[(-?[0-9]*)\]")


@dataclass
class UciCommand:
    confdir: Path
    savedir: Path
    delimiter: str = " "
    extended: bool = True
    named: bool = False
    merge: bool = False
    output: list[str] = field(default_factory=list)

    def run(self, argv: list[str], stdin: str = "") -> tuple[int, bytes]:
        words = self._options(list(argv))
        self.output = []
        if not words:
            return 0, b""
        code = self._command(words, stdin)
        return code, encode_text("".join(self.output))

    def _options(self, words: list[str]) -> list[str]:
        self.delimiter, self.extended, self.named, self.merge = " ", True, False, False
        while words and words[0].startswith("-"):
            option = words.pop(0)
            if option == "-Z":
                return []
            self.delimiter = words.pop(0) if option == "-d" else self.delimiter
            self.extended = self.extended and option != "-X"
            self.named = self.named or option == "-n"
            self.merge = self.merge or option == "-m"
        return words

    def _command(self, words: list[str], stdin: str = "") -> int:
        name, *arguments = words
        least, most, command = self._commands(stdin).get(name.lower(), (0, -1, None))
        if command is None:
            return 0 if name == "help" else 255
        if not least <= len(arguments) <= most:
            return 255
        try:
            command(*arguments)
        except CommandFailed as failure:
            return failure.code
        except (ConfigError, StoreError, ChangeError):
            return 1
        return 0

    def _commands(self, stdin: str) -> dict[str, tuple[int, int, Callable[..., None]]]:
        return {
            "get": (1, 1, self.get),
            "show": (0, 1, self.show),
            "export": (0, 1, self.export),
            "changes": (0, 1, self.changes),
            "set": (1, 1, self.set),
            "add": (2, 2, self.add),
            "add_list": (1, 1, self.add_list),
            "del_list": (1, 1, self.del_list),
            "delete": (1, 1, self.delete),
            "del": (1, 1, self.delete),
            "rename": (1, 1, self.rename),
            "reorder": (1, 1, self.reorder),
            "revert": (1, 1, self.revert),
            "commit": (0, 1, self.commit),
            "import": (0, 1, lambda name=None: self.import_text(name, stdin)),
            "batch": (0, 0, lambda: self.batch(stdin)),
        }

    # Files

    def store(self, package: str) -> UciStore:
        return UciStore(self.confdir / package, self.savedir)

    def load(self, package: str) -> UciPackage:
        return self.store(package).load().package

    def packages(self) -> list[str]:
        names = sorted(path.name for path in self.confdir.iterdir() if is_package_name(path.name))
        if not names:
            raise CommandFailed(1)
        return names

    def record(self, package: str, *changes: UciChange) -> None:
        apply(self.load(package), changes)
        place = self.savedir / package
        old = place.read_bytes() if place.exists() else b""
        place.write_bytes(old + encode_text(format_delta(changes, package)))

    # Lookup

    def find(self, pointer: Pointer) -> UciSection:
        package = self.load(pointer.package)
        name = pointer.section or ""
        extended = _EXTENDED.fullmatch(name)
        if extended is None:
            if not is_name(name):
                raise CommandFailed(1)
            section = package.section(name)
        else:
            section = self._indexed(package, extended[1], extended[2])
        if section is None:
            raise CommandFailed(1)
        return section

    def _indexed(self, package: UciPackage, kind: str, index: str) -> UciSection | None:
        sections = [item for item in package.sections if kind in ("", item.type)]
        number = int(index or 0)
        return sections[number] if -len(sections) <= number < len(sections) else None

    def find_option(self, pointer: Pointer) -> UciOption:
        option = self.find(pointer).option(pointer.option or "")
        if option is None:
            raise CommandFailed(1)
        return option

    # Printing

    def get(self, text: str) -> None:
        pointer = parse_pointer(text)
        if pointer.value is not None:
            raise CommandFailed(1)
        if pointer.section is None:
            self.load(pointer.package)
        elif pointer.option is None:
            self.output.append(self.find(pointer).type + "\n")
        else:
            self.output.append(self._plain(self.find_option(pointer)) + "\n")

    def _plain(self, option: UciOption) -> str:
        if isinstance(option.value, str):
            return option.value
        return self.delimiter.join(
            quote(item) if re.search(r"\s", item, re.ASCII) else item for item in option.value
        )

    def show(self, text: str | None = None) -> None:
        if text is None:
            for name in self.packages():
                self._show_package(name)
            return
        pointer = parse_pointer(text)
        if pointer.section is None:
            self._show_package(pointer.package)
            return
        section = self.find(pointer)
        prefix = f"{pointer.package}.{section.id}"
        if pointer.option is None:
            self._show_section(prefix, section)
        else:
            self._show_option(prefix, self.find_option(pointer))

    def _show_package(self, name: str) -> None:
        counts: dict[str, int] = {}
        for section in self.load(name).sections:
            number = counts.get(section.type, 0)
            counts[section.type] = number + 1
            shown = section.id
            if section.name is None and self.extended:
                shown = f"@{section.type}[{number}]"
            self._show_section(f"{name}.{shown}", section)

    def _show_section(self, prefix: str, section: UciSection) -> None:
        self.output.append(f"{prefix}={section.type}\n")
        for option in section.options:
            self._show_option(prefix, option)

    def _show_option(self, prefix: str, option: UciOption) -> None:
        values = self.delimiter.join(quote(item) for item in option.items)
        self.output.append(f"{prefix}.{option.name}={values}\n")

    def export(self, text: str | None = None) -> None:
        names = self.packages() if text is None else [parse_pointer(text).package]
        for name in names:
            self.output.append(export_uci(self.load(name), name, self.named))

    def changes(self, text: str | None = None) -> None:
        for name in self.packages() if text is None else [text]:
            self.load(name)
            place = self.savedir / name
            if place.exists():
                recorded = parse_delta(decode_text(place.read_bytes()), name)
                self.output += [change_line(change, name) for change in recorded]

    # Changing

    def set(self, text: str) -> None:
        pointer = parse_pointer(text)
        if pointer.value is None or pointer.section is None:
            raise CommandFailed(1)
        if pointer.option is None:
            self._set_section(pointer, pointer.value)
            return
        section = self.find(pointer)
        old = section.option(pointer.option)
        if pointer.value == (old.value if old else ""):
            return
        change: UciChange = SetOption(section.id, pointer.option, pointer.value)
        if not pointer.value:
            change = DeleteOption(section.id, pointer.option)
        self.record(pointer.package, change)

    def _set_section(self, pointer: Pointer, section_type: str) -> None:
        if not is_name(pointer.section or ""):
            raise CommandFailed(1)
        self.record(pointer.package, SetSection(pointer.section or "", section_type))

    def add(self, name: str, section_type: str) -> None:
        try:
            package = self.load(name)
        except StoreError as error:
            raise CommandFailed(3) from error
        section = new_section_id(package, section_type)
        place = self.savedir / name
        old = place.read_bytes() if place.exists() else b""
        line = format_delta([AddSection(section, section_type)], name)
        place.write_bytes(old + encode_text(line))
        self.output.append(section + "\n")

    def add_list(self, text: str) -> None:
        pointer = parse_pointer(text)
        if pointer.value is None:
            raise CommandFailed(1)
        section = self.find(pointer)
        if pointer.option is None:
            # The real program records this line, and no reader ever understands it.
            (self.savedir / pointer.package).write_text(f"|{text.partition('=')[0]}='1'\n")
            return
        self.record(pointer.package, AddListItem(section.id, pointer.option, pointer.value))

    def del_list(self, text: str) -> None:
        pointer = parse_pointer(text)
        section = self.find(pointer)
        old = section.option(pointer.option or "")
        if old is not None and not isinstance(old.value, str):
            change = DeleteListItem(section.id, old.name, pointer.value or "")
            self.record(pointer.package, change)

    def delete(self, text: str) -> None:
        pointer = parse_pointer(text)
        section = self.find(pointer)
        if pointer.option is None:
            self.record(pointer.package, DeleteSection(section.id))
            return
        option = self.find_option(pointer)
        if pointer.value is None:
            self.record(pointer.package, DeleteOption(section.id, option.name))
            return
        if not pointer.value.isdigit():
            raise CommandFailed(1)
        if int(pointer.value) < len(option.items):
            change = DeleteOption(section.id, option.name, int(pointer.value))
            self.record(pointer.package, change)

    def rename(self, text: str) -> None:
        pointer = parse_pointer(text)
        section = self.find(pointer)
        self.record(pointer.package, Rename(section.id, pointer.option, pointer.value or ""))

    def reorder(self, text: str) -> None:
        pointer = parse_pointer(text)
        section = self.find(pointer)
        self.record(pointer.package, Reorder(section.id, int(pointer.value or 0)))

    def revert(self, text: str) -> None:
        pointer = parse_pointer(text)
        self.load(pointer.package)
        place = self.savedir / pointer.package
        if not place.exists():
            return
        section = pointer.section
        if section is not None and not is_name(section):
            section = self.find(pointer).id
        kept = [
            change
            for change in parse_delta(decode_text(place.read_bytes()), pointer.package)
            if section is not None and change.section != section
        ]
        place.write_bytes(encode_text(format_delta(kept, pointer.package)))

    def commit(self, text: str | None = None) -> None:
        for name in self.packages() if text is None else [parse_pointer(text).package]:
            store = self.store(name)
            store.commit([], store.load().etag)

    def import_text(self, name: str | None, text: str) -> None:
        parts = [(name, text)] if name else by_package(text)
        if not parts:
            raise CommandFailed(1)
        for target, part in parts:
            package = parse_uci(part, target)
            if self.merge:
                self.record(target, *self._as_changes(target, package))
            else:
                (self.confdir / target).write_bytes(encode_text(format_uci(package)))

    def _as_changes(self, name: str, package: UciPackage) -> list[UciChange]:
        changes: list[UciChange] = []
        for section in package.sections:
            merged = apply(self.load(name), changes)
            place = section.id
            if section.name is None:
                place = new_section_id(merged, section.type)
                changes.append(AddSection(place, section.type))
            else:
                changes.append(SetSection(place, section.type))
            changes += [SetOption(place, item.name, item.value) for item in section.options]
        return changes

    def batch(self, text: str) -> None:
        scanner = Scanner(text)
        while not scanner.at_end():
            words = []
            while word := scanner.word():
                words.append(word)
            scanner.take_newline()
            if words == ["exit"]:
                return
            if 0 < len(words) <= 5:
                self._command(words)
