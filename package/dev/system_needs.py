"""What tasks need of the system, and Debian's packages that have it.

Runs before .venv is there: standard library only.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

PYTHON_NAME = f"python{sys.version_info.major}.{sys.version_info.minor}"
# Debian keeps nft and ip where only root's PATH looks.
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


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
