"""Evaluating a recipe: an OpenWrt Makefile, with stand-ins for what it includes.

The stand-ins are in package/dev/openwrt, laid out like a build tree, so the recipes need
not know of them, and what `make ipk` builds is what the recipes say.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

BUILD_TREE = Path(__file__).resolve().parent / "openwrt"
TEXTS = ("description", "conffiles", "preinst", "postinst", "prerm", "postrm")


class RecipeError(Exception):
    """A package can't be built. The text says which, and why."""


@dataclass(frozen=True, slots=True)
class Build:
    """One recipe's build: where it is, a folder for what is made, and one for archives.

    ``sources``: also the packages with the sources of what is in the others.
    """

    recipe: Path
    out: Path
    downloads: Path
    python: str = sys.executable
    sources: bool = False


@dataclass(frozen=True, slots=True)
class Package:
    """A staged package: its files in ``root``, what the recipe defines, its texts by name."""

    name: str
    root: Path
    fields: Mapping[str, str]
    texts: Mapping[str, str]

    @property
    def version(self) -> str:
        """As OpenWrt writes it: 1.2.3-r1."""
        return self.fields["VERSION"]

    @property
    def file_name(self) -> str:
        """What opkg expects the file to be called."""
        return f"{self.name}_{self.version}_{self.fields['PKGARCH']}.ipk"

    def words(self, field: str) -> list[str]:
        """A field that is a list."""
        return self.fields[field].split()


def stage(build: Build) -> list[Package]:
    """Evaluate a recipe and read what it left. Raises RecipeError with make's last words."""
    make(build, "stage")
    return [_read(folder.parent) for folder in sorted(build.out.glob("*/fields"))]


def make(build: Build, target: str) -> None:
    """Make a target of a recipe: ``stage``, or ``download``. Raises RecipeError."""
    if not (build.recipe / "Makefile").is_file():
        raise RecipeError(f"there is no recipe {build.recipe.name} in {build.recipe.parent}")
    build.out.mkdir(parents=True)
    command = [*_command(build), target]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise RecipeError(f"{build.recipe.name}: make failed:\n{done.stdout.strip()}")


def _command(build: Build) -> list[str]:
    given = {
        "TOPDIR": BUILD_TREE,
        "OUT": build.out,
        "DL_DIR": build.downloads,
        "PYTHON": build.python,
        "SOURCES": "1" if build.sources else "",
    }
    # A `make ipk` around this hands its own flags and variables down; none of them is meant here.
    clean = ["env", "-u", "MAKEFLAGS", "-u", "MFLAGS", "-u", "MAKELEVEL", "-u", "MAKEOVERRIDES"]
    variables = [f"{name}={value}" for name, value in given.items()]
    return [*clean, "make", "--silent", "-C", str(build.recipe), *variables]


def _read(folder: Path) -> Package:
    lines = (folder / "fields").read_text().splitlines()
    fields = dict(line.split("=", 1) for line in lines)
    texts = {name: (folder / name).read_text() for name in TEXTS if (folder / name).exists()}
    return Package(folder.name, folder / "root", fields, texts)
