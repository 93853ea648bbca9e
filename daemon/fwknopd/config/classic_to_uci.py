"""fwknopd.conf and access.conf as a UCI package that means the same.

Included files are taken into it. Unknown directives come along, in their order; what UCI
can't hold is reported. A client that its own files make unusable (a missing key file)
comes along switched off: with the keys at hand it might be let in by less than was meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fwknopd.config.access_conf import RawStanza, build_stanzas, read_access_conf
from fwknopd.config.access_stanza import StanzaText, build_stanza
from fwknopd.config.convert import (
    RecordingReader,
    report_comments,
    same_rules,
    settings_differences,
)
from fwknopd.config.directive import Directive, Findings
from fwknopd.config.fwknopd_conf import DEFAULT_INTERFACE, read_directives
from fwknopd.config.includes import IncludeReader
from fwknopd.config.problems import ConfigError, Problem, Severity
from fwknopd.config.server_settings import build_settings
from fwknopd.config.settings import Configuration, ServerSettings
from fwknopd.config.uci_change import AddSection, DeleteSection, SetOption, UciChange
from fwknopd.config.uci_config import DROPPED_OPTIONS, configuration_from_uci
from fwknopd.config.uci_edit import ChangeError, apply, new_section_id
from fwknopd.config.uci_model import UciOption, UciPackage, UciSection, is_name
from fwknopd.config.variable import Scope
from fwknopd.config.variables import lookup

SECTION_TYPES = ("global", "network", "config", "access")
"""The sections an import replaces; any other stays."""

Texts = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Imported:
    """``sections`` in their order; ``original`` is what the files say to the daemon.

    ``losses`` tells what is not carried over. An error among them: the result would not
    mean the same, so it must not be used.
    """

    sections: tuple[UciSection, ...]
    original: Configuration
    losses: tuple[Problem, ...]

    def changes(self, package: UciPackage) -> list[UciChange]:
        """What makes ``package`` hold these sections instead of its own."""
        changes: list[UciChange] = [
            DeleteSection(section.id)
            for section in package.sections
            if section.type in SECTION_TYPES
        ]
        package = apply(package, changes)
        for section in self.sections:
            added = _additions(section, new_section_id(package, section.type))
            package = apply(package, added)
            changes += added
        return changes

    @property
    def package(self) -> UciPackage:
        """The sections alone, as a package."""
        return apply(UciPackage(), self.changes(UciPackage()))

    @property
    def usable(self) -> bool:
        """Does it mean the same as the files?"""
        return all(loss.severity is not Severity.ERROR for loss in self.losses)


def _additions(section: UciSection, section_id: str) -> list[UciChange]:
    options = (SetOption(section_id, option.name, option.value) for option in section.options)
    return [AddSection(section_id, section.type), *options]


def uci_from_classic(
    server: Texts, access: Texts, reader: IncludeReader, device: str = DEFAULT_INTERFACE
) -> Imported:
    """The files, as (text, file) pairs in the order they are read, in UCI form.

    ``device``: what they capture on if they name none; "" where that is the network wan.
    Raises ConfigError with all problems when the daemon could not use them.
    """
    findings, losses = Findings(), Findings()
    recorder = RecordingReader(reader)
    directives = read_directives(server, findings, device)
    settings = build_settings(directives, findings)
    raw = read_access_conf(list(access), recorder, findings)
    stanzas = build_stanzas(raw, settings, findings)
    if not raw:
        place = Directive("SOURCE", "", access[0][1] if access else "access.conf")
        findings.error(place, "there is no stanza", "Add one that begins with SOURCE ANY.")
    original = Configuration(settings, stanzas, None, "files", findings.result())
    usable = {stanza.number for stanza in stanzas}
    sections = [
        UciSection("global", None, "", (UciOption("uci_enabled", "1"),)),
        UciSection("config", None, "", as_options(carried_over(directives, Scope.SERVER, losses))),
    ]
    for number, stanza in enumerate(raw, start=1):
        sections.append(access_section(stanza, number in usable, settings, losses))
    for text, file in (*server, *access, *recorder.texts):
        report_comments(text, file, losses)
    _report_includes(recorder.texts, losses)
    imported = Imported(tuple(sections), original, ())
    _compare(imported, losses)
    return Imported(imported.sections, original, losses.problems())


def access_section(
    raw: RawStanza, usable: bool, settings: ServerSettings, losses: Findings
) -> UciSection:
    """The stanza as a section. ``usable``: can anybody knock with it as its files are?"""
    options = as_options(carried_over(raw.directives, Scope.ACCESS, losses))
    if not usable and (raw.lost is not None or _is_faulty(raw, settings)):
        losses.warn(
            raw.head,
            "this client can't knock as its files are; it comes along switched off",
            "Complete it, then switch it on.",
        )
        options = (*options, UciOption("enabled", "0"))
    return UciSection("access", None, "", options)


def _is_faulty(raw: RawStanza, settings: ServerSettings) -> bool:
    """Would UCI refuse the whole configuration for this stanza?"""
    findings = Findings()
    build_stanza(StanzaText(1, raw.head, raw.directives), settings, findings)
    return any(found.severity is Severity.ERROR for found in findings.problems())


def carried_over(
    directives: Iterable[Directive], scope: Scope, losses: Findings
) -> tuple[Directive, ...]:
    """One directive for each name, at the place of its last: that is the one that counts."""
    kept: dict[str, Directive] = {}
    for place in directives:
        if _fits(place, scope, losses):
            older = kept.pop(place.name, None)
            if older is not None:
                losses.note(older, "set again further down, where it counts", "Nothing is lost.")
            kept[place.name] = place
    return tuple(kept.values())


def as_options(directives: Iterable[Directive]) -> tuple[UciOption, ...]:
    """Directives as UCI has them."""
    return tuple(UciOption(place.name, place.value) for place in directives)


def _fits(place: Directive, scope: Scope, losses: Findings) -> bool:
    variable = lookup(scope, place.name)
    if not is_name(place.name):
        why = "UCI allows no such name"
    elif place.name in DROPPED_OPTIONS or (variable is not None and variable.uci_only):
        why = "without effect here, while UCI gives this name a meaning"
    elif any(char < " " and char != "\t" for char in place.value):
        why = "UCI can't hold its control characters"
    else:
        return True
    losses.warn(place, f"not carried over: {why}", "See whether you need it.")
    return False


def _report_includes(texts: Texts, losses: Findings) -> None:
    for _, file in texts:
        losses.note(
            Directive("", "", file),
            "included: what it says now stands in UCI, and later changes of the file do not count",
            "Change it in UCI from now on.",
        )


def _compare(imported: Imported, losses: Findings) -> None:
    """Read the result back. No difference is known; this is here so that none ever matters."""
    file = "the result"
    try:
        result = configuration_from_uci(imported.package, file)
    except (ChangeError, ConfigError) as error:
        losses.error(Directive("", "", file), f"can't be written: {error}", "Please report it.")
        return
    original = imported.original
    for name in settings_differences(original.settings, result.settings):
        losses.error(Directive(name, "", file), "would mean something else", "Please report it.")
    found = {stanza.number: stanza for stanza in result.stanzas if stanza.enabled}
    wanted = {stanza.number: stanza for stanza in original.stanzas}
    for number in sorted(found.keys() | wanted.keys()):
        if not same_rules(found.get(number), wanted.get(number)):
            losses.error(
                Directive("SOURCE", "", file),
                f"client #{number} would mean something else",
                "Please report it.",
            )
