"""A configuration's problems as this program shows them."""

from __future__ import annotations

from collections.abc import Iterable

from fwknopd.config.problems import ConfigError, Problem, Severity
from fwknopd.ctl.errors import CtlError
from fwknopd.ctl.output import print_note
from fwknopd.regular_file import FileError
from fwknopd.uci_files import ConcurrentEdit, UnfitChange


def config_error(error: ConfigError) -> CtlError:
    """The error for a configuration that can't be used: its first fault, and how many more."""
    faults = [problem for problem in error.problems if problem.severity is Severity.ERROR]
    first, more = faults[0], len(faults) - 1
    what = ": ".join(part for part in (first.where, first.option, first.message) if part)
    rest = f" (and {more} more: fwknopd --exit-parse-config lists them)" if more else ""
    return CtlError(what, f"{first.remedy}{rest}", "configuration")


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
