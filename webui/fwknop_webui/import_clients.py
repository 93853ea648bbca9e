"""The stanzas of an import beside the clients there are: new, the same, or a conflict."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from fwknop_webui.client_keys import KeySummary, key_bytes, key_fields, summarise
from fwknop_webui.client_rows import ACCESS, label_of
from fwknop_webui.i18n import _
from fwknop_webui.import_choice import Choice, Chosen, State
from fwknop_webui.old_keys import name_of
from fwknopd.config.classic_parts import FoundStanza, Meaning
from fwknopd.config.convert import same_rules
from fwknopd.config.directive import Findings
from fwknopd.config.problems import Problem, Severity
from fwknopd.config.settings import ServerSettings
from fwknopd.config.uci_changes import (
    AddSection,
    DeleteOption,
    SetOption,
    UciChange,
    new_section_id,
)
from fwknopd.config.uci_config import DROPPED_OPTIONS, stanza_from_section
from fwknopd.config.uci_format import UciPackage, UciSection
from fwknopd.config.variables import Scope, lookup
from fwknopd.keys import KeyTextError

_OWN_LABELS = ("name", "note")


@dataclass(frozen=True, slots=True)
class StanzaRow:
    """One client. ``twin`` is the client with the same keys that is there already, if any."""

    found: FoundStanza
    state: State
    name: str
    choice: Choice
    problems: tuple[Problem, ...]
    twin: str = ""
    twin_id: str = ""
    differs: tuple[str, ...] = ()

    @property
    def number(self) -> int:
        """Its place in the files, from 1."""
        return self.found.number

    @property
    def keys(self) -> KeySummary:
        """What may be said of its keys."""
        return summarise(self.found.section)

    @property
    def sources(self) -> str:
        """Where it may knock from."""
        return self.found.section.get("SOURCE")

    @property
    def ports(self) -> str:
        """What it may open, "" for anything."""
        return self.found.section.get("OPEN_PORTS")

    @property
    def can_knock(self) -> bool:
        """Whether the client works once it is taken."""
        return self.found.stanza is not None


@dataclass(frozen=True, slots=True)
class _Known:
    """A client that is there already."""

    section: UciSection
    label: str
    stanza: Meaning


class Judge:
    """Compares stanzas with the clients that are there."""

    def __init__(self, package: UciPackage, settings: ServerSettings) -> None:
        self._settings = settings
        self._known = [
            _Known(section, label_of(section, n), self.stanza(section, Findings()))
            for n, section in enumerate(package.of_type(ACCESS), 1)
        ]
        self._by_keys: dict[bytes, list[_Known]] = {}
        for known in self._known:
            if mark := _key_mark(known.section):
                self._by_keys.setdefault(mark, []).append(known)

    def stanza(self, section: UciSection, findings: Findings) -> Meaning:
        """What the daemon makes of the section under the settings to come."""
        named = section if section.id else replace(section, id="new")
        return stanza_from_section(named, 1, "", self._settings, findings)

    def twins(self, section: UciSection) -> list[_Known]:
        """The clients with the same keys."""
        return self._by_keys.get(_key_mark(section), [])

    def equal(self, section: UciSection, stanza: Meaning) -> _Known | None:
        """A client that says the same, None when there is none."""
        for known in self.twins(section):
            if stanza is not None and same_rules(known.stanza, stanza):
                return known
        wanted = _classic_options(section)
        return next((k for k in self._known if _classic_options(k.section) == wanted), None)


def _key_mark(section: UciSection) -> bytes:
    """The same for the same keys, and nothing that gives them away; b"" without a key."""
    fields = key_fields(section)
    try:
        keys = (
            key_bytes(fields.key_base64, fields.key),
            key_bytes(fields.hmac_key_base64, fields.hmac_key),
        )
    except KeyTextError:
        return b""
    if keys[0] is None:
        return b""
    mark = hashlib.sha256()
    for key in keys:
        mark.update(b"%d:" % len(key or b"") + (key or b""))
    return mark.digest()


def _is_classic(name: str) -> bool:
    variable = lookup(Scope.ACCESS, name)
    return name not in DROPPED_OPTIONS and not (variable is not None and variable.uci_only)


def _classic_options(section: UciSection) -> dict[str, str]:
    return {o.name: ", ".join(o.items) for o in section.options if _is_classic(o.name)}


def _differences(known: UciSection, found: UciSection) -> tuple[str, ...]:
    """The names of the options that make the difference."""
    old, new = _classic_options(known), _classic_options(found)
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    # Only UCI's own options are left then, such as a client that is switched off.
    own = (o.name for o in known.options if not _is_classic(o.name) and o.name not in _OWN_LABELS)
    return tuple(names) or tuple(own)


class Names:
    """Gives each new client a name nobody has."""

    def __init__(self, package: UciPackage) -> None:
        self._taken = {name_of(section) for section in package.of_type(ACCESS)}

    def unique(self, wanted: str) -> str:
        """``wanted``, with a number behind it if it is taken."""
        name, number = wanted, 1
        while name in self._taken:
            number += 1
            name = f"{wanted} {number}"
        self._taken.add(name)
        return name


def stanza_row(found: FoundStanza, judge: Judge, names: Names, chosen: Chosen | None) -> StanzaRow:
    """What the stanza would be; without ``chosen``, only what touches no other client is ticked."""
    findings = Findings()
    stanza = judge.stanza(found.section, findings)
    errors = _errors(findings.problems())
    here = tuple(replace(p, file=found.file, line=found.line) for p in errors)
    if not found.usable or errors:
        # Why not is enough; what else there is to say of it can wait.
        problems = here if found.usable else _errors(found.problems)
        return StanzaRow(found, State.CANNOT, found.name, Choice.LEAVE, problems)
    equal = judge.equal(found.section, stanza)
    if equal is not None:
        row = StanzaRow(found, State.SAME, found.name, Choice.LEAVE, found.problems)
        return replace(row, twin=equal.label, twin_id=equal.section.id)
    return _new_row(found, judge, names, chosen)


def _errors(problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    return tuple(problem for problem in problems if problem.severity is Severity.ERROR)


def _new_row(found: FoundStanza, judge: Judge, names: Names, chosen: Chosen | None) -> StanzaRow:
    twins = judge.twins(found.section)
    state = State.CONFLICT if twins else State.ADD
    choice = Choice.LEAVE if twins else Choice.ADD
    if chosen:
        choice = chosen.stanzas.get(found.number, Choice.LEAVE)
    if choice is Choice.REPLACE and not twins:
        choice = Choice.ADD
    name = found.name or _("Client {n}").format(n=found.number)
    name = chosen.names.get(found.number, name) if chosen else name
    if name and (choice is Choice.ADD or chosen is None):
        name = names.unique(name)
    row = StanzaRow(found, state, name, choice, found.problems)
    if not twins:
        return row
    twin = twins[0]
    differs = _differences(twin.section, found.section)
    return replace(row, twin=twin.label, twin_id=twin.section.id, differs=differs)


def stanza_changes(package: UciPackage, row: StanzaRow) -> list[UciChange]:
    """What makes the package hold the client as it was chosen."""
    if row.choice is Choice.ADD:
        return _addition(package, row)
    twin = package.section(row.twin_id) if row.choice is Choice.REPLACE else None
    return _replacement(twin, row.found.section) if twin else []


def _addition(package: UciPackage, row: StanzaRow) -> list[UciChange]:
    section_id = new_section_id(package, ACCESS)
    labels = (("name", row.name), ("note", row.found.note))
    return [
        AddSection(section_id, ACCESS),
        *(SetOption(section_id, option.name, option.value) for option in row.found.section.options),
        *(SetOption(section_id, name, text) for name, text in labels if text),
    ]


def _replacement(twin: UciSection, found: UciSection) -> list[UciChange]:
    """The classic options of ``found`` in the section; what only UCI has stays as it is."""
    new = {option.name: option.value for option in found.options}
    gone = [o.name for o in twin.options if _is_classic(o.name) and o.name not in new]
    return [
        *(SetOption(twin.id, name, value) for name, value in new.items()),
        *(DeleteOption(twin.id, name) for name in gone),
    ]
