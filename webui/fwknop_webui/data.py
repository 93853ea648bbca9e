"""The page's files that are no modules: templates, static files, catalogs.

They are a folder's, or on a router those of one archive (package/dev/packing.py): a mapping of
folders to what is in them, each compressed by itself, for what is in one is wanted together.
"""

from __future__ import annotations

import marshal
import zlib
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Protocol

ARCHIVE = "data.z"


class Data(Protocol):
    """A folder, or an archive of one. Folders within are told by their path, as in a/b."""

    def folders(self) -> Collection[str]:
        """The folders that have files."""

    def files(self, folder: str) -> Mapping[str, bytes]:
        """What is in a folder, by name. Files are read when they are looked at. Raises OSError."""


@cache
def data() -> Data:
    """What there is. Raises OSError."""
    return data_of(Path(__file__).parent)


def data_of(package: Path) -> Data:
    """The same of an installed package: sources, where there are any, are what counts."""
    return _Folder(package) if (package / "templates").is_dir() else _Archive(package / ARCHIVE)


def template(name: str) -> str | None:
    """The text of a template, or None if there is no such one."""
    found = data().files("templates").get(name)
    return None if found is None else found.decode()


class _Archive:
    """Stays in memory as it is on the disk: what is in it may be another one's after an upgrade."""

    def __init__(self, path: Path) -> None:
        # As trustworthy as the byte code beside it: root's, from a package.
        self._folders: dict[str, bytes] = marshal.loads(path.read_bytes())  # noqa: S302

    def folders(self) -> Collection[str]:
        return self._folders

    def files(self, folder: str) -> Mapping[str, bytes]:
        if folder not in self._folders:
            return {}
        found: dict[str, bytes] = marshal.loads(  # noqa: S302
            zlib.decompress(self._folders[folder])
        )
        return found


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path

    def folders(self) -> Collection[str]:
        return [
            path.relative_to(self._path).as_posix()
            for path in sorted(self._path.rglob("*"))
            if path.is_dir()
        ]

    def files(self, folder: str) -> Mapping[str, bytes]:
        return _Files(self._path / folder)


class _Files(Mapping[str, bytes]):
    """The files of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __getitem__(self, name: str) -> bytes:
        path = self._folder / name
        if not path.is_file():
            raise KeyError(name)
        return path.read_bytes()

    def __iter__(self) -> Iterator[str]:
        if not self._folder.is_dir():
            return iter(())
        return (path.name for path in sorted(self._folder.iterdir()) if path.is_file())

    def __len__(self) -> int:
        return len(list(iter(self)))
