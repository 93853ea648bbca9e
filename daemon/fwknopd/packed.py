"""Imports out of packs: on a router, byte code takes a fifth of its room that way.

A pack is a file of few pieces with the byte code of many modules. Those a program needs anyway
are one piece, which is read faster than a file for each; the others are pieces of what is
imported together. The streams of a pack hold what is of one kind, as instructions and texts are,
of all its pieces, and are compressed one by one. package/dev/packing.py makes packs, and has the
packages on a router call `serve`.

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
from operator import add

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
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

    __slots__ = ("_descriptor", "_lengths", "_marks", "_was", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self._marks: tuple[bytes, ...] = ()
        self._lengths: tuple[int, ...] = ()
        self._descriptor = os.open(path, os.O_RDONLY)
        self._was = _identity(self._descriptor)

    def parts(self) -> tuple[bytes, bytes]:
        """What is in it, and that, compressed. Raises ImportError if it isn't the same."""
        content = self._content(self._descriptor)
        if content is None:
            # In a child of the program, which closes what it was left.
            content = self._anew()
        listed = 4 + int.from_bytes(content[:4], "little")
        return content[4:listed], content[listed:]

    def pieces(self) -> Iterator[Piece]:
        """Its pieces. Raises ImportError."""
        try:
            head = zlib.decompress(self.parts()[0])
            self._marks, self._lengths, listed = marshal.loads(head)  # noqa: S302
        except (ValueError, TypeError, EOFError, zlib.error) as error:
            raise ImportError(
                f"{self.path} is damaged, or of another version than the program: "
                "install fwknop-wrt and fwknop-wrt-webui of one version"
            ) from error
        starts = [0] * len(self._marks)
        for lengths, names in listed:
            ends = list(map(add, starts, lengths))
            yield Piece(self, names, starts, ends)
            starts = ends

    def unpacked(self) -> list[bytes]:
        """Its streams. Raises ImportError."""
        content, streams, start = self.parts()[1], [], 0
        for length in self._lengths:
            streams.append(zlib.decompress(content[start : start + length]))
            start += length
        return streams

    def codes(self, streams: list[bytes]) -> tuple[CodeType, ...]:
        """The byte code of one piece, of which these are the streams."""
        # As trustworthy as the byte code beside it: root's, from a package.
        found: tuple[CodeType, ...] = marshal.loads(joined(streams, self._marks))  # noqa: S302
        return found

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


def joined(streams: list[bytes], marks: Sequence[bytes]) -> bytes:
    """Put together what was parted by kind.

    Each stream's mark stands in those before it, wherever something of the stream belongs, and in
    the stream itself after each of these.
    """
    whole = streams[0]
    for stream, mark in zip(streams[1:], marks[1:], strict=True):
        around, between = whole.split(mark), stream.split(mark)
        both = [b""] * (2 * len(around))
        both[::2], both[1::2] = around, between
        whole = b"".join(both)
    return whole


class Piece:
    """Modules that are read together, and where in the unpacked streams their byte code is."""

    __slots__ = ("ends", "names", "pack", "starts")

    def __init__(self, pack: Pack, names: tuple[str, ...], starts: list[int], ends: list[int]):
        self.pack = pack
        self.names = names
        self.starts = starts
        self.ends = ends


class Packs:
    """Finder and loader of the modules in a folder's packs."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._pieces: dict[str, Piece] = {}
        self._unpacked: dict[str, list[bytes]] = {}
        self._waiting: dict[str, CodeType] = {}
        self._depth = 0
        for name in sorted(os.listdir(folder)):  # noqa: PTH208 (pathlib takes longer than all this)
            if name.endswith(SUFFIX):
                for piece in Pack(f"{folder}/{name}").pieces():
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
        streams = self._unpacked.get(path)
        if streams is None:
            streams = self._unpacked[path] = piece.pack.unpacked()
        places = zip(streams, piece.starts, piece.ends, strict=True)
        codes = piece.pack.codes([stream[start:end] for stream, start, end in places])
        self._waiting.update(zip(map(_plain, piece.names), codes, strict=True))


def _plain(name: str) -> str:
    return name.removesuffix(PACKAGE)
