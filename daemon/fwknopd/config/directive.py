"""A variable as it was found, and the collecting of what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from fwknopd.config.problems import ConfigError, Problem, Severity, printable


@dataclass(frozen=True, slots=True)
class Directive:
    """One line or option: its name, its text and its place. ``section`` is the UCI section id."""

    name: str
    value: str = field(repr=False)
    file: str
    line: int | None = None
    section: str = ""


MAX_PROBLEMS = 200
"""More than this nobody reads; a hostile file could make millions."""


class Findings:
    """Collects problems, so that a person sees all of them at once."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []
        self._left_out_count = 0

    def add(self, severity: Severity, place: Directive, message: str, remedy: str) -> None:
        """Record a problem of the directive ``place``."""
        self._append(
            Problem(
                severity,
                place.file,
                place.line,
                printable(place.name),
                printable(message),
                remedy,
                place.section,
            )
        )

    def _append(self, problem: Problem) -> None:
        # The first error always counts, however many warnings came before it.
        if len(self._problems) < MAX_PROBLEMS or (
            problem.severity is Severity.ERROR and not self._has_error()
        ):
            self._problems.append(problem)
        else:
            self._left_out_count += 1

    def _has_error(self) -> bool:
        return any(problem.severity is Severity.ERROR for problem in self._problems)

    def error(self, place: Directive, message: str, remedy: str) -> None:
        """Record something that makes the configuration unusable."""
        self.add(Severity.ERROR, place, message, remedy)

    def warn(self, place: Directive, message: str, remedy: str) -> None:
        """Record something a person should look at."""
        self.add(Severity.WARNING, place, message, remedy)

    def note(self, place: Directive, message: str, remedy: str) -> None:
        """Record something harmless."""
        self.add(Severity.NOTE, place, message, remedy)

    def extend(self, problems: Iterable[Problem], demote: bool = False) -> None:
        """Take over problems; with ``demote``, errors become warnings."""
        for problem in problems:
            if demote and problem.severity is Severity.ERROR:
                problem = replace(problem, severity=Severity.WARNING)
            self._append(problem)

    def problems(self) -> tuple[Problem, ...]:
        """Everything recorded so far, in order."""
        if not self._left_out_count:
            return tuple(self._problems)
        message = f"{self._left_out_count} more problems are not shown"
        file = self._problems[-1].file
        more = Problem(Severity.NOTE, file, None, "", message, "Mend the others first.")
        return (*self._problems, more)

    def result(self) -> tuple[Problem, ...]:
        """All warnings and notes in the order found. Raises ConfigError if there is an error."""
        if self._has_error():
            raise ConfigError(self.problems())
        return self.problems()
