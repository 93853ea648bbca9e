"""Byte code parted by kind: instructions, texts and names each compress better by themselves.

It is what `marshal` writes, with two differences. Equal values of a piece are written once and
then referred to. And what is of one kind stands in a stream of its own: where it was, a mark is
left, and in its stream the same mark stands between what came from two places. fwknopd.packed
puts the streams together again. The layout of code objects is that of CPython 3.11 to 3.14.
"""

from __future__ import annotations

import marshal
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import CodeType

STREAMS = ("rest", "head", "consts", "names", "locals", "about", "caught", "text", "code")
"""In the order they are put together: marks of later ones stand in those before."""

_SHARED = 0x80
_LOCAL, _CELL, _FREE = 0x20, 0x40, 0x80
_INT = range(-(2**31), 2**31)
_SINGLE = {None: b"N", True: b"T", False: b"F", ...: b"."}


class PackingError(Exception):
    """This byte code can't be parted."""


def parted(codes: Sequence[CodeType], marks: Sequence[bytes]) -> list[bytes]:
    """One piece: a stream of each kind. Raises PackingError."""
    writer = _Writer(dict(zip(STREAMS, marks, strict=True)))
    writer.value(tuple(codes))
    return [bytes(stream) for stream in writer.streams.values()]


def free_marks(pieces: Iterable[Sequence[CodeType]]) -> list[bytes]:
    """Two different bytes for each stream, which follow each other nowhere in these pieces.

    All begin with the same one, so none comes about where marks meet, or a mark and something
    else. Raises PackingError.
    """
    unmarked = [b""] * len(STREAMS)
    used = b"\0".join(stream for codes in pieces for stream in parted(codes, unmarked))
    free = [mark for mark in (bytes((255, last)) for last in range(255)) if mark not in used]
    if len(free) < len(STREAMS):
        raise PackingError("byte code has all that could tell its parts from each other")
    return free[: len(STREAMS)]


class _Writer:
    """Writes values where it is told to, by default into the first stream."""

    def __init__(self, marks: dict[str, bytes]) -> None:
        self.streams = {name: bytearray() for name in STREAMS}
        self._marks = marks
        self._out = self.streams["rest"]
        self._numbers: dict[object, int] = {}

    @contextmanager
    def _inside(self, name: str) -> Iterator[None]:
        """Write into this stream for a while, and leave its mark."""
        before, mark = self._out, self._marks[name]
        self._out += mark
        self._out = self.streams[name]
        yield
        self._out += mark
        self._out = before

    def value(self, value: object) -> None:
        """What a code object may hold, and code objects. Raises PackingError."""
        if value is None or value is True or value is False or value is ...:
            self._out += _SINGLE[value]
        elif type(value) is int and value in _INT:
            self._out += b"i" + struct.pack("<i", value)
        elif isinstance(value, CodeType):
            self._code(value)
        elif type(value) is slice:
            # A constant since Python 3.14.
            self._out += b":"
            for part in (value.start, value.stop, value.step):
                self.value(part)
        elif value == ():
            self._out += b")\0"
        elif isinstance(value, str | bytes | tuple | frozenset):
            self._once(value)
        elif isinstance(value, int | float | complex):
            self._out += marshal.dumps(value, 2)
        else:
            raise PackingError(f"byte code has a constant of the type {type(value).__name__}")

    def _once(self, value: str | bytes | tuple[object, ...] | frozenset[object]) -> None:
        key = _key(value)
        if key in self._numbers:
            self._out += b"r" + struct.pack("<i", self._numbers[key])
        else:
            # Readers number them in the order in which they begin.
            self._numbers[key] = len(self._numbers)
            self._shared(value)

    def _shared(self, value: str | bytes | tuple[object, ...] | frozenset[object]) -> None:
        if isinstance(value, str):
            with self._inside("text"):
                self._text(value)
        elif isinstance(value, bytes):
            self._begin("s", len(value))
            self._out += value
        elif isinstance(value, tuple):
            if len(value) < 256:
                self._out += bytes((ord(")") | _SHARED, len(value)))
            else:
                self._begin("(", len(value))
            for inner in value:
                self.value(inner)
        else:
            self._begin(">", len(value))
            for inner in sorted(value, key=repr):
                self.value(inner)

    def _text(self, text: str) -> None:
        content = text.encode("utf-8", "surrogatepass")
        interned = text.isidentifier()
        if text.isascii() and len(text) < 256:
            self._out += bytes((ord("Z" if interned else "z") | _SHARED, len(text)))
        elif text.isascii():
            self._begin("A" if interned else "a", len(text))
        else:
            self._begin("t" if interned else "u", len(content))
        self._out += content

    def _begin(self, kind: str, length: int) -> None:
        self._out += struct.pack("<Bi", ord(kind) | _SHARED, length)

    def _code(self, code: CodeType) -> None:
        arguments = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount
        with self._inside("head"):
            self._out += struct.pack("<c5i", b"c", *arguments, code.co_stacksize, code.co_flags)
            self._out += struct.pack("<ci", b"s", len(code.co_code))
        with self._inside("code"):
            self._out += code.co_code
        if any(isinstance(constant, CodeType) for constant in code.co_consts):
            # What is in it has marks of all streams, this one's as well.
            self.value(code.co_consts)
        else:
            with self._inside("consts"):
                self.value(code.co_consts)
        with self._inside("names"):
            self.value(code.co_names)
        with self._inside("locals"):
            names, kinds = _locals(code)
            self.value(names)
            self.value(kinds)
        with self._inside("about"):
            for told in (code.co_filename, code.co_name, code.co_qualname):
                self.value(told)
            self._out += struct.pack("<i", code.co_firstlineno)
            self.value(code.co_linetable)
        with self._inside("caught"):
            self.value(code.co_exceptiontable)


def _key(value: object) -> object:
    """The same for what may be written once: 1, 1.0 and True are not, nor are 0.0 and -0.0."""
    if isinstance(value, tuple | frozenset):
        return type(value), type(value)(map(_key, value))
    if isinstance(value, slice):
        # Older Pythons can't hash one, and slice(1) is slice(True) to every Python.
        return slice, tuple(map(_key, (value.start, value.stop, value.step)))
    if isinstance(value, CodeType):
        return CodeType, id(value)
    return type(value), repr(value) if isinstance(value, float | complex) else value


def _locals(code: CodeType) -> tuple[tuple[str, ...], bytes]:
    """Names of all local variables, and the kind of each."""
    inner = [name for name in code.co_cellvars if name not in code.co_varnames]
    names = (*code.co_varnames, *inner, *code.co_freevars)
    kinds = bytearray(
        _LOCAL | (_CELL if name in code.co_cellvars else 0) for name in code.co_varnames
    )
    kinds += bytes([_CELL]) * len(inner) + bytes([_FREE]) * len(code.co_freevars)
    return names, bytes(kinds)
