"""The server's settings alone, for actions that must work while the clients' files are broken.

Who wants to stop a daemon, or to close its doors, must not have to mend access.conf first.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fwknopd.classic_files import FileReader
from fwknopd.config.directive import Findings
from fwknopd.config.fwknopd_conf import read_settings
from fwknopd.config.includes import IncludeError
from fwknopd.config.problems import ConfigError, Problem, Severity
from fwknopd.config.settings import ServerSettings
from fwknopd.configuration import load_uci
from fwknopd.options import DEFAULT_CONFIG, Options


def server_settings(options: Options) -> ServerSettings:
    """The settings in effect, as far as they can be read.

    Raises ConfigError when a file named on the command line can't be read.
    """
    if options.uci is not None:
        try:
            loaded = load_uci(Path(options.uci))
        except ConfigError as error:
            print(f"fwknopd: {error}", file=sys.stderr)
            print("fwknopd: without these settings, the defaults count", file=sys.stderr)
            return ServerSettings()
        if loaded is not None:
            return loaded.settings
    texts = _texts(options)
    return read_settings(texts, Findings()) if texts else ServerSettings()


def _texts(options: Options) -> list[tuple[str, str]]:
    reader = FileReader()
    texts = []
    for path in (options.config_file, *filter(None, options.override_config)):
        if path == DEFAULT_CONFIG and not Path(path).exists():
            continue
        try:
            texts.append((reader.read_file(path), path))
        except IncludeError as error:
            problem = Problem(Severity.ERROR, path, None, "", error.message, error.remedy)
            raise ConfigError([problem]) from error
    return texts
