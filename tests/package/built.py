"""The packages of this project, built once for all tests of a run."""

from __future__ import annotations

import fcntl
import io
import os
import re
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from package.dev import ipk
from tests.package.feed import LIBRARIES, PythonRoot


@dataclass(frozen=True, slots=True)
class Built:
    """One .ipk file, read the way opkg reads it."""

    path: Path

    def part(self, name: str) -> bytes:
        """A member of the outer archive."""
        return _member(self.path.read_bytes(), name)

    def control_file(self, name: str) -> str:
        """A file of control.tar.gz. Raises KeyError."""
        return _member(self.part("control.tar.gz"), name).decode()

    def control_names(self) -> list[str]:
        """The files of control.tar.gz."""
        with _opened(self.part("control.tar.gz")) as archive:
            return [m.name.removeprefix("./") for m in archive if m.isfile()]

    def field(self, name: str) -> str:
        """A field of the file control, "" without one."""
        found = re.search(rf"^{name}: (.*)$", self.control_file("control"), re.MULTILINE)
        return found[1] if found else ""

    def needs(self) -> list[str]:
        """Names of the packages it depends on."""
        return [word.split()[0] for word in self.field("Depends").split(", ")]

    def files(self) -> dict[str, tarfile.TarInfo]:
        """What it installs, folders too, by absolute path."""
        with _opened(self.part("data.tar.gz")) as archive:
            return {member.name.removeprefix("."): member for member in archive}

    def unpack(self, root: Path) -> None:
        """Put its files into a folder."""
        command = ["tar", "-xzp", "-C", str(root)]
        subprocess.run(command, input=self.part("data.tar.gz"), check=True, timeout=60)


def _opened(archive: bytes) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz")


def _member(archive: bytes, name: str) -> bytes:
    with _opened(archive) as opened:
        file = opened.extractfile(f"./{name}")
        assert file is not None
        return file.read()


Packages = dict[str, Built]
"""The packages by name."""


def build_once(factory: pytest.TempPathFactory) -> Packages:
    """All packages of ``make ipk``; the first of the processes that run tests makes them."""
    base = factory.getbasetemp()
    # Of several processes, each has a folder in the run's.
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / "built-packages"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            ipk.build_all(ipk.NAMES, folder)
            (folder / "done").touch()
    return {path.name.partition("_")[0]: Built(path) for path in (folder / "ipk").glob("*.ipk")}


def install(root: PythonRoot, packages: Packages, name: str) -> None:
    """Install a package of ours and all it needs, ours or the feed's. Raises KeyError."""
    if name in root.installed:
        return
    root.installed.add(name)
    for need in packages[name].needs():
        if need in packages:
            install(root, packages, need)
        else:
            assert need in LIBRARIES, f"{name} needs {need}, which the feed does not have"
            root.install([need])
    packages[name].unpack(root.folder)
