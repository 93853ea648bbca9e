"""A UCI package as NetJSON DeviceConfiguration, for OpenWISP and others with netjsonconfig.

What the OpenWrt back end makes of it is read back and compared before it counts as written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fwknopd.config.convert import MASK, same_rules, settings_differences
from fwknopd.config.directive import Directive, Findings
from fwknopd.config.netjson_reading import NAME, PACKAGE, TYPE, uci_from_netjson, unfit
from fwknopd.config.problems import ConfigError, Problem, Severity
from fwknopd.config.settings import Configuration
from fwknopd.config.uci_config import configuration_from_uci, uci_enabled
from fwknopd.config.uci_model import UciOption, UciPackage, UciSection, UciValue, is_writable_type
from fwknopd.config.variables import is_secret

MERGED_BY = "name"
"""OpenWISP takes two sections of a list for one where this option is the same in both."""

# Two of these would be a variable's name to netjsonconfig; four blanks it drops.
_BRACE = re.compile(r"\{(?=\{)")
_BLANKS = re.compile(r"   (?= )")
_NO_NAME = re.compile(r"[^A-Za-z0-9_]+")
SPARE_BYTES = 1
"""The last byte of a file, its line end, may get lost."""


@dataclass(frozen=True, slots=True)
class ExportedNetjson:
    """The document. ``losses`` tells what it can't carry; with an error there it is no good.

    ``cut`` is how many bytes the file lacks at its end when netjsonconfig packs it.
    """

    document: Mapping[str, Any] = field(repr=False)
    original: Configuration
    losses: tuple[Problem, ...]
    cut: int = 0

    @property
    def usable(self) -> bool:
        """Does it mean the same as UCI?"""
        return all(loss.severity is not Severity.ERROR for loss in self.losses)

    @property
    def text(self) -> str:
        """The document with its keys."""
        return _text(self.document)

    @property
    def masked(self) -> Mapping[str, Any]:
        """The document for people to look at."""
        return _document(
            {name: MASK if is_secret(name) else value for name, value in block.items()}
            for block in self.document[PACKAGE]
        )


def netjson_from_uci(package: UciPackage, file: str) -> ExportedNetjson:
    """The package as a document. Raises ConfigError when the daemon could not use the package."""
    original = configuration_from_uci(package, file)
    losses = Findings()
    writer = _Writer(package, file, losses)
    document = _document(map(writer.block, package.sections))
    writer.report_twins()
    if not any(problem.severity is Severity.ERROR for problem in losses.problems()):
        _compare(document, package, original, losses, file)
    return ExportedNetjson(document, original, losses.problems(), _cut(document))


def _document(blocks: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    return {"type": "DeviceConfiguration", PACKAGE: list(blocks)}


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=4, ensure_ascii=False) + "\n"


def escaped(value: str) -> str:
    """The text that UCI reads as ``value``, and netjsonconfig leaves as it is."""
    quoted = value.replace("'", "'\\''")
    return _BLANKS.sub("   ''", _BRACE.sub("{''", quoted))


class _Writer:
    def __init__(self, package: UciPackage, file: str, losses: Findings) -> None:
        self._file = file
        self._losses = losses
        self._sections = package.sections
        self._taken = {item.name for item in package.sections if item.name}
        self._taken |= {item.get(MERGED_BY) for item in package.sections}

    def block(self, section: UciSection) -> dict[str, Any]:
        """One section; its name is always written, so that it stays the same on the router."""
        if not is_writable_type(section.type):
            self._refuse(section, "", "the section's type can't be written")
        options = {item.name: self._value(section, item) for item in section.options}
        return {TYPE: section.type, NAME: section.name or self._made_name(section), **options}

    def _value(self, section: UciSection, option: UciOption) -> UciValue:
        if option.name in (TYPE, NAME):
            self._refuse(section, option.name, "NetJSON has this name for something else")
        for item in option.items:
            if fault := unfit(item):
                self._refuse(section, option.name, fault)
        if isinstance(option.value, str):
            return escaped(option.value)
        return tuple(map(escaped, option.value))

    def _refuse(self, section: UciSection, option: str, message: str) -> None:
        place = Directive(option, "", self._file, section.line, section.id)
        self._losses.error(place, message, "Change it in UCI first.")

    def _made_name(self, section: UciSection) -> str:
        word = _NO_NAME.sub("_", section.get(MERGED_BY)).strip("_").lower()
        stem = f"client_{word}" if word else _NO_NAME.sub("_", section.type)
        name, number = stem, 1
        while name in self._taken:
            number += 1
            name = f"{stem}_{number}"
        self._taken.add(name)
        if section.type == "access" and not section.get(MERGED_BY):
            place = Directive("", "", self._file, section.line, section.id)
            told = f"this client has no name, and is called {name} from now on"
            self._losses.note(place, told, "Give it one in UCI first, if you mind.")
        return name

    def report_twins(self) -> None:
        """Warn of sections that become one as soon as OpenWISP puts a template to them."""
        seen: set[str] = set()
        for section in self._sections:
            known_by = section.get(MERGED_BY) or section.name or ""
            if known_by and known_by in seen:
                place = Directive(MERGED_BY, "", self._file, section.line, section.id)
                told = "another section has this name, and OpenWISP would keep only one of them"
                self._losses.error(place, told, "Give each client its own name.")
            seen.add(known_by)


def _compare(
    document: Mapping[str, Any],
    package: UciPackage,
    original: Configuration,
    losses: Findings,
    file: str,
) -> None:
    """Report what the daemon would do otherwise. Options are sorted on the way, so some might."""
    try:
        rendered = uci_from_netjson(_text(document), file, {})
        found = configuration_from_uci(rendered, file)
    except ConfigError as error:
        losses.extend(error.problems)
        return
    for name in _differing(found, original, rendered, package):
        place = Directive(name, "", file)
        told = "netjsonconfig sorts options by name, and then this means something else"
        losses.error(place, told, "Of two ways to say it, delete the one without effect.")


def _differing(
    found: Configuration, original: Configuration, rendered: UciPackage, package: UciPackage
) -> list[str]:
    names = settings_differences(found.settings, original.settings)
    if found.network != original.network:
        names.append("network")
    if uci_enabled(rendered) != uci_enabled(package):
        names.append("uci_enabled")
    one, other = ({s.number: s for s in c.stanzas} for c in (found, original))
    names += [
        package.of_type("access")[number - 1].id
        for number in sorted(one.keys() | other.keys())
        if not same_rules(one.get(number), other.get(number))
    ]
    return names


def _cut(document: Mapping[str, Any]) -> int:
    """netjsonconfig 1.3 puts as many bytes into its archive as the file has letters."""
    text = json.dumps(document, ensure_ascii=False)
    return len(text.encode("utf-8", "surrogatepass")) - len(text)
