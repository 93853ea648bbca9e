"""``fwknopctl apply``: make the UCI file what a tool wants it to be, and say what changed."""

from __future__ import annotations

import secrets
import sys
import time
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

from fwknopd.config.convert import masked_uci, uci_secrets
from fwknopd.config.problems import ConfigError, Problem
from fwknopd.config.uci_config import configuration_from_uci
from fwknopd.config.uci_differences import differences
from fwknopd.config.uci_model import UciPackage
from fwknopd.config.wanted import Wanted, wanted_from_json
from fwknopd.config.wanted_package import Moment, as_wanted
from fwknopd.config.wanted_warnings import wanted_warnings
from fwknopd.ctl.answers import Json
from fwknopd.ctl.conversion import difference, problem_json, show
from fwknopd.ctl.counts import counts_told
from fwknopd.ctl.output import print_json, print_note, unread_is_no_error
from fwknopd.ctl.problems import config_error, file_error
from fwknopd.regular_file import FileError
from fwknopd.uci_store import MAX_FILE_SIZE, Loaded, UciStore

STANDARD_INPUT = "standard input"


def apply_wanted(options: Namespace) -> int:
    """The verb ``apply``. Keys come by standard input, never in the command line."""
    text = sys.stdin.buffer.read(MAX_FILE_SIZE).decode("utf-8", "replace")
    try:
        wanted = wanted_from_json(text, STANDARD_INPUT)
    except ConfigError as error:
        raise config_error(error) from None
    return make(wanted, options, load(options))


def load(options: Namespace) -> Loaded:
    """The file as it is. Raises CtlError."""
    try:
        return UciStore(Path(options.uci)).load()
    except ConfigError as error:
        raise config_error(error) from None
    except FileError as error:
        raise file_error(error) from None


def make(wanted: Wanted, options: Namespace, loaded: Loaded, hint: str = "") -> int:
    """Change the file, or with --check only tell.

    Raises CtlError, also when it is not what was ``loaded`` any more; then nothing was written.
    """
    try:
        return _make(wanted, options, loaded, hint)
    except ConfigError as error:
        raise config_error(error) from None
    except FileError as error:
        raise file_error(error) from None


def _make(wanted: Wanted, options: Namespace, loaded: Loaded, hint: str) -> int:
    store = UciStore(Path(options.uci))
    old = loaded.package
    new = as_wanted(old, wanted, Moment(int(time.time()), _section_id), str(store.path))
    changes = differences(old, new)
    if changes:
        write = store.check if options.check else store.commit
        # What somebody has yet to decide on is not ours to commit.
        write(changes, loaded.etag, include_pending=False)
    problems = configuration_from_uci(new, str(store.path)).problems
    report = _Report(old, new, bool(changes), problems, wanted_warnings(old, new, wanted))
    _tell(report, options, hint)
    return 0


def _section_id() -> str:
    return f"old_keys_{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True)
class _Report:
    """What became of it. ``problems`` are the daemon's, ``warnings`` those of what was wanted."""

    old: UciPackage
    new: UciPackage
    changed: bool
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def _tell(report: _Report, options: Namespace, hint: str) -> None:
    before = masked_uci(report.old)
    after = masked_uci(report.new, uci_secrets(report.old.sections))
    written = report.changed and not options.check
    summary = "Nothing is written."
    if written:
        summary = f"{counts_told(report.old, report.new)}{options.uci} is written. {hint}".strip()
    if options.json:
        with unread_is_no_error(summary, written):
            print_json(_as_json(report, before, after, written))
        return
    for warning in report.warnings:
        print_note(str(warning))
    lines = difference(before, after, options.uci) if report.changed else []
    show(lines, (), report.problems, summary, written=written, as_json=False)


def _as_json(report: _Report, before: list[str], after: list[str], written: bool) -> Json:
    return {
        "changed": report.changed,
        "written": written,
        "before": before if report.changed else [],
        "after": after if report.changed else [],
        "problems": [problem_json(problem) for problem in report.problems],
        "warnings": [problem_json(warning) for warning in report.warnings],
    }
