"""Loading a configuration from files, with limits no honest configuration reaches."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from fwknopd.accounts import SystemAccounts
from fwknopd.config.access_conf import build_stanzas, is_conf_name, read_access_conf
from fwknopd.config.directive import Directive, Findings
from fwknopd.config.fwknopd_conf import read_settings
from fwknopd.config.includes import IncludeError
from fwknopd.config.problems import ConfigError, Problem, Severity
from fwknopd.config.settings import Configuration, ServerSettings
from fwknopd.config.stanza_commands import without_commands
from fwknopd.config.uci_config import configuration_from_uci, uci_enabled
from fwknopd.config.uci_format import decode_text
from fwknopd.regular_file import (
    FileError,
    open_regular,
    others_can_change,
    privacy_problems,
    read_limited,
)
from fwknopd.uci_store import DEFAULT_SAVEDIR, UciStore

MAX_FILE_SIZE = 1 << 20
MAX_TOTAL_SIZE = 4 << 20
MAX_FILES = 1024
MAX_FOLDER_ENTRIES = 4096


def load_uci(path: Path, savedir: Path = DEFAULT_SAVEDIR) -> Configuration | None:
    """The configuration in a UCI file, or None when ``uci_enabled`` is off there.

    Pending changes of the uci command are in effect, as they are for every UCI reader.
    Raises ConfigError with all problems.
    """
    try:
        loaded = UciStore(path, savedir).load()
    except FileError as error:
        raise _config_error(path, error) from error
    if not uci_enabled(loaded.package):
        return None
    configuration = configuration_from_uci(loaded.package, str(path), SystemAccounts())
    if loaded.exposed:
        configuration = without_commands(configuration, str(path))
    return _with_problems(configuration, loaded.problems)


def load_files(
    config_path: Path,
    access_path: Path | None = None,
    *,
    overrides: Sequence[Path] = (),
    access_folder: Path | None = None,
    from_pcap_file: bool = False,
    udp_server: bool = False,
) -> Configuration:
    """The configuration in fwknopd.conf and access.conf.

    ``access_path`` and ``access_folder`` win over ACCESS_FILE and ACCESS_FOLDER; a folder wins
    over a file. ``from_pcap_file`` and ``udp_server``: the command line says so, which changes
    defaults as PCAP_FILE and ENABLE_UDP_SERVER do. Raises ConfigError with all problems.
    """
    findings = Findings()
    reader = FileReader()
    texts = _texts(reader, (config_path, *overrides))
    if from_pcap_file:
        texts = [*texts, ("PCAP_FILE -;\n", "the command line")]
    if udp_server:
        texts = [*texts, ("ENABLE_UDP_SERVER Y;\n", "the command line")]
    settings = read_settings(texts, findings)
    access = _access_texts(reader, settings, access_path, access_folder)
    raw = read_access_conf(access, reader, findings)
    stanzas = build_stanzas(raw, settings, findings, SystemAccounts())
    if not raw:
        place = Directive("SOURCE", "", access[0][1] if access else str(access_folder))
        findings.error(place, "there is no stanza", "Add one that begins with SOURCE ANY.")
    configuration = Configuration(settings, stanzas, None, "files", findings.result())
    if reader.exposed:
        configuration = without_commands(configuration, reader.exposed)
    return _with_problems(configuration, tuple(reader.problems))


def classic_texts(
    reader: FileReader,
    config_path: Path,
    access_path: Path | None = None,
    *,
    overrides: Sequence[Path] = (),
    access_folder: Path | None = None,
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """The (text, file) pairs `load_files` reads, of the server and of the clients.

    Raises ConfigError when one can't be read.
    """
    server = _texts(reader, (config_path, *overrides))
    settings = read_settings(server, Findings())
    return server, _access_texts(reader, settings, access_path, access_folder)


def _access_texts(
    reader: FileReader, settings: ServerSettings, file: Path | None, folder: Path | None
) -> list[tuple[str, str]]:
    if folder is None and file is None and settings.access_folder:
        folder = Path(settings.access_folder)
    if folder is None:
        return _texts(reader, [file or Path(settings.access_file)])
    try:
        names = reader.list_folder(str(folder))
    except IncludeError as error:
        raise _config_error(folder, error) from error
    return _texts(reader, [folder / name for name in sorted(filter(is_conf_name, names))])


def _texts(reader: FileReader, paths: Sequence[Path]) -> list[tuple[str, str]]:
    texts = []
    for path in paths:
        try:
            texts.append((reader.read_file(str(path)), str(path)))
        except IncludeError as error:
            raise _config_error(path, error) from error
    return texts


def _with_problems(configuration: Configuration, more: tuple[Problem, ...]) -> Configuration:
    return Configuration(
        configuration.settings,
        configuration.stanzas,
        configuration.network,
        configuration.source,
        (*more, *configuration.problems),
    )


def _config_error(path: Path, error: FileError | IncludeError) -> ConfigError:
    return ConfigError([Problem(Severity.ERROR, str(path), None, "", error.message, error.remedy)])


class FileReader:
    """Reads the files of one configuration; all of them together are limited.

    With ``within``, files outside that folder are refused, also when a symbolic link leads
    there. Warnings about who else can read the files are in ``problems``; ``exposed`` names
    one that others than root and this process's user may write, "" when there is none.
    """

    def __init__(self, within: Path | None = None) -> None:
        self.problems: list[Problem] = []
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
        try:
            return decode_text(self._read(self._allowed(path)))
        except FileError as error:
            raise IncludeError(error.message, error.remedy) from error

    def list_folder(self, path: str) -> Sequence[str]:
        """The names in a folder. Raises IncludeError."""
        names = []
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
