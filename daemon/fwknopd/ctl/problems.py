"""A configuration's problems as this program shows them."""

from __future__ import annotations

from collections.abc import Iterable

from fwknopd.config.problems import ConfigError, Problem, Severity
from fwknopd.ctl.errors import CtlError
from fwknopd.ctl.output import print_note
from fwknopd.regular_file import FileError
from fwknopd.uci_files import ConcurrentEdit, UnfitChange

MOST_FAULTS = 20
"""More than these nobody mends before the next try."""


def config_error(error: ConfigError) -> CtlError:
    """The error for a configuration that can't be used: its first fault, then the others."""
    faults = [problem for problem in error.problems if problem.severity is Severity.ERROR]
    first, others = faults[0], list(map(str, faults[1:MOST_FAULTS]))
    if len(faults) > MOST_FAULTS:
        others.append(f"There are {len(faults) - MOST_FAULTS} more of them.")
    what = ": ".join(part for part in (first.where, first.option, first.message) if part)
    return CtlError(what, first.remedy, "configuration", others)


def file_error(error: FileError) -> CtlError:
    """The error for a file that can't be read or written. Nobody has a page to load again here."""
    remedy = error.remedy
    if isinstance(error, ConcurrentEdit):
        remedy = "Run it again."
    elif isinstance(error, UnfitChange):
        remedy = "Write it in another way, and run it again."
    return CtlError(error.message, remedy)


def note_warnings(problems: Iterable[Problem]) -> None:
    """Warnings on stderr: a client that can't be used explains many a refusal."""
    for problem in problems:
        if problem.severity is Severity.WARNING:
            print_note(str(problem))
