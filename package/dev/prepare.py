"""Make .venv ready, and see to the programs of the system a task needs.

Usage: python3 package/dev/prepare.py run|lint|test|fuzz|bench

    run   the programs of this project, and what the lab needs
    lint  the programs and the checkers
    test  everything
    fuzz  the programs and the checkers, and atheris where it can be had
    bench the programs, what the lab needs, and the C daemon to compare with

As root on Debian or Ubuntu missing packages are installed. Otherwise they are
named, with the command to run, and what can work without them goes on. Nothing is
done when nothing has changed. Runs before .venv is there: standard library only.
"""

from __future__ import annotations

import hashlib
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

# A script finds its other half by this.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from package.dev.system_needs import BUILD_NEEDS, NEEDS, can_install, install_packages, see_to

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin/python"
# Each names all of what it installs by version and digest; the second holds the first.
PINS = {"run": ROOT / "requirements-run.txt", "dev": ROOT / "requirements-dev.txt"}
FUZZ_PINS = ROOT / "requirements-fuzz.txt"
PYPCAP = ROOT / "package/python3-pypcap/build_wheel.py"
# What a change of asks for a new installation.
INPUTS = (
    ROOT / "pyproject.toml",
    *PINS.values(),
    PYPCAP,
    PYPCAP.with_name("requirements.txt"),
    Path(__file__),
    Path(__file__).with_name("system_needs.py"),
)
PROFILES = ("run", "lint", "test", "fuzz", "bench")


class SetupError(Exception):
    """Setup can't go on. The text says what, and what to do about it."""


class Unpacked(NamedTuple):
    """A program of a Debian package that is unpacked into .venv.

    Installed, the package would start a service of its own. With ``alone`` nothing else of it is
    kept.
    """

    package: str
    program: str
    purpose: str
    alone: bool = False


C_DAEMON = Unpacked("fwknop-server", "usr/sbin/fwknopd", "to compare with")
PROMTOOL = Unpacked("prometheus", "usr/bin/promtool", "to test the alerts with", alone=True)


def main(arguments: Sequence[str]) -> int:
    """Do one profile; 0 when what it needs at the least is there."""
    if len(arguments) != 1 or arguments[0] not in PROFILES:
        print(f"usage: prepare.py {'|'.join(PROFILES)}", file=sys.stderr)
        return 2
    try:
        prepare(arguments[0])
    except (SetupError, OSError) as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    return 0


def prepare(profile: str) -> None:
    """Bring .venv and the system up to what ``profile`` needs; raises SetupError."""
    extras = "run" if profile in ("run", "bench") else "dev"
    current = is_current(extras)
    needs = NEEDS[profile]
    missing = see_to(needs if current else (*BUILD_NEEDS, *needs))
    if not current:
        if blocking := [need for need in missing if need in BUILD_NEEDS]:
            raise SetupError(f"can't go on without {', '.join(n.name for n in blocking)}")
        fill_environment(extras)
    if profile == "test":
        see_to_chromium()
        see_to_sources()
        see_to_unpacked(PROMTOOL)
    if profile in ("test", "bench"):
        see_to_unpacked(C_DAEMON)
    if profile == "fuzz":
        see_to_atheris()


def stamp(extras: str) -> Path:
    """The file that says what .venv was filled from: `run`, or `dev` which holds that too."""
    return VENV / f".prepared-{extras}"


def inputs_digest() -> str:
    """Changes with everything .venv is made from, also with the folder: scripts hold its path."""
    digest = hashlib.sha256(f"{sys.version} {sys.base_prefix} {ROOT}".encode())
    for path in INPUTS:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def is_current(extras: str) -> bool:
    """Was .venv filled from just these files?"""
    stamps = {stamp(extras), stamp("dev")}
    return VENV_PYTHON.exists() and any(
        path.exists() and path.read_text() == inputs_digest() for path in stamps
    )


def fill_environment(extras: str) -> None:
    """Install pypcap, the pinned packages and this project into .venv; raises SetupError."""
    make_environment()
    run([VENV_PYTHON, PYPCAP])
    print("setup: installing Python packages into .venv ...", flush=True)
    pip = (VENV_PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    install_pinned(pip, PINS[extras])
    # Its backend is among the pinned, too: nothing that is not is fetched, and if a pin doesn't
    # do, this says so.
    project = f"{ROOT}[{'dev' if extras == 'dev' else 'gpg'}]"
    run((*pip, "--no-index", "--no-build-isolation", "--editable", project))
    stamp(extras).write_text(inputs_digest())


def install_pinned(pip: Sequence[str | Path], pins: Path) -> None:
    """Install what ``pins`` names, just as PyPI published it; raises SetupError."""
    try:
        run((*pip, "--require-hashes", "--requirement", pins))
    except SetupError as error:
        raise SetupError(
            f"{error}\n"
            f"pip says above which package it could not have as {pins.name} names it, by version\n"
            "and SHA-256. If it speaks of hashes, what it was given is not what PyPI published: a\n"
            "mirror or a local index (pip config list, PIP_INDEX_URL, PIP_EXTRA_INDEX_URL,\n"
            "PIP_FIND_LINKS) has built or changed it. If it found no such version, the index is\n"
            "older than that list. Either way, let pip ask PyPI."
        ) from error


def make_environment() -> None:
    """Make .venv, or make it anew when it belongs to another Python."""
    if VENV_PYTHON.exists() and version_of(VENV_PYTHON) == sys.version_info[:2]:
        return
    print(f"setup: making .venv with Python {sys.version.split()[0]} ...", flush=True)
    run([sys.executable, "-m", "venv", "--clear", VENV])


def version_of(python: Path) -> tuple[int, ...]:
    """Major and minor version of another Python, () when it does not run."""
    code = "import sys; print(*sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    except OSError:
        return ()
    return tuple(map(int, done.stdout.split()))


def see_to_chromium() -> None:
    """The browser tests drive Debian's Chromium, and elsewhere the one Playwright fetches."""
    if not subprocess.run([VENV_PYTHON, "-m", "tests.chromium"], cwd=ROOT).returncode:
        return
    # Ubuntu's chromium package is only a door to the snap store.
    if can_install() and "ID=debian" in Path("/etc/os-release").read_text().split():
        install_packages(["chromium"])
        return
    print("setup: fetching Chromium for the browser tests ...", flush=True)
    with_libraries = ["--with-deps"] if can_install() else []
    fetch = ["-m", "playwright", "install", *with_libraries, "chromium"]
    if subprocess.run([str(VENV_PYTHON), *fetch]).returncode:
        print("setup: missing: Chromium (browser tests). Install it in the system.", flush=True)


def see_to_sources() -> None:
    """Fetch the archives from PyPI that the tests build packages of."""
    if subprocess.run([VENV_PYTHON, "-m", "package.dev.ipk", "--download"], cwd=ROOT).returncode:
        print("setup: missing: sources of packages for OpenWrt (tests of packages)", flush=True)


def see_to_atheris() -> None:
    """Fetch the fuzzer that coverage leads. Only `make fuzz` needs it, and can do without."""
    if not subprocess.run([VENV_PYTHON, "-c", "import atheris"], capture_output=True).returncode:
        return
    print("setup: fetching atheris ...", flush=True)
    pip = (VENV_PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    # There are wheels for some machines only, and whoever has none can hardly build it.
    command = (*pip, "--only-binary=:all:", "--require-hashes", "--requirement", FUZZ_PINS)
    if subprocess.run(command).returncode:
        print("setup: missing: atheris (to fuzz by coverage)", flush=True)


def see_to_unpacked(wanted: Unpacked) -> None:
    """Have a program of a package in .venv, where there is apt."""
    if (VENV / wanted.package).exists() or not shutil.which("apt-get"):
        return
    print(f"setup: fetching {wanted.package} {wanted.purpose} ...", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        # apt fetches as a user of its own, who must get in.
        Path(folder).chmod(0o755)
        done = fetch_package(wanted.package, folder)
        if done.returncode and can_install():
            subprocess.run(["apt-get", "update", "-q"], capture_output=True)
            done = fetch_package(wanted.package, folder)
        found = next(Path(folder).glob("*.deb"), None)
        if found is None:
            print(f"setup: missing: {wanted.package} {wanted.purpose}: {done.stderr.strip()}")
        else:
            unpack(found, wanted)


def fetch_package(package: str, folder: str) -> subprocess.CompletedProcess[str]:
    """Download a Debian package into a folder."""
    command = ["apt-get", "download", "-q", package]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def unpack(archive: Path, wanted: Unpacked) -> None:
    """Put what is wanted of it into .venv; raises SetupError, and OSError if it isn't in there."""
    whole, kept = archive.with_name("whole"), archive.with_name("kept")
    run(["dpkg-deb", "--extract", archive, whole])
    if wanted.alone:
        (kept / wanted.program).parent.mkdir(parents=True)
        (whole / wanted.program).rename(kept / wanted.program)
    shutil.move(kept if wanted.alone else whole, VENV / wanted.package)


def run(command: Sequence[str | Path]) -> None:
    """Run a step of the setup, its output shown; raises SetupError."""
    if subprocess.run(command).returncode:
        raise SetupError(f"this failed: {shlex.join(map(str, command))}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
