"""Build pypcap for the Python that runs this script, and install it there.

pypcap 1.3.0 is published as source only, with C code from a Cython that Python
3.12 outgrew, and with a call that Python 3.14 no longer has. So: take that source
(checked against its known digest), replace the call, generate the C code with a
current Cython, build a wheel, keep it in a cache for the next time.

Usage: PYTHON build_wheel.py [--force]
       PYTHON build_wheel.py --patch PCAP.PYX    only the call, for the recipe beside this file
Needs a C compiler, Python.h and pcap.h. Standard library only.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

VERSION = "1.3.0"
SDIST_SHA256 = "669976786b2b4c43869c0ecf6228cbbb70336d1d8eb8d4fe2a3a81df395f45b5"
# What builds it, by version and digest.
BUILD_REQUIREMENTS = Path(__file__).with_name("requirements.txt")

# The call is used once, to get at the bytes a filter is tried on.
GONE_CALL = "PyObject_AsCharBuffer"
GONE_DECLARATION = f"{GONE_CALL}(object obj, char **buffer, Py_ssize_t *buffer_len)"
GONE_USE = f"{GONE_CALL}(buf, <const char**>&p, &n)"
NEW_CALL = "PyBytes_AsStringAndSize"
NEW_DECLARATION = f"{NEW_CALL}(object obj, char **buffer, Py_ssize_t *length) except -1"
NEW_USE = f"{NEW_CALL}(buf, <char**>&p, &n)"


class BuildError(Exception):
    """The wheel can't be made. The text says what, and what to do about it."""


def main(arguments: list[str]) -> int:
    """Install from the cache, or build first; 0 when pypcap can be imported after."""
    if "--force" not in arguments and "--patch" not in arguments and installed_version() == VERSION:
        return 0
    try:
        if arguments[:1] == ["--patch"]:
            patch(Path(arguments[1]))
            return 0
        wheel = cached_wheel() or build_wheel()
        pip(Path(sys.executable), "install", "--no-deps", "--no-index", str(wheel))
    except BuildError as error:
        print(f"pypcap: {error}", file=sys.stderr)
        return 1
    return 0


def installed_version() -> str | None:
    """Version of the pypcap that imports here, None without one."""
    # A fresh interpreter: a broken C module must not take this one down.
    probe = [sys.executable, "-c", "import pcap; print(pcap.__version__)"]
    result = subprocess.run(probe, capture_output=True, text=True)
    return result.stdout.strip() if result.returncode == 0 else None


def cache_folder() -> Path:
    """Where built wheels are kept; another recipe, other tools or another Python get another."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    recipe = Path(__file__).read_bytes() + BUILD_REQUIREMENTS.read_bytes()
    known_by = hashlib.sha256(recipe).hexdigest()[:12]
    return Path(base, "fwknop-wrt", f"pypcap-{VERSION}-{known_by}-{sys.implementation.cache_tag}")


def cached_wheel() -> Path | None:
    """The wheel of an earlier run, if there is one."""
    return next(cache_folder().glob("pypcap-*.whl"), None)


def build_wheel() -> Path:
    """Download, patch, translate and compile; raises BuildError."""
    print(f"Building pypcap {VERSION} for Python {sys.version.split()[0]} ...", flush=True)
    with tempfile.TemporaryDirectory(prefix="pypcap-") as folder:
        scratch = Path(folder)
        python = make_build_environment(scratch)
        source = unpack(download(python, scratch), scratch)
        patch(source / "pcap.pyx")
        # The file is written in the language of Python 2 (`raise E, text`).
        run([str(python), "-m", "cython", "-2", "pcap.pyx"], source)
        pip(python, "wheel", "--no-deps", "--no-build-isolation", "-w", folder, str(source))
        built = next(scratch.glob("pypcap-*.whl"))
        target = cache_folder() / built.name
        target.parent.mkdir(parents=True, exist_ok=True)
        # Copied beside its place and renamed: a broken run never leaves half a wheel.
        part = target.with_suffix(f".part{os.getpid()}")
        part.write_bytes(built.read_bytes())
        return part.replace(target)


def make_build_environment(scratch: Path) -> Path:
    """A throwaway environment with Cython; its Python."""
    run([sys.executable, "-m", "venv", str(scratch / "venv")], scratch)
    python = scratch / "venv/bin/python"
    pip(python, "install", "--require-hashes", "--requirement", str(BUILD_REQUIREMENTS))
    return python


def download(python: Path, scratch: Path) -> Path:
    """The source archive. pip checks the digest before it runs anything out of it."""
    requirements = scratch / "pypcap.txt"
    requirements.write_text(f"pypcap=={VERSION} --hash=sha256:{SDIST_SHA256}\n")
    options = ["--no-deps", "--no-binary", "pypcap", "--no-build-isolation", "--require-hashes"]
    pip(python, "download", *options, "-d", str(scratch), "-r", str(requirements))
    return scratch / f"pypcap-{VERSION}.tar.gz"


def unpack(archive: Path, scratch: Path) -> Path:
    """The folder with the unpacked sources."""
    # The digest was checked, so no member can point out of the folder.
    shutil.unpack_archive(archive, scratch)
    return scratch / f"pypcap-{VERSION}"


def patch(pyx: Path) -> None:
    """Put the call that every Python has in place of the one that is gone."""
    text = pyx.read_text(encoding="utf-8")
    for old, new in ((GONE_DECLARATION, NEW_DECLARATION), (GONE_USE, NEW_USE)):
        if text.count(old) != 1:
            raise BuildError(f"{pyx.name} is not the file this script knows: no single {old!r}")
        text = text.replace(old, new)
    pyx.write_text(text, encoding="utf-8")


def pip(python: Path, command: str, *arguments: str) -> None:
    """Run pip quietly; raises BuildError with its output."""
    quiet = ["--quiet", "--disable-pip-version-check"]
    run([str(python), "-m", "pip", command, *quiet, *arguments], Path.cwd())


def run(command: list[str], folder: Path) -> None:
    """Run a step; raises BuildError with what it printed."""
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        output = done.stdout.decode(errors="replace").strip()
        raise BuildError(
            f"{' '.join(command[:4])} failed.\n{output}\n"
            "A C compiler, Python.h and pcap.h are needed: on Debian and Ubuntu, "
            "apt-get install gcc python3-dev libpcap-dev"
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
