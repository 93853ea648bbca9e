"""access.conf: stanzas, includes, key files. Behaviour notes 3.1.

Differences from the C daemon, all on the lenient side: lines of blanks only are fine, folders
are read in the order of the names, and ignored lines are reported instead of passed over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar

from fwknopd.config.access_stanza import StanzaText, build_stanza
from fwknopd.config.command_values import ANY_ACCOUNT, Accounts
from fwknopd.config.conf_lines import ConfLine, conf_lines
from fwknopd.config.directive import Directive, Findings
from fwknopd.config.includes import IncludeError, IncludeReader, NoIncludes
from fwknopd.config.problems import Problem
from fwknopd.config.settings import ServerSettings
from fwknopd.config.stanza_keys import KEY_NAMES
from fwknopd.policy.stanza import Stanza

MAX_DEPTH = 3
MAX_STANZAS = 8192
KEY_FILE_NAMES = frozenset(
    {
        *KEY_NAMES,
        "GPG_DECRYPT_ID",
        "GPG_DECRYPT_PW",
        "GPG_ALLOW_NO_PW",
        "GPG_REQUIRE_SIG",
        "GPG_DISABLE_SIG",
        "GPG_IGNORE_SIG_VERIFY_ERROR",
        "GPG_REMOTE_ID",
        "GPG_FINGERPRINT_ID",
    }
)


@dataclass(slots=True)
class RawStanza:
    """A stanza being read. ``lost``: why a key file could not be read, with its remedy."""

    head: Directive
    directives: list[Directive] = field(default_factory=list)
    tolerant: bool = False
    lost: tuple[Directive, IncludeError] | None = None


def stanzas_from_access_conf(
    text: str,
    file: str,
    reader: IncludeReader | None = None,
    settings: ServerSettings | None = None,
) -> tuple[tuple[Stanza, ...], tuple[Problem, ...]]:
    """The clients in order, with warnings and notes.

    ``settings`` are those of fwknopd.conf, which decide whether NAT is allowed. Without
    ``reader`` includes are refused. Raises ConfigError with all problems.
    """
    findings = Findings()
    raw = read_access_conf([(text, file)], reader or NoIncludes(), findings)
    stanzas = build_stanzas(raw, settings or ServerSettings(), findings)
    if not raw:
        place = Directive("SOURCE", "", file)
        findings.error(place, "the file has no stanza", "Add one, beginning with SOURCE ANY")
    return stanzas, findings.result()


def read_access_conf(
    files: list[tuple[str, str]], reader: IncludeReader, findings: Findings
) -> list[RawStanza]:
    """The stanzas of (text, file) pairs as found, not yet checked."""
    parser = _Parser(reader, findings)
    for text, file in files:
        parser.read(text, file, 1)
    return parser.stanzas


def build_stanzas(
    raw: list[RawStanza],
    settings: ServerSettings,
    findings: Findings,
    accounts: Accounts = ANY_ACCOUNT,
) -> tuple[Stanza, ...]:
    """The usable clients; numbers count all stanzas from 1."""
    built = (
        _build(stanza, number, settings, findings, accounts)
        for number, stanza in enumerate(raw, start=1)
    )
    return tuple(stanza for stanza in built if stanza is not None)


def _build(
    raw: RawStanza,
    number: int,
    settings: ServerSettings,
    findings: Findings,
    accounts: Accounts,
) -> Stanza | None:
    if raw.lost is not None:
        place, error = raw.lost
        findings.warn(place, f"{error.message}: this client can't knock", error.remedy)
        return None
    text = StanzaText(number, raw.head, raw.directives, needs_keys=True, tolerant=raw.tolerant)
    return build_stanza(text, settings, findings, accounts)


class _Parser:
    def __init__(self, reader: IncludeReader, findings: Findings) -> None:
        self.stanzas: list[RawStanza] = []
        self._reader = reader
        self._findings = findings

    def read(self, text: str, file: str, depth: int) -> None:
        """Read one file. A stanza ends with its file: an include never adds to it."""
        current: RawStanza | None = None
        for line in conf_lines(text):
            place = _directive(line, file)
            if self._is_broken(line, place):
                continue
            if place.name in self._SPECIAL:
                self._SPECIAL[place.name](self, place, depth, current)
            elif place.name == "SOURCE":
                current = self._open(place)
            elif current is None:
                self._findings.note(
                    place,
                    "it stands before the first SOURCE and has no effect",
                    "Move it below the SOURCE line of its stanza.",
                )
            else:
                current.directives.append(place)

    def _is_broken(self, line: ConfLine, place: Directive) -> bool:
        if line.too_long:
            self._findings.error(place, "the line is longer than 1023 characters", "Shorten it.")
        elif not line.value:
            self._findings.error(place, "the line has no value", "Write NAME value")
        return line.too_long or not line.value

    def _open(self, place: Directive) -> RawStanza:
        stanza = RawStanza(place, [place])
        if len(self.stanzas) < MAX_STANZAS:
            self.stanzas.append(stanza)
        else:
            self._findings.error(
                place, f"there are more than {MAX_STANZAS} stanzas", "Delete some."
            )
        return stanza

    def _include(self, place: Directive, depth: int, current: RawStanza | None) -> None:
        if depth >= MAX_DEPTH:
            self._findings.error(
                place,
                f"files can't be included deeper than {MAX_DEPTH} levels",
                "Include the file from a file further up.",
            )
            return
        try:
            text = self._reader.read_file(place.value)
        except IncludeError as error:
            self._findings.error(place, error.message, error.remedy)
            return
        self.read(text, place.value, depth + 1)

    def _include_folder(self, place: Directive, depth: int, current: RawStanza | None) -> None:
        try:
            names = self._reader.list_folder(place.value)
        except IncludeError as error:
            self._findings.error(place, error.message, error.remedy)
            return
        for name in sorted(filter(is_conf_name, names)):
            self._include(replace(place, value=f"{place.value.rstrip('/')}/{name}"), depth, current)

    def _include_keys(self, place: Directive, depth: int, current: RawStanza | None) -> None:
        if current is None:
            self._findings.note(
                place,
                "it stands before the first SOURCE and has no effect",
                "Move it below the SOURCE line of its stanza.",
            )
            return
        current.tolerant = True
        try:
            text = self._reader.read_file(place.value)
        except IncludeError as error:
            # Going on with the keys at hand could mean going on without an HMAC key.
            current.lost = (place, error)
            return
        self._read_keys(text, place.value, current)

    def _read_keys(self, text: str, file: str, current: RawStanza) -> None:
        for line in conf_lines(text):
            place = _directive(line, file)
            if line.too_long or not line.value or place.name not in KEY_FILE_NAMES:
                self._findings.warn(
                    place,
                    "it is no key setting and is ignored in a key file",
                    "Put it into access.conf itself.",
                )
            else:
                current.directives.append(place)

    # Of the class: as methods of the object they would keep it, and all it has read, in memory.
    _SPECIAL: ClassVar[dict[str, Callable[[_Parser, Directive, int, RawStanza | None], None]]] = {
        "%include": _include,
        "%include_folder": _include_folder,
        "%include_keys": _include_keys,
    }


def is_conf_name(name: str) -> bool:
    """Does %include_folder read it? The last extension must begin with .conf, as in C."""
    _, dot, extension = name.rpartition(".")
    return bool(dot) and extension.startswith("conf")


def _directive(line: ConfLine, file: str) -> Directive:
    """The line with one trailing colon of its name removed: all from the last colon on."""
    name, colon, _ = line.name.rpartition(":")
    return Directive(name if colon else line.name, line.value, file, line.number)
