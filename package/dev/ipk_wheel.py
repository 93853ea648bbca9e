"""Build a Python project and lay it out as on a router: what a feed does by build and installer.

Usage: python ipk_wheel.py PROJECT SITE-PACKAGES PROGRAMS

The project's own build backend must be installed; nothing is downloaded.
"""

from __future__ import annotations

import configparser
import importlib
import os
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

_FORMER = "setuptools.build_meta"
_PROGRAM = """\
#!/usr/bin/python3
import sys
from {module} import {function}

sys.exit({function}())
"""


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status: 0, or 2 for a wrong command line."""
    if len(arguments) != 3:
        print("usage: ipk_wheel.py PROJECT SITE-PACKAGES PROGRAMS", file=sys.stderr)
        return 2
    project, packages, programs = (Path(argument).resolve() for argument in arguments)
    with tempfile.TemporaryDirectory() as folder:
        wheel = build_wheel(project, folder)
        unpack(Path(folder, wheel), packages)
    for name, text in console_scripts(packages):
        programs.mkdir(parents=True, exist_ok=True)
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    return 0


def build_wheel(project: Path, folder: str) -> str:
    """Have the project's backend build a wheel into ``folder``; its file name."""
    backend = importlib.import_module(backend_of(project))
    # A backend works on the current folder.
    os.chdir(project)
    name: str = backend.build_wheel(folder)
    return name


def backend_of(project: Path) -> str:
    """The module that builds the project; older projects name none."""
    described = project / "pyproject.toml"
    text = described.read_text() if described.exists() else ""
    backend: str = tomllib.loads(text).get("build-system", {}).get("build-backend", _FORMER)
    return backend


def unpack(wheel: Path, packages: Path) -> None:
    """Put a wheel's files into ``packages``, without the list of what was in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if not name.endswith(".dist-info/RECORD"):
                archive.extract(name, packages)


def console_scripts(packages: Path) -> Iterator[tuple[str, str]]:
    """Name and text of each program the installed projects want."""
    for path in packages.glob("*.dist-info/entry_points.txt"):
        points = configparser.ConfigParser(delimiters="=")
        points.read(path)
        if points.has_section("console_scripts"):
            for name, place in points.items("console_scripts"):
                module, _, function = place.partition(":")
                yield name, _PROGRAM.format(module=module, function=function)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
