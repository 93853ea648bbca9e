"""Replacing a small private file whole: readers see the old one or the new one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path


def replace_file(path: Path, text: str) -> None:
    """Write ``text`` to ``path``, mode 0600. Raises OSError; then the old file is untouched."""
    replace_in_pieces(path, (text.encode(),))


def replace_in_pieces(path: Path, pieces: Iterable[bytes]) -> None:
    """The same with a text too long to be in memory at once."""
    # mkstemp makes the file 0600 from its first moment.
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
