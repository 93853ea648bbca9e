"""Reading and writing the text form of UCI packages exactly as libuci does.

Text is str with undecodable bytes as surrogates, so that any file survives a round trip.
Platform notes 1.1 and 1.3.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from fwknopd.config.file_text import decode_text, encode_text
from fwknopd.config.problems import ConfigError, Problem, Severity
from fwknopd.config.uci_model import (
    UciOption,
    UciPackage,
    UciSection,
    UciValue,
    anonymous_id,
    is_name,
    is_package_name,
    is_type,
)
from fwknopd.config.uci_scanner import ScanError, Scanner

__all__ = [
    "UciOption",
    "UciPackage",
    "UciSection",
    "UciSyntaxError",
    "UciValue",
    "decode_text",
    "encode_text",
    "export_uci",
    "format_uci",
    "parse_uci",
    "quote",
]

_AS_WRITTEN = re.compile(r"\t(option|list) (\w+) '([^'\n]*)'\n", re.ASCII)
_KEYWORDS = {
    keyword[:length]: keyword
    for keyword in ("package", "config", "option", "list")
    for length in (1, len(keyword))
}


class UciSyntaxError(ConfigError):
    """The file is not valid UCI, so none of it can be used. Names file and line."""

    def __init__(self, file: str, line: int, reason: str, remedy: str) -> None:
        self.line = line
        super().__init__([Problem(Severity.ERROR, file, line, "", reason, remedy)])


def parse_uci(text: bytes | str, file: str) -> UciPackage:
    """Read a package in strict mode. ``file`` is only named in errors. Raises UciSyntaxError."""
    parser = _Parser(decode_text(text) if isinstance(text, bytes) else text, file)
    return parser.parse()


@dataclass(slots=True)
class _ListDraft:
    """A list of which more lines may come."""

    items: list[str]
    line: int | None


@dataclass(slots=True)
class _SectionDraft:
    """A section being read. Merging happens here: platform notes 1.3."""

    type: str
    name: str | None
    id: str
    line: int
    options: dict[str, UciOption | _ListDraft] = field(default_factory=dict)

    def put(self, name: str, value: str, line: int) -> None:
        if value:
            self.options[name] = UciOption(name, value, line)

    def put_into_list(self, name: str, value: str, line: int) -> None:
        older = self.options.get(name)
        if older is None:
            self.options[name] = _ListDraft([value], line)
        elif isinstance(older, _ListDraft):
            older.items.append(value)
        else:
            self.options[name] = _ListDraft([older.text, value], older.line)

    def finish(self) -> UciSection:
        options = tuple(
            [
                UciOption(name, tuple(draft.items), draft.line)
                if isinstance(draft, _ListDraft)
                else draft
                for name, draft in self.options.items()
            ]
        )
        return UciSection(self.type, self.name, self.id, options, self.line)


class _Parser:
    def __init__(self, text: str, file: str) -> None:
        self._file = file
        self._text = text
        self._sections: list[_SectionDraft] = []
        self._by_id: dict[str, _SectionDraft] = {}
        self._names: dict[str, str] = {}

    def parse(self) -> UciPackage:
        try:
            self._scanner = Scanner(self._text)
            while not self._scanner.at_end():
                self._read_line()
        except ScanError as error:
            raise UciSyntaxError(self._file, error.line, error.reason, error.remedy) from error
        self._by_id.clear()
        # Each goes as soon as it is done with. What will be made of thousands of clients, and
        # stays, would else settle in the gaps of their drafts, and no memory be given back.
        drafts, sections = self._sections[::-1], []
        self._sections.clear()
        while drafts:
            sections.append(drafts.pop().finish())
        return UciPackage(tuple(sections))

    def _read_line(self) -> None:
        scanner = self._scanner
        if self._sections and self._read_as_written(scanner.line):
            return
        scanner.skip_blanks()
        if scanner.take_newline():
            return
        while not scanner.at_end():
            if scanner.peek() == "#":
                scanner.skip_line()
                scanner.take_newline()
                return
            self._read_command()
            # There libuci takes the newline for a command, and knows none of that name.
            if not scanner.cut and scanner.take_newline():
                return
            scanner.skip_blanks(" \t")

    def _read_as_written(self, line: int) -> bool:
        """Take an option as libuci writes it, as nearly all are, in a tenth of the time."""
        found = self._scanner.take_match(_AS_WRITTEN)
        if found is not None:
            keyword, name, value = found.groups()
            self._put(name, value, line, keyword == "list")
        return found is not None

    def _read_command(self) -> None:
        line = self._scanner.line
        word = self._scanner.keyword()
        if not word.strip():
            raise ScanError(
                line, "nothing follows the ; or empty quotes at its end", "Delete those at the end."
            )
        keyword = _KEYWORDS.get(word)
        if keyword is None:
            raise ScanError(
                line,
                "this line is no UCI command",
                "Lines start with config, option or list and a blank; comments with #.",
            )
        if keyword == "package":
            self._package(line)
        elif keyword == "config":
            self._config(line)
        else:
            self._option(line, keyword == "list")

    def _end(self, line: int) -> None:
        """The command must be over; steps up to its newline."""
        if self._scanner.word():
            raise ScanError(
                line, "more words than expected", "Put a value with blanks into 'quotes'."
            )

    def _package(self, line: int) -> None:
        name = self._required(line, "package", "a name")
        if not is_package_name(name):
            raise _bad_name(line, "package")
        self._end(line)

    def _required(self, line: int, keyword: str, what: str) -> str:
        word = self._scanner.word()
        if not word:
            raise ScanError(line, f"{keyword} needs {what}", f"Write {what} after {keyword}.")
        return word

    def _config(self, line: int) -> None:
        section_type = self._required(line, "config", "a section type")
        if not is_type(section_type):
            raise ScanError(
                line, "the section type has a character UCI does not allow", "Use plain letters."
            )
        name = self._scanner.word()
        if name and not is_name(name):
            raise _bad_name(line, "section")
        self._end(line)
        self._open_section(line, self._names.setdefault(section_type, section_type), name)

    def _open_section(self, line: int, section_type: str, name: str) -> None:
        section_id = name or anonymous_id(len(self._sections) + 1, section_type)
        known = self._by_id.get(section_id) if name else None
        if known is not None and known.type != section_type:
            raise ScanError(
                line,
                f"the name '{name}' is already used by a section of another type",
                "Give the section another name.",
            )
        self._current = known or _SectionDraft(section_type, name or None, section_id, line)
        if known is None:
            self._sections.append(self._current)
            self._by_id.setdefault(section_id, self._current)

    def _option(self, line: int, is_list: bool) -> None:
        if not self._sections:
            raise ScanError(
                line, "an option before the first section", "Put a config line above it."
            )
        name = self._required(line, "list" if is_list else "option", "a name")
        if not is_name(name):
            raise _bad_name(line, "option")
        value = self._scanner.word()
        self._end(line)
        self._put(name, value, line, is_list)

    def _put(self, name: str, value: str, line: int, is_list: bool) -> None:
        # The same few in every section.
        name = self._names.setdefault(name, name)
        put = self._current.put_into_list if is_list else self._current.put
        put(name, value, line)


def _bad_name(line: int, what: str) -> ScanError:
    return ScanError(
        line,
        f"the {what} name has a character UCI does not allow",
        "Use letters, digits and _ only (no dash, no umlauts).",
    )


def format_uci(package: UciPackage) -> str:
    """The text libuci writes at a commit; options without a value are left out."""
    return "".join(_section_text(section, section.name) for section in package.sections) + "\n"


def export_uci(package: UciPackage, name: str, name_anonymous: bool = False) -> str:
    """The text of ``uci export NAME``; with ``name_anonymous``, that of ``uci -n export``."""
    texts = (
        _section_text(section, section.id if name_anonymous else section.name)
        for section in package.sections
    )
    return f"package {name}\n" + "".join(texts) + "\n"


def _section_text(section: UciSection, name: str | None) -> str:
    heading = f"\nconfig {_escape(section.type)}"
    if name:
        heading += f" {quote(name)}"
    return heading + "\n" + "".join(_option_text(option) for option in section.options)


def _option_text(option: UciOption) -> str:
    keyword = "option" if isinstance(option.value, str) else "list"
    return "".join(f"\t{keyword} {option.name} {quote(item)}\n" for item in option.items)


def quote(value: str) -> str:
    """The value in single quotes, as UCI files, delta files and shells read it."""
    return f"'{_escape(value)}'"


def _escape(value: str) -> str:
    return value.replace("'", "'\\''")
