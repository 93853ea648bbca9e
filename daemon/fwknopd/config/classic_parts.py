"""The classic files taken apart: each stanza and each setting by itself, as UCI would hold it.

`classic_to_uci` converts files as a whole or not at all. Here one bad stanza spoils nothing
but itself, so that a person can see what is in the files and choose what to take.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from fwknopd.config.access_conf import RawStanza, build_stanzas, read_access_conf
from fwknopd.config.classic_to_uci import Texts, access_section, as_options, carried_over
from fwknopd.config.convert import RecordingReader, same_rules
from fwknopd.config.directive import Directive, Findings
from fwknopd.config.fwknopd_conf import read_directives
from fwknopd.config.includes import IncludeReader
from fwknopd.config.problems import Problem, Severity
from fwknopd.config.server_settings import build_settings
from fwknopd.config.settings import ServerSettings
from fwknopd.config.stanza_names import suggested_name, suggested_note
from fwknopd.config.uci_config import stanza_from_section
from fwknopd.config.uci_model import UciOption, UciSection
from fwknopd.config.variable import Scope
from fwknopd.policy.stanza import Stanza

_NOT_OF_A_STANZA = ("%include", "%include_folder")
_ANY_TARGET = ServerSettings(enable_ipt_forwarding=True, enable_ipt_local_nat=True)

Meaning = Stanza | None
"""What a stanza means to the daemon: None when nobody could knock with it."""


@dataclass(frozen=True, slots=True)
class FoundStanza:
    """One stanza. ``section`` is anonymous and has no name yet; ``name`` is a suggestion.

    An error in ``problems``: it must not be used.
    """

    number: int
    file: str
    line: int | None
    section: UciSection
    stanza: Meaning
    problems: tuple[Problem, ...]
    name: str = ""
    note: str = ""

    @property
    def usable(self) -> bool:
        """May it be taken?"""
        return all(problem.severity is not Severity.ERROR for problem in self.problems)


@dataclass(frozen=True, slots=True)
class FoundSetting:
    """One line of fwknopd.conf that counts."""

    option: UciOption
    file: str
    line: int | None
    problems: tuple[Problem, ...]

    @property
    def usable(self) -> bool:
        """May it be taken?"""
        return all(problem.severity is not Severity.ERROR for problem in self.problems)


@dataclass(frozen=True, slots=True)
class ClassicParts:
    """Everything in the files. ``problems`` are those that belong to no part."""

    settings: tuple[FoundSetting, ...]
    stanzas: tuple[FoundStanza, ...]
    problems: tuple[Problem, ...]


def classic_parts(server: Texts, access: Texts, reader: IncludeReader) -> ClassicParts:
    """Take the files, (text, file) pairs in the order they are read, apart. Never raises.

    Without fwknopd.conf, stanzas are read as if forwarding were allowed.
    """
    recorder, findings = RecordingReader(reader), Findings()
    raw = read_access_conf(list(access), recorder, findings)
    settings, parts, strays = _settings(server)
    texts = {file: text.split("\n") for text, file in (*access, *recorder.texts)}
    included = {file for _, file in recorder.texts}
    owned = _Owned(raw, findings.problems())
    stanzas = tuple(
        _stanza(number, stanza, settings, owned, texts, included)
        for number, stanza in enumerate(raw, start=1)
    )
    return ClassicParts(parts, stanzas, (*strays, *owned.strays))


# Settings


def _settings(
    server: Texts,
) -> tuple[ServerSettings, tuple[FoundSetting, ...], tuple[Problem, ...]]:
    if not server:
        return _ANY_TARGET, (), ()
    findings = Findings()
    directives = read_directives(server, findings)
    settings = build_settings(directives, findings)
    # The device fwknopd takes where the file names none stands in no line: it is no wish.
    written = [place for place in directives if place.line is not None]
    kept = carried_over(written, Scope.SERVER, findings)
    problems = findings.problems()
    parts = tuple(_setting(place, problems) for place in kept)
    told = {problem for part in parts for problem in part.problems}
    return settings, parts, tuple(problem for problem in problems if problem not in told)


def _setting(place: Directive, problems: Iterable[Problem]) -> FoundSetting:
    own = tuple(p for p in problems if (p.file, p.line) == (place.file, place.line))
    (option,) = as_options([place])
    return FoundSetting(option, place.file, place.line, own)


# Stanzas


class _Owned:
    """Which stanza each problem of reading belongs to, by its line."""

    def __init__(self, raw: Sequence[RawStanza], problems: Iterable[Problem]) -> None:
        self._heads: dict[str, list[tuple[int, int]]] = {}
        for index, stanza in enumerate(raw):
            line = stanza.head.line or 0
            self._heads.setdefault(stanza.head.file, []).append((line, index))
        self._by_stanza: dict[int, list[Problem]] = {}
        self.strays: list[Problem] = []
        for problem in problems:
            owner = self._owner(problem)
            home = self.strays if owner is None else self._by_stanza.setdefault(owner, [])
            home.append(problem)

    def _owner(self, problem: Problem) -> int | None:
        if problem.line is None or problem.option in _NOT_OF_A_STANZA:
            return None
        heads = self._heads.get(problem.file, [])
        above = [index for line, index in heads if line <= problem.line]
        return above[-1] if above else None

    def problems(self, index: int) -> list[Problem]:
        """Those of one stanza, counted from 0."""
        return self._by_stanza.get(index, [])


def _stanza(
    number: int,
    raw: RawStanza,
    settings: ServerSettings,
    owned: _Owned,
    texts: dict[str, list[str]],
    included: set[str],
) -> FoundStanza:
    findings = Findings()
    findings.extend(owned.problems(number - 1))
    built = build_stanzas([raw], settings, findings)
    stanza = built[0] if built else None
    section = access_section(raw, stanza is not None, settings, findings)
    _compare(raw, section, stanza, settings, findings)
    lines, head, file = texts.get(raw.head.file, []), raw.head.line or 0, raw.head.file
    return FoundStanza(
        number,
        file,
        raw.head.line,
        section,
        stanza,
        findings.problems(),
        suggested_name(lines, head, file if file in included else ""),
        suggested_note(lines, head),
    )


def _compare(
    raw: RawStanza,
    section: UciSection,
    stanza: Meaning,
    settings: ServerSettings,
    findings: Findings,
) -> None:
    """Read the section back. No difference is known; this is here so that none ever matters."""
    # Options of ours count in sections only, which are known by their id.
    section = replace(section, id="new")
    result = stanza_from_section(section, 1, raw.head.file, settings, Findings())
    if not same_rules(result if result and result.enabled else None, stanza):
        findings.error(raw.head, "in UCI it would mean something else", "Please report it.")
