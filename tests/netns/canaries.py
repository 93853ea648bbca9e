"""Keys that are looked for afterwards, in every form they could be told in."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

FEWEST = 12
"""Bytes of a secret that count as having told it."""


@dataclass(frozen=True)
class Canary:
    """A secret as it was given, and the bytes it stands for."""

    name: str
    text: str
    raw: bytes

    def forms(self) -> set[bytes]:
        """What may not be found anywhere: half of it is too much already."""
        found: set[bytes] = set()
        for value in {self.text.encode(), self.raw}:
            half = max(FEWEST, len(value) // 2)
            for part in {value[:half], value[-half:]}:
                found |= set(_spellings(part))
        return found

    def is_in(self, told: bytes) -> bool:
        """Has it been told?"""
        return any(form in told for form in self.forms())


def _spellings(part: bytes) -> Iterator[bytes]:
    yield part
    yield part.hex().encode()
    yield part.hex().upper().encode()
    yield quote(part, safe="").encode()
    yield repr(part)[2:-1].encode()
    # Within a longer text in base64 it begins at any of three places.
    for before in range(3):
        encoded = base64.b64encode(b"x" * before + part)
        yield encoded[4 if before else 0 : len(encoded) // 4 * 4 - 4]


def key(name: str, size: int = 32) -> Canary:
    """A key in base64."""
    raw = secrets.token_bytes(size)
    return Canary(name, base64.b64encode(raw).decode(), raw)


def phrase(name: str) -> Canary:
    """A passphrase."""
    text = f"Canary-{secrets.token_hex(12)}"
    return Canary(name, text, text.encode())


def told(canaries: Iterable[Canary], where: bytes) -> list[str]:
    """The names of those that are in there."""
    return [canary.name for canary in canaries if canary.is_in(where)]


def holders(folder: Path, canaries: Iterable[Canary]) -> dict[str, list[str]]:
    """Every file below ``folder`` that tells something, by its path from there."""
    known = tuple(canaries)
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())
    found = {str(path.relative_to(folder)): told(known, path.read_bytes()) for path in files}
    return {path: names for path, names in found.items() if names}
