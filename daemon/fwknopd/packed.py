"""Imports out of packs: on a router, byte code takes a quarter of its room that way.

A pack is a file of few compressed pieces with the byte code of many modules. Those a program
needs anyway are one piece, which is read faster than a file for each; the others have pieces
of their own. package/dev/packing.py makes them, and has the packages on a router call `serve`.

A program goes on with the packs it began with: they stay open, for an upgrade puts others in
their place. What was written over instead, or is gone, is told and not taken for byte code.

This comes before everything else a program does, so it imports next to nothing itself.
"""

from __future__ import annotations

import marshal
import os
import sys
import zlib
from importlib.machinery import ModuleSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import CodeType, ModuleType
    from typing import Any

SUFFIX = ".pack"
PACKAGE = ".__init__"
"""What a package's own module ends with in a pack's list."""


def serve(folders: Iterable[str]) -> None:
    """From now on import what is in the packs of these folders. Raises OSError."""
    for folder in folders:
        sys.meta_path.insert(0, Packs(folder))


class Pack:
    """An open file of pieces, as it was when it was opened. Raises OSError."""

    __slots__ = ("_descriptor", "_was", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY)
        self._was = _identity(self._descriptor)

    def parts(self) -> tuple[bytes, bytes]:
        """Its list of pieces, and those, compressed. Raises ImportError if it isn't the same."""
        content = self._content(self._descriptor)
        if content is None:
            # In a child of the program, which closes what it was left.
            content = self._anew()
        listed = 4 + int.from_bytes(content[:4], "little")
        return content[4:listed], content[listed:]

    def _anew(self) -> bytes:
        try:
            descriptor = os.open(self.path, os.O_RDONLY)
        except FileNotFoundError:
            content = None
        else:
            content = self._content(descriptor)
            os.close(descriptor)
        if content is None:
            raise ImportError(f"{self.path} is another one since this program began: restart it")
        return content

    def _content(self, descriptor: int) -> bytes | None:
        """All of it; None if that is no descriptor of it, or it was changed."""
        try:
            content = os.pread(descriptor, self._was[2], 0)
            return content if _identity(descriptor) == self._was else None
        except OSError:
            return None


def _identity(descriptor: int) -> tuple[int, int, int, int]:
    found = os.fstat(descriptor)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


class Piece:
    """Modules that are read together, and where in the unpacked file their byte code is."""

    __slots__ = ("end", "names", "pack", "start")

    def __init__(self, pack: Pack, names: tuple[str, ...], start: int, end: int) -> None:
        self.pack = pack
        self.names = names
        self.start = start
        self.end = end


class Packs:
    """Finder and loader of the modules in a folder's packs."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._pieces: dict[str, Piece] = {}
        self._unpacked: dict[str, bytes] = {}
        self._waiting: dict[str, CodeType] = {}
        self._depth = 0
        for name in sorted(os.listdir(folder)):  # noqa: PTH208 (pathlib takes longer than all this)
            if name.endswith(SUFFIX):
                for piece in _pieces(Pack(f"{folder}/{name}")):
                    self._pieces.update(dict.fromkeys(map(_plain, piece.names), piece))

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Where a module comes from; None if from elsewhere."""
        piece = self._pieces.get(name)
        if piece is None:
            return None
        origin = "/".join((self._folder, *name.split(".")[1:])) + ".pyc"
        loader: Any = self
        spec = ModuleSpec(name, loader, origin=origin, is_package=name + PACKAGE in piece.names)
        # It has a __file__, as any module does whose byte code was compiled in advance.
        spec.has_location = True
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """The usual kind of module will do."""

    def exec_module(self, module: ModuleType) -> None:
        """Run a module's byte code."""
        self._depth += 1
        try:
            exec(self.get_code(module.__name__), module.__dict__)  # noqa: S102 (what importing is)
        finally:
            self._depth -= 1
            # Modules come in bunches, each imported by another. Between bunches no memory is held.
            if not self._depth:
                self._unpacked.clear()

    def get_code(self, name: str) -> CodeType:
        """A module's byte code. Raises OSError, and ImportError if there is no such module."""
        if name not in self._waiting:
            if name not in self._pieces:
                raise ImportError(f"{name} is not in {self._folder}/*{SUFFIX}", name=name)
            self._read(self._pieces[name])
        return self._waiting.pop(name)

    def _read(self, piece: Piece) -> None:
        path = piece.pack.path
        unpacked = self._unpacked.get(path)
        if unpacked is None:
            unpacked = self._unpacked[path] = zlib.decompress(piece.pack.parts()[1])
        # As trustworthy as the byte code beside it: root's, from a package.
        codes = marshal.loads(unpacked[piece.start : piece.end])  # noqa: S302
        self._waiting.update(zip(map(_plain, piece.names), codes, strict=True))


def _plain(name: str) -> str:
    return name.removesuffix(PACKAGE)


def _pieces(pack: Pack) -> Iterator[Piece]:
    start = 0
    for length, names in marshal.loads(zlib.decompress(pack.parts()[0])):  # noqa: S302
        yield Piece(pack, names, start, start + length)
        start += length
