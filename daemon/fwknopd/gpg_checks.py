"""What GPG clients need of this machine, looked for when the settings are loaded.

Only what can be seen without running gpg; what its key ring holds, `gpg_ring_checks` judges.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from importlib.machinery import PathFinder
from pathlib import Path

from fwknopd.config.problems import Problem, Severity
from fwknopd.policy.gpg import NOWHERE, GpgAccess
from fwknopd.policy.stanza import Stanza

_INSTALL = "Install it: opkg install python3-gnupg, or pip install python-gnupg."


def gpg_problems(
    stanzas: Iterable[Stanza], *, classic: bool, from_command_line: bool
) -> tuple[Problem, ...]:
    """What is missing. In the ``classic`` files a client's key ring that isn't there is an error,
    as in fwknopd, and so is one ``from_command_line``.
    """
    found = [
        problem
        for stanza in stanzas
        if stanza.gpg is not None
        for problem in _problems(stanza.gpg, classic, from_command_line)
    ]
    return tuple(dict.fromkeys(found))


def _problems(access: GpgAccess, classic: bool, from_command_line: bool) -> Iterator[Problem]:
    folder, program = access.home.folder, access.home.program
    if not Path(folder).is_dir():
        own = "GPG_HOME_DIR" in access.origins
        fatal = (classic and own) or (from_command_line and not own)
        severity = Severity.ERROR if fatal else Severity.WARNING
        remedy = "Name the folder with the router's GPG keys, which gpg makes at its first use."
        yield _problem(access, severity, "GPG_HOME_DIR", f"there is no folder {folder}", remedy)
    if not (Path(program).is_file() and os.access(program, os.X_OK)):
        why = f"there is no program {program}: GPG knocks can't be opened"
        remedy = "Install gpg (on OpenWrt the packages gnupg2 and gnupg2-utils), or name it."
        yield _problem(access, Severity.WARNING, "GPG_EXE", why, remedy)
    if PathFinder.find_spec("gnupg") is None:
        why = "python-gnupg is not installed: GPG knocks can't be opened"
        yield _problem(access, Severity.WARNING, "SOURCE", why, _INSTALL)


def _problem(
    access: GpgAccess, severity: Severity, option: str, message: str, remedy: str
) -> Problem:
    origins = access.origins
    file, line, section = origins.get(option) or origins.get("SOURCE") or NOWHERE
    return Problem(severity, file, line, option, message, remedy, section)
