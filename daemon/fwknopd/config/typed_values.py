"""From directives to typed values: what every loader does with every directive."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from fwknopd.config.directive import Directive, Findings
from fwknopd.config.invalid import InvalidValue, Leniencies
from fwknopd.config.problems import Problem, Severity
from fwknopd.config.values import parse_value
from fwknopd.config.variable import Kind, Scope, Status, Variable
from fwknopd.config.variables import lookup


@dataclass(frozen=True, slots=True)
class TypedValue:
    """A value with the directive it came from."""

    value: Any
    place: Directive


def typed_values(
    scope: Scope, directives: Iterable[Directive], findings: Findings
) -> dict[str, TypedValue]:
    """The values of all honoured variables by canonical name, in order of last appearance.

    The last of several equal directives wins, as in fwknopd. Everything else is reported:
    unknown names, ignored and not yet supported variables, values that can't be read.
    """
    values: dict[str, TypedValue] = {}
    for place in directives:
        variable = lookup(scope, place.name)
        if variable is None or (variable.uci_only and not place.section):
            _report_unknown(scope, place, findings)
            continue
        if variable.status is not Status.HONOURED:
            _report_status(variable, place, findings)
        else:
            typed = _typed(variable, place, findings)
            if typed is not None:
                values.pop(variable.name, None)
                values[variable.name] = typed
    return values


def _typed(variable: Variable, place: Directive, findings: Findings) -> TypedValue | None:
    read = _read if variable.secret else _read_once
    try:
        value, leniencies = read(variable, place.value)
    except InvalidValue as error:
        findings.error(place, error.message, error.remedy)
        return None
    for message, remedy in leniencies:
        findings.warn(place, message, remedy)
    return TypedValue(value, place)


def _read(variable: Variable, text: str) -> tuple[Any, Sequence[tuple[str, str]]]:
    """The value, and what about it a person should know. Raises InvalidValue."""
    leniencies = Leniencies()
    return parse_value(variable, text, leniencies), tuple(leniencies.found)


# Thousands of clients have the same few lines, but for their keys. No value can be changed.
_read_once = lru_cache(maxsize=256)(_read)


def _report_unknown(scope: Scope, place: Directive, findings: Findings) -> None:
    folded = lookup(scope, place.name.rstrip(":").upper())
    if folded is not None and folded.name != place.name:
        findings.warn(
            place, "unknown name, ignored", f"Names are exact: did you mean {folded.name}?"
        )
    else:
        findings.note(place, "unknown name, ignored", "It is kept in the file but has no effect.")


def _report_status(variable: Variable, place: Directive, findings: Findings) -> None:
    if variable.status is Status.IGNORED:
        findings.note(place, f"ignored: {variable.status_note}", "You may delete the line.")
    elif not _is_off(variable, place):
        findings.warn(
            place,
            f"not supported yet: {variable.status_note}",
            "Do not rely on it; delete the line to stop this warning.",
        )


def _is_off(variable: Variable, place: Directive) -> bool:
    """Does the directive only ask for what happens anyway?"""
    if variable.kind is Kind.BOOLEAN:
        return (place.value.strip()[:1] in ("Y", "y")) is bool(variable.default)
    return False


def check_value(variable: Variable, text: str, file: str = "") -> tuple[Problem, ...]:
    """What is wrong with a value somebody entered: for forms. Empty text is always fine."""
    findings = Findings()
    place = Directive(variable.name, text, file)
    if text.strip():
        _typed(variable, place, findings)
    return tuple(
        sorted(findings.problems(), key=lambda found: found.severity is not Severity.ERROR)
    )
