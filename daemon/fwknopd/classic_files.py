"""The classic files, fwknopd.conf and access.conf with what they include, as texts.

With limits no honest configuration reaches.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from fwknopd.config.access_conf import is_conf_name
from fwknopd.config.directive import Findings
from fwknopd.config.file_text import decode_text
from fwknopd.config.fwknopd_conf import read_settings
from fwknopd.config.includes import IncludeError
from fwknopd.config.problems import ConfigError, Problem, Severity
from fwknopd.config.settings import ServerSettings
from fwknopd.regular_file import (
    FileError,
    open_regular,
    others_can_change,
    privacy_problems,
    read_limited,
)

MAX_FILE_SIZE = 4 << 20
MAX_TOTAL_SIZE = 8 << 20
MAX_FILES = 1024
MAX_FOLDER_ENTRIES = 4096

Texts = list[tuple[str, str]]
"""(text, file) pairs."""


def classic_texts(
    reader: FileReader,
    config_path: Path | None,
    access_path: Path | None = None,
    *,
    overrides: Sequence[Path] = (),
    access_folder: Path | None = None,
) -> tuple[Texts, Texts]:
    """The pairs a daemon reads, of the server and of the clients.

    Without ``config_path`` the clients are looked for at their usual place. Raises
    ConfigError when one can't be read.
    """
    server = read_texts(reader, (*([config_path] if config_path else []), *overrides))
    settings = read_settings(server, Findings())
    return server, access_texts(reader, settings, access_path, access_folder)


def access_texts(
    reader: FileReader, settings: ServerSettings, file: Path | None, folder: Path | None
) -> Texts:
    """The texts of the clients: of ``folder``, else ``file``, else where ``settings`` say."""
    if folder is None and file is None and settings.access_folder:
        folder = Path(settings.access_folder)
    if folder is None:
        return read_texts(reader, [file or Path(settings.access_file)])
    try:
        names = reader.list_folder(str(folder))
    except IncludeError as error:
        raise config_error(folder, error) from error
    return read_texts(reader, [folder / name for name in sorted(filter(is_conf_name, names))])


def read_texts(reader: FileReader, paths: Sequence[Path]) -> Texts:
    """The files' texts. Raises ConfigError."""
    texts = []
    for path in paths:
        try:
            texts.append((reader.read_file(str(path)), str(path)))
        except IncludeError as error:
            raise config_error(path, error) from error
    return texts


def config_error(path: Path, error: FileError | IncludeError) -> ConfigError:
    """The error as one of the configuration."""
    return ConfigError([Problem(Severity.ERROR, str(path), None, "", error.message, error.remedy)])


class FileReader:
    """Reads the files of one configuration; all of them together are limited.

    With ``within``, files outside that folder are refused, also when a symbolic link leads
    there. Warnings about who else can read the files are in ``problems``; ``exposed`` names
    one that others than root and this process's user may write, "" when there is none.
    ``paths`` are all files and folders it was asked for.
    """

    def __init__(self, within: Path | None = None) -> None:
        self.problems: list[Problem] = []
        self.paths: list[str] = []
        self.exposed = ""
        self._within = within
        self._files = 0
        self._left = MAX_TOTAL_SIZE

    def read_file(self, path: str) -> str:
        """The text of a file. Raises IncludeError."""
        self._files += 1
        if self._files > MAX_FILES:
            raise IncludeError(
                f"more than {MAX_FILES} files belong to this configuration",
                "Do they include each other? Take some out.",
            )
        self.paths.append(path)
        try:
            return decode_text(self._read(self._allowed(path)))
        except FileError as error:
            raise IncludeError(error.message, error.remedy) from error

    def list_folder(self, path: str) -> Sequence[str]:
        """The names in a folder. Raises IncludeError."""
        names = []
        self.paths.append(path)
        try:
            with os.scandir(self._allowed(path)) as entries:
                for entry in entries:
                    names.append(entry.name)
                    if len(names) > MAX_FOLDER_ENTRIES:
                        raise IncludeError(
                            f"{path} holds more than {MAX_FOLDER_ENTRIES} files", "Take some out."
                        )
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise IncludeError(f"{path}: {reason}", "Name an existing folder.") from error
        return names

    def _allowed(self, path: str) -> Path:
        if "\0" in path:
            raise IncludeError("the path holds a NUL byte", "Write a plain path.")
        if self._within is None:
            return Path(path)
        # From here on the resolved path is used, so that a link can't be turned afterwards.
        resolved = Path(path).resolve()
        if not resolved.is_relative_to(self._within.resolve()):
            raise IncludeError(
                f"{path} is outside {self._within}", f"Only files in {self._within} can be read."
            )
        return resolved

    def _read(self, path: Path) -> bytes:
        descriptor = open_regular(path)
        try:
            found = os.fstat(descriptor)
            self.problems += privacy_problems(path, found)
            if others_can_change(found):
                self.exposed = str(path)
            data = read_limited(descriptor, path, min(MAX_FILE_SIZE, self._left))
        except FileError:
            self._left = 0
            raise
        finally:
            os.close(descriptor)
        self._left -= len(data)
        return data
