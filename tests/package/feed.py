"""OpenWrt's packages feed, made of the Python that runs the tests.

A router has a Python in pieces: python3-light, parts of the standard library as packages of
their own, and libraries that name what they need. This module knows the pieces, as the feed
had them in August 2026, and puts those that are asked for, and no others, into a folder.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
STDLIB = Path("usr/lib", VERSION)
LIGHT = "python3-light"

SPLIT_OFF: Mapping[str, tuple[str, ...]] = {
    "python3-asyncio": ("asyncio", "_asyncio"),
    "python3-codecs": (
        *("_codecs_cn", "_codecs_hk", "_codecs_iso2022", "_codecs_jp", "_codecs_kr"),
        *("_codecs_tw", "unicodedata"),
    ),
    "python3-ctypes": ("ctypes", "_ctypes"),
    "python3-dbm": ("dbm", "_dbm", "_gdbm"),
    "python3-decimal": ("decimal", "_decimal"),
    "python3-logging": ("logging",),
    "python3-lzma": ("lzma", "_lzma"),
    "python3-multiprocessing": ("multiprocessing", "_multiprocessing", "_posixshmem"),
    "python3-ncurses": ("curses", "_curses", "_curses_panel"),
    "python3-openssl": ("ssl", "_ssl", "_hashlib"),
    "python3-pydoc": ("pydoc", "pydoc_data", "doctest"),
    "python3-readline": ("readline",),
    "python3-sqlite3": ("sqlite3", "_sqlite3"),
    "python3-unittest": ("unittest",),
    "python3-urllib": ("urllib", "email"),
    "python3-uuid": ("uuid", "_uuid"),
    "python3-venv": ("venv",),
    "python3-xml": ("xml", "xmlrpc", "pyexpat", "_elementtree"),
}
"""What of the standard library is no part of python3-light, by the package that has it."""

NOT_SHIPPED = ("ensurepip", "idlelib", "lib2to3", "test", "tkinter", "turtle", "turtledemo")
_LEFT_BEHIND = ("site-packages", "dist-packages", "config-*", "tests", "*.opt-?.pyc")


@dataclass(frozen=True, slots=True)
class Library:
    """A Python package of the feed: what it needs, and what it is called on PyPI."""

    needs: tuple[str, ...]
    distributions: tuple[str, ...] = ()


_FULL = Library((LIGHT, *(name for name in SPLIT_OFF if name != "python3-venv")))
LIBRARIES: Mapping[str, Library] = {
    LIGHT: Library(()),
    "python3": _FULL,
    **{name: Library((LIGHT,)) for name in SPLIT_OFF},
    "python3-blinker": Library((LIGHT,), ("blinker",)),
    "python3-cffi": Library((LIGHT, "python3-ctypes", "python3-pycparser"), ("cffi",)),
    "python3-click": Library((LIGHT, "python3-urllib", "python3-uuid"), ("click",)),
    "python3-cryptography": Library(
        (LIGHT, "python3-urllib", "python3-cffi"), ("cryptography", "typing_extensions")
    ),
    "python3-flask": Library(
        (
            *("python3", "python3-asyncio", "python3-blinker", "python3-click", "python3-codecs"),
            *("python3-decimal", "python3-itsdangerous", "python3-jinja2", "python3-logging"),
            *("python3-markupsafe", "python3-multiprocessing", "python3-werkzeug"),
        ),
        ("flask",),
    ),
    "python3-itsdangerous": Library((LIGHT,), ("itsdangerous",)),
    "python3-jinja2": Library(
        (LIGHT, "python3-asyncio", "python3-logging", "python3-urllib", "python3-markupsafe"),
        ("jinja2",),
    ),
    "python3-markupsafe": Library((LIGHT,), ("markupsafe",)),
    "python3-pycparser": Library((LIGHT,), ("pycparser",)),
    # Ours, but compiled: made by package/python3-pypcap, here by the script beside the recipe.
    "python3-pypcap": Library((LIGHT, "libpcap"), ("pypcap",)),
    "python3-werkzeug": Library(("python3", "python3-markupsafe"), ("werkzeug",)),
    # No Python: of the computer that runs the tests, of its kernel, or stand-ins.
    **{name: Library(()) for name in ("libpcap", "kmod-nf-conntrack-netlink")},
    **{name: Library(()) for name in ("rpcd", "rpcd-mod-file", "uhttpd", "uhttpd-mod-ubus")},
}


def closure(names: Iterable[str]) -> list[str]:
    """These packages and all they need, each behind its needs. Raises KeyError."""
    found: dict[str, None] = {}

    def add(name: str) -> None:
        if name not in found:
            for need in LIBRARIES[name].needs:
                add(need)
            found[name] = None

    for name in names:
        add(name)
    return list(found)


class PythonRoot:
    """A folder with a Python in ``usr``, made of packages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.installed: set[str] = set()

    @property
    def python(self) -> Path:
        """Its interpreter, which finds its library by where it is."""
        return self.folder / "usr/bin/python3"

    @property
    def site_packages(self) -> Path:
        """Where packages are."""
        return self.folder / STDLIB / "site-packages"

    def install(self, names: Iterable[str]) -> None:
        """Put packages of the feed into the folder, with what they need. Raises KeyError."""
        for name in closure(names):
            if name not in self.installed:
                self.installed.add(name)
                self._copy(name)
        self._refuse_the_rest()

    def run(self, code: str) -> subprocess.CompletedProcess[str]:
        """Run Python code with nothing of this process's environment."""
        # -B: what a package must not bring along must not come about by running it.
        command = [str(self.python), "-I", "-B", "-c", code]
        return subprocess.run(command, capture_output=True, text=True, env={}, timeout=60)

    def _copy(self, name: str) -> None:
        if name == LIGHT:
            self._copy_interpreter()
        for module in SPLIT_OFF.get(name, ()):
            self._copy_module(module)
        for project in LIBRARIES[name].distributions:
            self._copy_distribution(project)

    def _copy_interpreter(self) -> None:
        program = self.folder / "usr/bin" / VERSION
        program.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(Path(sys.executable).resolve(), program)
        self.python.symlink_to(VERSION)
        shutil.copytree(_light_library(), self.folder / STDLIB, copy_function=_link)
        self.site_packages.mkdir(exist_ok=True)

    def _copy_module(self, module: str) -> None:
        for source in _files_of(_stdlib(), module):
            target = self.folder / STDLIB / source.relative_to(_stdlib())
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns(*_LEFT_BEHIND))
            else:
                shutil.copy2(source, target)

    def _copy_distribution(self, project: str) -> None:
        for file in distribution(project).files or ():
            source = Path(str(file.locate()))
            if ".." not in file.parts and source.is_file():
                target = self.site_packages / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)

    def _refuse_the_rest(self) -> None:
        # Some Pythons have such a module in the interpreter itself, where no file can be left out.
        missing = [m for name in SPLIT_OFF if name not in self.installed for m in SPLIT_OFF[name]]
        blocker = _BLOCKER.format(missing=[*missing, *NOT_SHIPPED], folder=STDLIB)
        (self.folder / STDLIB / "sitecustomize.py").write_text(blocker)


_BLOCKER = """\
import site, sys

class Blocker:
    missing = frozenset({missing!r})

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name in cls.missing:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker)
# Debian's Python looks elsewhere.
if not any(path.endswith("site-packages") for path in sys.path):
    site.addsitedir(f"{{sys.prefix}}/lib/{{'{folder}'.rpartition('/')[2]}}/site-packages")
"""


@cache
def _light_library() -> Path:
    """What python3-light has of the library, once for all roots, which share its files."""
    made = tempfile.mkdtemp(prefix="python3-light-")
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    folder = Path(made, "library")
    ignored = shutil.ignore_patterns(*_LEFT_BEHIND, *NOT_SHIPPED)
    shutil.copytree(_stdlib(), folder, ignore=ignored, symlinks=False)
    for module in (*NOT_SHIPPED, *(m for split in SPLIT_OFF.values() for m in split)):
        for path in _files_of(folder, module):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return folder


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # On another file system.
        shutil.copy2(source, target)


def _stdlib() -> Path:
    return Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix}))


def _files_of(library: Path, module: str) -> Iterator[Path]:
    """The file or folder of a top-level module, in the library and among its C modules."""
    names = (module, f"{module}.py", f"lib-dynload/{module}.*.so", f"lib-dynload/{module}.so")
    for name in names:
        yield from library.glob(name)
