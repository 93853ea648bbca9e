"""What both directions between UCI and the classic files need: comparing, masking, reporting.

A conversion is only worth something if the result means the same, so each direction reads
its own result back and compares; what differs is reported instead of written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace

from fwknopd.config.directive import Directive, Findings
from fwknopd.config.includes import IncludeReader
from fwknopd.config.settings import ServerSettings
from fwknopd.config.uci_format import format_uci
from fwknopd.config.uci_model import UciOption, UciPackage, UciSection
from fwknopd.config.variables import is_secret
from fwknopd.policy.stanza import Stanza

MASK = "********"
NEW_MASK = f"{MASK} (new)"

_BLANKS = " \t\v\f\r"
_CONF_LINE = re.compile(r"(?P<start>[#;\s]*)(?P<name>[A-Za-z0-9_]+)(?P<gap>:?[\s=]*)(?P<value>.*)")


def settings_differences(one: ServerSettings, other: ServerSettings) -> list[str]:
    """The variables that differ, by their names in fwknopd.conf."""
    return [
        item.name.upper()
        for item in fields(ServerSettings)
        if getattr(one, item.name) != getattr(other, item.name)
    ]


def same_rules(one: Stanza | None, other: Stanza | None) -> bool:
    """Do both let the same knocks in? Names and numbers are only what people see."""
    if one is None or other is None:
        return one is other
    return replace(one, number=0, name="") == replace(other, number=0, name="")


class RecordingReader:
    """Reads included files and remembers their texts, for what is to be told of them."""

    def __init__(self, reader: IncludeReader) -> None:
        self.texts: list[tuple[str, str]] = []
        self._reader = reader

    def read_file(self, path: str) -> str:
        """The text of a file. Raises IncludeError."""
        text = self._reader.read_file(path)
        self.texts.append((text, path))
        return text

    def list_folder(self, path: str) -> Sequence[str]:
        """The names of the files in a folder. Raises IncludeError."""
        return self._reader.list_folder(path)


# Comments


def comment_lines(text: str) -> list[int]:
    """Numbers of the lines that hold a comment: a whole line, or text behind the first ``;``."""
    return [
        number
        for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1)
        if _has_comment(line.strip(_BLANKS))
    ]


def _has_comment(line: str) -> bool:
    return line.startswith(("#", ";")) or bool(line.partition(";")[2].strip(_BLANKS + ";"))


def report_uci_comments(text: str, file: str, findings: Findings) -> None:
    """One note on the comments of a UCI file."""
    lines = text.split("\n")
    numbers = [n for n, line in enumerate(lines, start=1) if line.lstrip().startswith("#")]
    _report(numbers, file, findings)


def report_comments(text: str, file: str, findings: Findings) -> None:
    """One note on the comments of a file, which no conversion can keep."""
    _report(comment_lines(text), file, findings)


def _report(lines: Sequence[int], file: str, findings: Findings) -> None:
    if lines:
        findings.note(
            Directive("", "", file, lines[0]),
            f"comments are not carried over: line {spans(lines)}",
            "Keep the file, or put what matters into a client's note.",
        )


def spans(numbers: Sequence[int]) -> str:
    """Ascending numbers in short: 1-3, 7."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    return ", ".join("-".join(map(str, part)) for part in parts)


# Keys are never shown


def masked_uci(package: UciPackage, known: frozenset[str] | None = None) -> list[str]:
    """The package as lines of a UCI file, keys masked; one not in ``known`` is marked."""
    sections = tuple(
        replace(section, options=tuple(_masked_option(option, known) for option in section.options))
        for section in package.sections
    )
    return format_uci(UciPackage(sections)).strip("\n").split("\n")


def _masked_option(option: UciOption, known: frozenset[str] | None) -> UciOption:
    if not is_secret(option.name):
        return option
    return replace(option, value=_masked(", ".join(option.items), known))


def masked_conf(text: str, known: frozenset[str] | None = None) -> list[str]:
    """The lines of a classic file, keys masked, those in comments too."""
    return [_masked_line(line, known) for line in text.strip("\n").split("\n") if text]


def _masked_line(line: str, known: frozenset[str] | None) -> str:
    found = _CONF_LINE.fullmatch(line)
    if found is None or not is_secret(found["name"]) or not found["value"]:
        return line
    value = found["value"].partition(";")[0].strip()
    return f"{found['start']}{found['name']}{found['gap']}{_masked(value, known)}"


def _masked(value: str, known: frozenset[str] | None) -> str:
    return MASK if known is None or value in known else NEW_MASK


def uci_secrets(sections: Iterable[UciSection]) -> frozenset[str]:
    """Every secret value in these sections."""
    options = (option for section in sections for option in section.options)
    return frozenset(", ".join(option.items) for option in options if is_secret(option.name))


def conf_secrets(text: str) -> frozenset[str]:
    """Every secret value in a classic file."""
    return frozenset(_conf_secrets(text))


def _conf_secrets(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        found = _CONF_LINE.fullmatch(line)
        if found is not None and is_secret(found["name"]):
            yield found["value"].partition(";")[0].strip()
