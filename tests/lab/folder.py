"""The lab's folder: one lab at a time, its record for other programs, nothing left behind.

The folder itself is locked while a lab lives, so a record without a lock is what a
killed lab left: its processes died with it, and its namespaces go when the next network is made.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.lab.errors import LabError

RECORD_NAME = "state.json"
UNFINISHED_NAME = f"{RECORD_NAME}.new"


@dataclass(frozen=True, slots=True)
class Record:
    """What another program must know of a running lab. Holds no secret."""

    pid: int
    ready: bool = False
    # What the names of its namespaces begin with; "" for a lab without any.
    stem: str = ""
    url: str = ""


def read_record(folder: Path) -> Record | None:
    """The record of the lab in ``folder``, or None. Raises LabError when it can't be read."""
    try:
        fields = json.loads((folder / RECORD_NAME).read_text())
        return Record(**fields)
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise LabError(
            f"the lab in {folder} is another user's", "Run this as that user."
        ) from error
    except (OSError, ValueError, TypeError) as error:
        raise LabError(f"{folder / RECORD_NAME} can't be read: {error}") from error


def write_record(folder: Path, record: Record) -> None:
    """Replace the record as a whole."""
    temporary = folder / UNFINISHED_NAME
    temporary.write_text(json.dumps(asdict(record), indent=1) + "\n")
    temporary.replace(folder / RECORD_NAME)


def running_lab(folder: Path) -> Record:
    """The record of the lab that runs in ``folder``. Raises LabError when none does."""
    record = read_record(folder)
    if record is None or not is_locked(folder):
        raise LabError("no lab is running", "Start one in another terminal: make run.")
    if not record.ready:
        raise LabError("the lab is still starting", "Try again when it says that it is ready.")
    return record


def is_locked(folder: Path) -> bool:
    """Does a lab live in ``folder``?"""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Own ``folder`` (0700) for the time of the block, and remove it afterwards.

    Raises LabError when another lab owns the folder, or it can't be made, or isn't a lab's.
    """
    descriptor = _lock(folder)
    try:
        _clear(folder)
        try:
            yield
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)


def _clear(folder: Path) -> None:
    """Remove the files a killed lab left. Never touches a folder that isn't a lab's."""
    record = read_record(folder)
    content = [path for path in folder.iterdir() if path.name != UNFINISHED_NAME]
    if content and record is None:
        raise LabError(
            f"{folder} holds files that are not a lab's", "Name a folder of its own: --folder DIR."
        )
    for path in content:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != RECORD_NAME:
            path.unlink()


def _lock(folder: Path) -> int:
    while True:
        descriptor = _open(folder)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise _owned_by_another(folder) from error
        if _is_still(folder, descriptor):
            return descriptor
        # The lab before us removed the folder between our open and our lock.
        os.close(descriptor)


def _open(folder: Path) -> int:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise LabError(
            f"the lab can't use the folder {folder}: {error.strerror}",
            "Name another one: --folder DIR.",
        ) from error


def _is_still(folder: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(folder.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _owned_by_another(folder: Path) -> LabError:
    record = read_record(folder)
    whose = f" (pid {record.pid})" if record else ""
    return LabError(
        f"a lab is running already{whose}",
        "Use that one (make knock), or end it with Ctrl-C in its terminal.",
    )
