"""The program fwknopd: the C daemon's command line in front of the service.

Every action loads only what it needs; the daemon must not carry the rest about.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from fwknopd import __version__
from fwknopd.options import DEFAULT_UCI, Options, UnknownOption, UsageError, parse_options

OPENWRT = Path("/etc/openwrt_release")
"""What every router with OpenWrt has, and no other system."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run fwknopd; returns the exit code: 0 done, 1 any error."""
    try:
        options = _with_uci(parse_options(sys.argv[1:] if arguments is None else arguments))
    except UsageError as error:
        if isinstance(error, UnknownOption):
            _help(Options())
            sys.stdout.flush()
        print(f"fwknopd: {error}", file=sys.stderr)
        return 1
    try:
        code = _ACTIONS[options.action](options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python would complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _with_uci(options: Options) -> Options:
    """On OpenWrt a command line that names no file means what the service runs from.

    Also when that is gone: then nobody is let in, whoever is in old classic files.
    """
    if options.names_files or not (Path(DEFAULT_UCI).exists() or OPENWRT.exists()):
        return options
    return replace(options, uci=DEFAULT_UCI)


def _help(_: Options) -> int:
    from fwknopd.option_table import usage

    print(usage())
    return 0


def _version(_: Options) -> int:
    print(f"fwknopd server {__version__} (fwknop-wrt), compatible with fwknop 3.0.0 SPA packets")
    return 0


def _error_codes(_: Options) -> int:
    from fwknopd.error_codes import error_codes_text

    print(error_codes_text())
    return 0


def _key_gen(options: Options) -> int:
    from fwknopd.key_gen import print_keys

    return print_keys(options)


def _with_settings(options: Options) -> int:
    from fwknopd.actions import act

    return act(options)


def _run(options: Options) -> int:
    from fwknopd.runner import run

    return run(options)


_ACTIONS: dict[str, Callable[[Options], int]] = {
    "help": _help,
    "version": _version,
    "error-codes": _error_codes,
    "key-gen": _key_gen,
    "kill": _with_settings,
    "status": _with_settings,
    "restart": _with_settings,
    "fw-list": _with_settings,
    "fw-list-all": _with_settings,
    "fw-flush": _with_settings,
    "dump-config": _with_settings,
    "check": _with_settings,
    "check-digests": _with_settings,
    "run": _run,
}

if __name__ == "__main__":
    sys.exit(main())
