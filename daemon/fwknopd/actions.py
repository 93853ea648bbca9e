"""What fwknopd does instead of running, where that takes the settings."""

from __future__ import annotations

import sys
from collections.abc import Callable

from fwknopd import digest_cache, firewall_actions, running_daemon
from fwknopd.config.problems import ConfigError
from fwknopd.config.settings import Configuration, ServerSettings
from fwknopd.control.client import ControlError
from fwknopd.dump_config import dump_text
from fwknopd.firewall import FirewallError
from fwknopd.options import Options
from fwknopd.run_paths import RunPaths, run_paths
from fwknopd.server_only import server_settings
from fwknopd.startup import idle_problem, load_configuration, uci_is_gone


def act(options: Options) -> int:
    """Do ``options.action``; the exit code."""
    try:
        if options.action in _WITH_CONFIGURATION:
            return _WITH_CONFIGURATION[options.action](options, _loaded(options))
        settings = server_settings(options)
        return _WITH_PATHS[options.action](options, settings, run_paths(options, settings))
    except ConfigError as error:
        for problem in error.problems:
            print(f"fwknopd: {problem}", file=sys.stderr)
    except (FirewallError, ControlError) as error:
        print(f"fwknopd: {error}", file=sys.stderr)
    return 1


def _loaded(options: Options) -> Configuration | None:
    configuration = load_configuration(options)
    for problem in configuration.problems if configuration else ():
        print(f"fwknopd: {problem}", file=sys.stderr)
    if configuration is None:
        print(f"fwknopd: {idle_problem(options)}", file=sys.stderr)
    return configuration


def _check(options: Options, configuration: Configuration | None) -> int:
    if configuration is None and uci_is_gone(options):
        # The daemon runs all the same, but whoever named it has most likely mistyped it.
        return 1
    if configuration is not None and any(stanza.gpg for stanza in configuration.stanzas):
        # Loaded only for those who knock with GPG.
        from fwknopd.gpg_clients import rings_checked

        for problem in rings_checked(configuration.stanzas):
            print(f"fwknopd: {problem}", file=sys.stderr)
    print("Configs parsed, exiting.")
    return 0


def _dump(options: Options, configuration: Configuration | None) -> int:
    print(dump_text(options, configuration))
    return 0


def _check_digests(options: Options, configuration: Configuration | None) -> int:
    settings = configuration.settings if configuration else ServerSettings()
    path = run_paths(options, settings).digest_file
    return digest_cache.check(path, rotated=options.rotate_digest_cache)


_WITH_CONFIGURATION: dict[str, Callable[[Options, Configuration | None], int]] = {
    "check": _check,
    "dump-config": _dump,
    "check-digests": _check_digests,
}


_WITH_PATHS: dict[str, Callable[[Options, ServerSettings, RunPaths], int]] = {
    "status": lambda _o, _s, paths: running_daemon.status(paths.pid_file),
    "kill": lambda _o, _s, paths: running_daemon.kill(paths.pid_file),
    "restart": lambda _o, _s, paths: running_daemon.restart(paths.pid_file),
    "fw-list": lambda options, settings, _: firewall_actions.list_rules(options, settings),
    "fw-list-all": lambda options, settings, _: firewall_actions.list_everything(options, settings),
    "fw-flush": lambda options, settings, paths: firewall_actions.flush(
        options, settings, paths.control
    ),
}
