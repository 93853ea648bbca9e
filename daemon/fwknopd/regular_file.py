"""Opening and reading configuration files carefully: regular files only, and never without end."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from fwknopd.config.problems import Problem, Severity, shell_word


class FileError(Exception):
    """A file can't be read or written: ``message`` says why, ``remedy`` what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message}. {remedy}")
        self.message = message
        self.remedy = remedy


class MissingFile(FileError):
    """There is no such file."""


class LargeFile(FileError):
    """The file has more bytes than are ever read."""


def open_regular(path: Path, flags: int = os.O_RDONLY) -> int:
    """A descriptor of a regular file, symbolic links followed. Raises FileError.

    A pipe or device is refused without waiting for it.
    """
    try:
        descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise file_error(path, error) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileError(f"{path} is not a regular file", "Replace it by one.")
    return descriptor


def read_limited(descriptor: int, path: Path, limit: int) -> bytes:
    """Everything in the file, at most ``limit`` bytes. Raises FileError."""
    parts = []
    left = limit + 1
    try:
        while left > 0 and (part := os.read(descriptor, left)):
            parts.append(part)
            left -= len(part)
    except OSError as error:
        raise file_error(path, error) from error
    if left <= 0:
        raise LargeFile(
            f"{path} is larger than {limit} bytes", "Is it the right file? Make it smaller."
        )
    return b"".join(parts)


def file_error(path: Path, error: OSError) -> FileError:
    """The error in words."""
    if isinstance(error, FileNotFoundError):
        return MissingFile(f"{path} does not exist", "Make the file, or name another one.")
    if isinstance(error, PermissionError):
        return FileError(
            f"no permission for {path}", "Run as root, or give this user access to it."
        )
    reason = error.strerror or type(error).__name__
    return FileError(f"{path}: {reason}", "See whether the disk is full or damaged.")


def privacy_problems(path: Path, found: os.stat_result) -> list[Problem]:
    """Warnings about who else can read or change a file that holds keys.

    fwknopd asks for exactly mode 0600 and its own user (behaviour notes 1); a file that is
    still more private is fine here.
    """
    problems = []
    if found.st_mode & 0o077:
        remedy = f"Run `chmod 600 {shell_word(str(path))}`."
        problems.append(_warning(path, "other users can read or change it", remedy))
    if found.st_uid not in (0, os.geteuid()):
        remedy = f"Run `chown root {shell_word(str(path))}`."
        problems.append(_warning(path, "it belongs to another user", remedy))
    return problems


def others_can_change(found: os.stat_result) -> bool:
    """May anybody but root and this process's own user write the file?"""
    by_group = found.st_mode & stat.S_IWGRP and found.st_gid not in (0, os.getegid())
    writable = by_group or found.st_mode & stat.S_IWOTH
    return bool(writable) or found.st_uid not in (0, os.geteuid())


def _warning(path: Path, message: str, remedy: str) -> Problem:
    return Problem(Severity.WARNING, str(path), None, "", message, remedy)
