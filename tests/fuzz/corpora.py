"""Inputs that are kept: corpora in one text file per target, crashers in a file each.

A corpus holds one input a line, in ASCII with escapes, so that a diff shows what came and went.
A crasher is the very bytes that broke something once, under a name that says what.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).parent
CORPORA = HERE / "corpora"
CRASHERS = HERE / "crashers"

_UNSAFE = re.compile(rb"[^ -\[\]-~]")


def escaped(data: bytes) -> str:
    r"""The bytes as printable ASCII: what isn't, and the backslash, as \xNN."""
    return _UNSAFE.sub(lambda found: b"\\x%02x" % found[0][0], data).decode("ascii")


def unescaped(line: str) -> bytes:
    """The inverse of `escaped`."""
    return re.sub(
        rb"\\x([0-9a-f]{2})", lambda found: bytes((int(found[1], 16),)), line.encode("ascii")
    )


def corpus(name: str) -> list[bytes]:
    """The kept inputs of a target, without its seeds."""
    path = CORPORA / f"{name}.txt"
    return list(map(unescaped, path.read_text("ascii").splitlines())) if path.exists() else []


def keep_corpus(name: str, inputs: Iterable[bytes]) -> int:
    """Make these the kept inputs; how many there are."""
    lines = sorted({escaped(data) for data in inputs}, key=lambda line: (len(line), line))
    CORPORA.mkdir(exist_ok=True)
    path = CORPORA / f"{name}.txt"
    path.write_text("".join(f"{line}\n" for line in lines), "ascii")
    if not lines:
        path.unlink()
    return len(lines)


def crashers(name: str) -> list[Path]:
    """The files of what broke a target once."""
    folder = CRASHERS / name
    return sorted(folder.iterdir()) if folder.is_dir() else []
