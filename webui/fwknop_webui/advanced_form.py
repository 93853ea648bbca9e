"""The form of the page Advanced: which rows are shown, and what becomes of what was typed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fwknop_webui import old_keys
from fwknop_webui.advanced_filter import Filter
from fwknop_webui.advanced_rows import Row, Subject, rows
from fwknop_webui.check import check
from fwknop_webui.expected import said
from fwknop_webui.forms import MAX_LENGTH
from fwknop_webui.i18n import _
from fwknop_webui.i18n import noop as N_
from fwknop_webui.rotation import followed
from fwknop_webui.saving import outdated_texts
from fwknop_webui.staging import Draft
from fwknopd.config.foreign_variables import OTHER_BUILDS
from fwknopd.config.problems import Problem, Severity
from fwknopd.config.uci_changes import DeleteOption, UciChange, apply
from fwknopd.config.uci_format import UciPackage
from fwknopd.config.uci_model import is_name
from fwknopd.config.variables import is_secret, lookup

VALUE, REMOVE = "v-", "remove-"
UNKNOWN = N_("Other names")
MAX_UNKNOWN = 100
"""Rows of unknown names on one page; a search finds the others."""


@dataclass(frozen=True, slots=True)
class Group:
    """Rows under one heading."""

    title: str
    rows: tuple[Row, ...]
    searched: bool = False

    @property
    def folded(self) -> bool:
        """Variables of other builds, which hardly anybody looks for."""
        found = self.searched or any(row.is_set or row.error for row in self.rows)
        return self.title == OTHER_BUILDS and not found

    @property
    def is_unknown(self) -> bool:
        """Whether these are the names no table knows."""
        return self.title == UNKNOWN


@dataclass(frozen=True, slots=True)
class NewOption:
    """The row for adding an option by name. A value that is a secret isn't shown again."""

    name: str = ""
    value: str = field(default="", repr=False)
    error: str = ""


@dataclass(frozen=True, slots=True)
class AdvancedForm:
    """What the page shows. ``left_out``: rows of unknown names there is no room for."""

    filter: Filter
    groups: tuple[Group, ...]
    total: int
    left_out: int = 0
    new: NewOption = NewOption()
    problems: tuple[Problem, ...] = ()

    @property
    def shown(self) -> int:
        """How many variables there are on the page."""
        return sum(len(group.rows) for group in self.groups)


def stored_form(subject: Subject, package: UciPackage, wanted: Filter, file: str) -> AdvancedForm:
    """The form as it opens, with what the loader warns of."""
    found = _findings(subject, package, file)
    told = _by_option(found, Severity.WARNING)
    known = [_warned(row, told) for row in rows(subject, package)]
    return _form(known, wanted)


def _warned(row: Row, told: Mapping[str, str]) -> Row:
    # That a variable is not supported is said beside it already.
    if row.variable is not None and not row.is_honoured:
        return row
    names = [held.option.name for held in row.held]
    return replace(row, warning=next((told[name] for name in names if name in told), ""))


def _form(
    known: Sequence[Row],
    wanted: Filter,
    new: NewOption | None = None,
    problems: tuple[Problem, ...] = (),
) -> AdvancedForm:
    # A row with an error is shown whatever was searched for.
    fitting = [row for row in known if row.error or wanted.fits(row)]
    strangers = [row for row in fitting if row.variable is None]
    grouped: dict[str, list[Row]] = {}
    for row in fitting:
        if row.variable is not None:
            grouped.setdefault(row.variable.group, []).append(row)
    # What only other builds have comes last, the unknown names before it.
    others = grouped.pop(OTHER_BUILDS, [])
    if strangers:
        grouped[UNKNOWN] = strangers[:MAX_UNKNOWN]
    if others:
        grouped[OTHER_BUILDS] = others
    searched = bool(wanted.words)
    groups = tuple(Group(title, tuple(found), searched) for title, found in grouped.items())
    left_out = max(0, len(strangers) - MAX_UNKNOWN)
    return AdvancedForm(wanted, groups, len(known), left_out, new or NewOption(), problems)


@dataclass(frozen=True, slots=True)
class Typed:
    """A posted form."""

    values: Mapping[str, str]
    removed: frozenset[str]
    new: NewOption

    @classmethod
    def from_form(cls, form: Mapping[str, str]) -> Typed:
        """Read the fields."""
        values = {
            name.removeprefix(VALUE): text.replace("\r\n", "\n")
            for name, text in form.items()
            if name.startswith(VALUE)
        }
        removed = (name.removeprefix(REMOVE) for name in form if name.startswith(REMOVE))
        new = NewOption(form.get("new_name", "").strip(), form.get("new_value", "").strip())
        return cls(values, frozenset(removed), new)

    @property
    def names(self) -> set[str]:
        """The variables the page had."""
        return {*self.values, *self.removed}


def contested_form(
    subject: Subject, package: UciPackage, wanted: Filter, texts: Mapping[str, str]
) -> AdvancedForm:
    """The form over ``package``, with what to say beside options somebody else changed too."""
    return _form([replace(r, error=_error(r, texts)) for r in rows(subject, package)], wanted)


def outdated_form(
    subject: Subject, draft: Draft, typed: Typed, wanted: Filter, file: str
) -> AdvancedForm:
    """The form again, with what is set now beside all that differs."""
    changed, _faulty = judge(typed, draft, subject, wanted, file)
    texts = outdated_texts(draft, changed, subject.section_id)
    shown = [replace(r, error=_error(r, texts)) for r in _typed_rows(subject, draft.package, typed)]
    return _form(shown, wanted, _again(typed.new))


def _again(new: NewOption, error: str = "") -> NewOption:
    return NewOption(new.name, "" if is_secret(new.name) else new.value, error)


def _typed_rows(subject: Subject, package: UciPackage, typed: Typed) -> list[Row]:
    return [replace(row, typed=typed.values.get(row.name)) for row in rows(subject, package)]


def judge(
    typed: Typed, draft: Draft, subject: Subject, wanted: Filter, file: str
) -> tuple[Draft, AdvancedForm | None]:
    """The draft with what was typed, and the form with its errors when that is no good."""
    known = rows(subject, draft.package)
    errors = _unacceptable(known, typed)
    new_error = _new_name_error(typed.new, subject, known)
    changed, others = draft, tuple[Problem, ...]()
    if not errors and not new_error:
        changed = draft.with_changes(_changes(known, typed, draft.package, subject))
        for section in subject.sections(draft.package):
            changed = draft.with_package(followed(draft, changed.package, section))
        errors, others = _consequences(draft, changed, subject, file)
        errors |= _shared_name(draft, changed, subject)
        new_error = errors.pop(typed.new.name, "") if typed.new.name else ""
    if not errors and not new_error and not others:
        return changed, None
    shown = [
        replace(row, error=_error(row, errors))
        for row in _typed_rows(subject, draft.package, typed)
    ]
    return changed, _form(shown, wanted, _again(typed.new, new_error), others)


def _error(row: Row, errors: Mapping[str, str]) -> str:
    names = (row.name, *(held.option.name for held in row.held))
    return next((errors[name] for name in names if name in errors), "")


def _unacceptable(known: Iterable[Row], typed: Typed) -> dict[str, str]:
    """Errors no loader should have to see: control characters and floods of text."""
    errors = {}
    for row in known:
        text = typed.values.get(row.name, row.value)
        if text == row.value:
            continue
        if len(text) > MAX_LENGTH:
            errors[row.name] = _("Expecting: at most 1000 characters.")
        elif not text.replace("\n", "").isprintable():
            errors[row.name] = _("Expecting: one line of text, without control characters.")
    return errors


def _new_name_error(new: NewOption, subject: Subject, known: Iterable[Row]) -> str:
    if not new.name:
        return _("Expecting: a name for this value, such as MY_NOTE.") if new.value else ""
    if not is_name(new.name) or len(new.name) > MAX_LENGTH:
        return _("Expecting: a name of letters, digits and _, such as MY_NOTE.")
    taken = {row.name for row in known if row.variable is None}
    if new.name in taken or lookup(subject.scope, new.name) is not None:
        return _("{name} has a row of its own on this page. Change it there.").format(name=new.name)
    if not new.value:
        return _("Expecting: a value. An empty option is none.")
    if len(new.value) > MAX_LENGTH or not new.value.isprintable():
        return _("Expecting: one line of at most 1000 characters.")
    return ""


def _changes(
    known: Iterable[Row], typed: Typed, package: UciPackage, subject: Subject
) -> list[UciChange]:
    home, made = subject.home(package)
    changes: list[UciChange] = []
    for row in known:
        if row.name in typed.removed:
            changes += row.removal()
        elif row.name in typed.values:
            changes += row.changes(home, typed.values[row.name])
    if typed.new.name:
        changes += Row(typed.new.name, None, ()).changes(home, typed.new.value)
    return [*made, *changes] if any(change.section == home for change in changes) else changes


def _consequences(
    before: Draft, after: Draft, subject: Subject, file: str
) -> tuple[dict[str, str], tuple[Problem, ...]]:
    """Errors beside rows, and those elsewhere that are new."""
    own = {section.id for section in subject.sections(after.package)}
    found = [p for p in _all_findings(subject, after.package, file) if p.severity is Severity.ERROR]
    beside = [p for p in found if p.section in own and p.option]
    known = set(_all_findings(subject, before.package, file))
    others = tuple(p for p in found if p not in beside and p not in known)
    return _by_option(beside, Severity.ERROR), others


def _shared_name(before: Draft, after: Draft, subject: Subject) -> dict[str, str]:
    """An error beside a name that another client has."""
    old, new = (draft.package.section(subject.section_id) for draft in (before, after))
    if old is None or new is None:
        return {}
    fault = old_keys.name_fault(after.package, new.get("name"), old_keys.name_of(old))
    return {"name": fault} if fault else {}


def _findings(subject: Subject, package: UciPackage, file: str) -> list[Problem]:
    own = {section.id for section in subject.sections(package)}
    return [p for p in _all_findings(subject, package, file) if p.section in own]


def _all_findings(subject: Subject, package: UciPackage, file: str) -> tuple[Problem, ...]:
    """What the loader says. A client is looked at as if it were enabled.

    The daemon overlooks errors of a disabled client; but whoever types one wants to know.
    """
    section = package.section(subject.section_id) if subject.section_id else None
    if section is not None and section.option("enabled"):
        package = apply(package, [DeleteOption(section.id, "enabled")])
    return check(package, file).problems


def _by_option(found: Iterable[Problem], severity: Severity) -> dict[str, str]:
    texts: dict[str, str] = {}
    for problem in found:
        if problem.severity is severity and problem.option:
            texts.setdefault(problem.option, said(problem))
    return texts
