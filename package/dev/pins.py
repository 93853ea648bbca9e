"""Write down which versions of others' packages are used, by SHA-256 of all PyPI has of each.

Usage: python package/dev/pins.py [--upgrade]

What stands there already stays, unless it no longer does or --upgrade is given. One list holds
for Python 3.11 to 3.14 on every machine, since the digests are those of all wheels and of the
source. The versions are found by uv, which is fetched for that and thrown away.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
UV = "uv==0.13.9"
RUN, DEV = ROOT / "requirements-run.txt", ROOT / "requirements-dev.txt"
FUZZ = ROOT / "requirements-fuzz.txt"
PYPCAP = ROOT / "package/python3-pypcap/requirements.txt"

# The project's own backend, which `make setup` doesn't let pip fetch by itself.
BACKEND = ("hatchling", "editables")
PYPCAP_BUILD = ("Cython", "setuptools", "wheel")
# No wheels of newer ones for the oldest Python.
FUZZER = ("atheris < 3.1 ; python_version < '3.12'", "atheris ; python_version >= '3.12'")

HEADER = """\
# {purpose}
# Written by `make pins`. pip takes nothing but what PyPI published (--require-hashes).
"""
PURPOSES = {
    RUN: "What `make setup` puts into .venv, on Python 3.11 to 3.14.",
    DEV: "What tests and checks put into .venv, too, on Python 3.11 to 3.14.",
    FUZZ: "What `make fuzz` puts into .venv where it can be had, on Python 3.11 to 3.14.",
    PYPCAP: "What build_wheel.py builds pypcap with.",
}


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status: 0, 2 for a wrong command line, or what uv failed with."""
    if list(arguments) not in ([], ["--upgrade"]):
        print("usage: pins.py [--upgrade]", file=sys.stderr)
        return 2
    try:
        with tempfile.TemporaryDirectory(prefix="pins-") as folder:
            write_all(Path(folder), arguments)
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


def write_all(folder: Path, options: Sequence[str]) -> None:
    """Write the four lists. Raises CalledProcessError."""
    backend, pypcap, fuzz = (folder / f"{name}.in" for name in ("backend", "pypcap", "fuzz"))
    backend.write_text("\n".join(BACKEND))
    pypcap.write_text("\n".join(PYPCAP_BUILD))
    fuzz.write_text("\n".join(FUZZER))
    project = ("--extra", "gpg", "pyproject.toml", str(backend))
    uv = fetch_uv(folder)
    compile_pins(uv, DEV, ("--extra", "dev", *project, *options))
    # What both have is the same in both.
    same = ("--constraint", str(DEV))
    compile_pins(uv, RUN, (*project, *same, *options))
    compile_pins(uv, PYPCAP, (str(pypcap), *same, *options))
    compile_pins(uv, FUZZ, (str(fuzz), *same, *options))


def fetch_uv(folder: Path) -> Path:
    """The program uv, in an environment of its own. Raises CalledProcessError."""
    venv.create(folder / "uv", with_pip=True)
    programs = folder / "uv/bin"
    pip = (programs / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    subprocess.run((*pip, UV), check=True)
    return programs / "uv"


def compile_pins(uv: Path, target: Path, arguments: Sequence[str]) -> None:
    """Write one list. Raises CalledProcessError."""
    options = ["--universal", "--python-version", "3.11", "--generate-hashes"]
    # pypcap is built here, from a source whose digest stands in its recipe.
    options += ["--no-annotate", "--no-header", "--no-emit-package", "pypcap"]
    # Nothing of this machine's settings.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("UV_")}
    command = [str(uv), "pip", "compile", "--quiet", "--output-file", str(target)]
    command += [*options, *arguments]
    subprocess.run(command, check=True, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    target.write_text(HEADER.format(purpose=PURPOSES[target]) + target.read_text())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
