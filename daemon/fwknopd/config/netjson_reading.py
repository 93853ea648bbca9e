"""NetJSON DeviceConfiguration, as OpenWISP keeps it, to a UCI package.

The package is what the OpenWrt back end of netjsonconfig makes of the document. That back end
puts a value between quotes as it is, so a value is UCI's own text, in which ``'\\''`` is a quote;
it drops each four blanks in a row, sorts options by name, and takes True for 1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from fwknopd.config.problems import ConfigError, Problem, Severity, printable
from fwknopd.config.uci_model import (
    UciOption,
    UciPackage,
    UciSection,
    UciValue,
    is_name,
    is_writable_type,
)

PACKAGE = "fwknopd"
TYPE, NAME = "config_name", "config_value"
DROPPED_BLANKS = "    "

_VARIABLE = re.compile(r"\{\{\s*(\w*)\s*\}\}")
# UCI's own way to have a quote between quotes, and to end them and begin anew.
_QUOTES = re.compile(r"'\\''|''")
_INSIDE = re.compile(r"(?:[^']|'\\''|'')*")
_NO_LIST = "Write a list of sections, such as the one that fwknopctl export --netjson writes."


def uci_from_netjson(
    text: str, file: str, variables: Mapping[str, str], variables_file: str = ""
) -> UciPackage:
    """The package ``fwknopd`` of the document; other packages in it are none of ours.

    ``file`` is only named in errors, and so is ``variables_file``. ``variables`` are what OpenWISP
    knows of the device. Raises ConfigError where the document has no such package, where the back
    end would write a file that is not UCI, and with each variable that is not known.
    """
    document = _parsed(text, file)
    if missing := _unknown(document.get(PACKAGE), variables):
        raise ConfigError(_not_known(missing, file, variables_file))
    return _Reader(file, variables).package(document)


def _unknown(found: object, known: Mapping[str, str]) -> dict[str, str]:
    """Variables that are not ``known``, with the option each is in first."""
    missing: dict[str, str] = {}
    for block in found if isinstance(found, list) else ():
        for option, value in block.items() if isinstance(block, dict) else ():
            if option.startswith("."):
                continue
            for item in value if isinstance(value, list) else (value,):
                for name in _VARIABLE.findall(item) if isinstance(item, str) else ():
                    if name not in known:
                        missing.setdefault(name, option)
    return missing


def _not_known(missing: Mapping[str, str], file: str, variables_file: str) -> list[Problem]:
    remedy = "Name a file with the device's variables: --variables FILE"
    return [
        Problem(
            Severity.ERROR,
            file,
            None,
            printable(option),
            f"the variable {name} is not known",
            f"Put {name} into {variables_file}." if variables_file else remedy,
        )
        for name, option in missing.items()
    ]


def variables_from_json(text: str, file: str) -> dict[str, str]:
    """A JSON object of texts and numbers. Raises ConfigError."""
    found = _parsed(text, file)
    for name, value in found.items():
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            _refuse(file, name, "the variable is neither text nor a number", "Write it as text.")
        if not set(str(value)).isdisjoint("\\\n\r") or "{{" in str(value):
            remedy = "Use other characters; keys made by fwknopctl keygen have none of these."
            _refuse(file, name, "OpenWISP reads backslashes, line ends and {{ as its own", remedy)
    return {name: str(value) for name, value in found.items()}


def _parsed(text: str, file: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        _refuse(file, "", f"this is no JSON: {error.msg}", "Export it again.", error.lineno)
    except (RecursionError, ValueError):
        _refuse(file, "", "this is no JSON that can be read", "Export it again.")
    if not isinstance(found, dict):
        _refuse(file, "", "this is no JSON object", "It begins with { and ends with }.")
    return found


def _refuse(
    file: str, option: str, message: str, remedy: str, line: int | None = None, section: str = ""
) -> NoReturn:
    problem = Problem(Severity.ERROR, file, line, printable(option), message, remedy, section)
    raise ConfigError([problem])


class _Reader:
    def __init__(self, file: str, variables: Mapping[str, str]) -> None:
        self._file = file
        self._variables = variables
        self._section = ""

    def package(self, document: Mapping[str, Any]) -> UciPackage:
        blocks = document.get(PACKAGE)
        if not isinstance(blocks, list) or not blocks:
            self._refuse("", f"it has no configuration of {PACKAGE}", _NO_LIST)
        sections: dict[str, UciSection] = {}
        for number, block in enumerate(blocks, start=1):
            section = self._block(number, block)
            if sections.setdefault(section.id, section) is not section:
                self._refuse(NAME, f"two sections are called {section.id}", "Rename one of them.")
        return UciPackage(tuple(sections.values()))

    def _block(self, number: int, block: object) -> UciSection:
        self._section = f"section {number}"
        if not isinstance(block, dict):
            self._refuse("", f"{self._section} of {PACKAGE} is no object", _NO_LIST)
        section_type = block.get(TYPE)
        if not isinstance(section_type, str) or not is_writable_type(section_type):
            self._refuse(TYPE, "the section has no type", f'Write "{TYPE}": "access" for a client.')
        name = self._name(block.get(NAME, f"{section_type}_{number}"))
        self._section = name
        return UciSection(section_type, name, name, tuple(self._options(block)))

    def _name(self, found: object) -> str:
        name = self._resolved(found) if isinstance(found, str) else ""
        # The back end does just this, to names it was given and to those it makes.
        name = name.replace(".", "_").replace("-", "_")
        if not is_name(name):
            self._refuse(NAME, "this can't be a section's name", "Use letters, digits and _ only.")
        return name

    def _options(self, block: Mapping[str, object]) -> Iterator[UciOption]:
        for name in sorted(block):
            if name in (TYPE, NAME) or name.startswith("."):
                continue
            if not is_name(name):
                self._refuse(name, "this is no option's name", "Use letters, digits and _ only.")
            value = self._value(name, block[name])
            if value:
                yield UciOption(name, value)

    def _value(self, name: str, found: object) -> UciValue:
        if isinstance(found, list):
            return tuple(self._text(name, item) for item in found)
        if found is None or found == "":
            return ""
        return self._text(name, int(found) if isinstance(found, bool) else found)

    def _text(self, name: str, found: object) -> str:
        if not isinstance(found, str | int | float):
            self._refuse(name, "this is no value of an option", "Write text or a list of texts.")
        return self._read(name, self._resolved(str(found)))

    def _resolved(self, text: str) -> str:
        return _VARIABLE.sub(lambda match: self._variables[match[1]], text)

    def _read(self, name: str, text: str) -> str:
        """The value as UCI reads it between the quotes the back end puts around it."""
        if fault := unfit(text):
            self._refuse(name, fault, "Write it without.")
        inside = text.replace(DROPPED_BLANKS, "")
        if not _INSIDE.fullmatch(inside):
            self._refuse(name, "a quote ends the value early", "Write a quote as '\\''.")
        return _QUOTES.sub(lambda match: "'" if len(match[0]) > 2 else "", inside)

    def _refuse(self, option: str, message: str, remedy: str) -> NoReturn:
        _refuse(self._file, option, message, remedy, section=self._section)


def unfit(text: str) -> str:
    """Why NetJSON can't carry a value to a router, or ""."""
    if any(char in "\n\r" for char in text):
        return "it has more than one line, which the back end for OpenWrt spoils"
    if any(char < " " and char != "\t" for char in text):
        return "it has a control character"
    if any("\ud800" <= char <= "\udfff" for char in text):
        return "it has bytes that are no letters, of which JSON knows nothing"
    return ""
