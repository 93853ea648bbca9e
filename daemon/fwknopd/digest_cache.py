"""`--exit-parse-digest-cache` and `--rotate-digest-cache`: the file of used packets."""

from __future__ import annotations

import sys
from pathlib import Path

from fwknopd.replay_journal import JournalError, ReplayJournal


def rotate(path: Path) -> None:
    """Move the file to NAME-old, so that a new one begins. Raises JournalError."""
    try:
        path.replace(path.with_name(f"{path.name}-old"))
    except FileNotFoundError:
        return
    except OSError as error:
        raise JournalError(
            f"{path} can't be renamed to {path.name}-old: {error.strerror}. "
            "Run as a user who may write to that folder."
        ) from error


def check(path: Path, *, rotated: bool = False) -> int:
    """Read the file as the daemon does and say what is in it; 1 when it can't be read."""
    try:
        if rotated:
            print("Rotating digest cache file.")
            rotate(path)
        loaded = ReplayJournal(path).load()
    except JournalError as error:
        print(f"fwknopd: {error}", file=sys.stderr)
        return 1
    print(f"Using Digest Cache: '{path}' (entry count = {len(loaded.entries)})")
    if loaded.damaged:
        print(f"{loaded.damaged} damaged lines were skipped")
    print("Digest cache parsed, exiting.")
    return 0
