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
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

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
)
PROFILES = ("run", "lint", "test", "fuzz", "bench")
PYTHON_NAME = f"python{sys.version_info.major}.{sys.version_info.minor}"
# Debian keeps nft and ip where only root's PATH looks.
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


class SetupError(Exception):
    """Setup can't go on. The text says what, and what to do about it."""


class Need(NamedTuple):
    """Something of the system: how to see it is there, its Debian package, its purpose."""

    name: str
    present: Callable[[], bool]
    package: str
    purpose: str


def program(name: str, package: str, purpose: str) -> Need:
    """A need that is met by a program in PATH."""
    return Need(name, lambda: bool(shutil.which(name, path=SEARCH_PATH)), package, purpose)


def has_header(name: str) -> bool:
    """Is the C header in a folder the compiler looks in?"""
    folders = (sysconfig.get_path("include"), "/usr/include", "/usr/local/include")
    return any(Path(folder, name).is_file() for folder in folders)


def has_ensurepip() -> bool:
    """Debian splits what `python -m venv` needs off into a package of its own."""
    code = "import ensurepip, venv; ensurepip.version()"
    return not subprocess.run([sys.executable, "-c", code], capture_output=True).returncode


def is_distribution_python() -> bool:
    """Does the Python that runs this come from a Debian package?"""
    return Path(sys.executable).resolve().parent == Path("/usr/bin")


def distribution(part: str) -> str:
    """The Debian package with this part of the running Python."""
    return f"{PYTHON_NAME}-{part}" if is_distribution_python() else f"python3-{part}"


BUILD_NEEDS = (
    Need("venv", has_ensurepip, distribution("venv"), "to make .venv"),
    program("cc", "gcc", "to compile pypcap"),
    Need("Python.h", lambda: has_header("Python.h"), distribution("dev"), "to compile pypcap"),
    Need("pcap.h", lambda: has_header("pcap.h"), "libpcap-dev", "to compile pypcap"),
)
RUN_NEEDS = (
    program("nft", "nftables", "the lab's firewall"),
    program("ip", "iproute2", "the lab's network"),
    program("sysctl", "procps", "the lab's network"),
    program("fwknop", "fwknop-client", "to knock with the original client"),
)
TEST_NEEDS = (
    *RUN_NEEDS,
    program("iptables", "iptables", "tests of the iptables backend"),
    program("sudo", "sudo", "tests of commands that run through it"),
    program("zbarimg", "zbar-tools", "tests that read the QR code"),
    program("pdftoppm", "poppler-utils", "tests of QR codes on paper"),
    program("unshare", "util-linux", "tests in network namespaces"),
    program("git", "git", "tests of the packages, dated by the last commit"),
    program("gpg", "gnupg", "tests of GPG knocks"),
    program("busybox", "busybox", "tests of a router's scripts"),
    program("systemd-analyze", "systemd", "tests of the systemd unit"),
    program("shellcheck", "shellcheck", "tests of a router's scripts"),
    program("ssh-keygen", "openssh-client", "tests of the Ansible role"),
    program("dropbear", "dropbear-bin", "tests of the Ansible role"),
    program("strace", "strace", "tests of what happens when the system fails the daemon"),
)


BENCH_NEEDS = (
    *RUN_NEEDS,
    program("iptables", "iptables", "the C daemon's firewall"),
    program("unshare", "util-linux", "network namespaces"),
)
NEEDS: dict[str, tuple[Need, ...]] = {
    **{"run": RUN_NEEDS, "lint": (), "test": TEST_NEEDS, "fuzz": (), "bench": BENCH_NEEDS}
}


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


def see_to(needs: Sequence[Need]) -> list[Need]:
    """Install what is missing, or name it; what is missing still."""
    missing = [need for need in needs if not need.present()]
    if not missing:
        return []
    packages = sorted({need.package for need in missing})
    if can_install():
        install_packages(packages)
        missing = [need for need in missing if not need.present()]
    for need in missing:
        print(f"setup: missing: {need.name} ({need.purpose}), Debian package {need.package}")
    if missing:
        command = "apt-get install " + " ".join(sorted({need.package for need in missing}))
        print(f"setup: on Debian and Ubuntu this installs it:\n    sudo {command}", flush=True)
    return missing


def can_install() -> bool:
    """Root, on a system with apt?"""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install_packages(packages: Sequence[str]) -> None:
    """Install Debian packages without questions; a failure is told, the caller looks again."""
    # One stale source must not keep the others from being used, so both steps are tried.
    print(f"setup: installing {' '.join(packages)} ...", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-q"],
        ["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages],
    ):
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            print(f"setup: {shlex.join(command)} failed:\n{done.stdout}{done.stderr}")


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
