"""Would the daemon take this configuration? Asked of its own loader, before anything is saved."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from fwknop_webui.expected import said
from fwknopd.config.problems import ConfigError, Problem, Severity
from fwknopd.config.settings import Configuration
from fwknopd.config.uci_config import configuration_from_uci
from fwknopd.config.uci_format import UciPackage


@dataclass(frozen=True, slots=True)
class Checked:
    """``configuration`` is None when an error makes it unusable."""

    configuration: Configuration | None
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        """What stops the daemon from using it."""
        return tuple(item for item in self.problems if item.severity is Severity.ERROR)

    def of_section(self, section_id: str) -> tuple[Problem, ...]:
        """The findings of one section."""
        return tuple(item for item in self.problems if item.section == section_id)

    def besides(self, section_id: str) -> tuple[Problem, ...]:
        """The findings that belong to other sections, without mere notes."""
        return tuple(
            item
            for item in self.problems
            if item.section != section_id and item.severity is not Severity.NOTE
        )


_last: tuple[tuple[UciPackage, str, Checked], ...] = ()
"""What was asked last: most pages ask about the file as it is, or with what is not applied yet."""

MAX_KNOWN = 2


def check(package: UciPackage, file: str) -> Checked:
    """What the daemon's loader says to the package."""
    global _last
    before = _last
    for asked, name, answer in before:
        if asked is package and name == file:
            return answer
    answer = _checked(package, file)
    _last = ((package, file, answer), *before)[:MAX_KNOWN]
    return answer


def _checked(package: UciPackage, file: str) -> Checked:
    try:
        configuration = configuration_from_uci(package, file)
    except ConfigError as error:
        return Checked(None, error.problems)
    return Checked(configuration, configuration.problems)


def errors_by_field(problems: Iterable[Problem], fields: Collection[str]) -> dict[str, str]:
    """The errors that belong beside a field of the form, by option."""
    found: dict[str, str] = {}
    for problem in problems:
        if problem.severity is Severity.ERROR and problem.option in fields:
            found.setdefault(problem.option, said(problem))
    return found


def elsewhere(problems: Iterable[Problem], fields: Collection[str]) -> tuple[Problem, ...]:
    """The errors no field of the form shows."""
    return tuple(
        problem
        for problem in problems
        if problem.severity is Severity.ERROR and problem.option not in fields
    )
