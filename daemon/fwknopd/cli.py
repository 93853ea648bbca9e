"""The program fwknopd: the C daemon's command line in front of the service."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from fwknopd import __version__
from fwknopd.options import Options, UsageError, parse_options, usage


def main(arguments: Sequence[str] | None = None) -> int:
    """Run fwknopd; returns the exit code: 0 done, 1 any error."""
    try:
        options = parse_options(sys.argv[1:] if arguments is None else arguments)
    except UsageError as error:
        print(f"fwknopd: {error}", file=sys.stderr)
        return 1
    return _ACTIONS[options.action](options)


def _help(_: Options) -> int:
    print(usage())
    return 0


def _version(_: Options) -> int:
    print(f"fwknopd server {__version__} (fwknop-wrt), compatible with fwknop 3.0.0 SPA packets")
    return 0


def _key_gen(options: Options) -> int:
    from fwknopd.key_gen import KeyGenError, generated_keys, write_key_file

    try:
        text = generated_keys(options)
        if options.key_gen_file is None:
            sys.stdout.write(text)
        else:
            write_key_file(options.key_gen_file, text)
            print(f"[+] Wrote Rijndael and HMAC keys to: {options.key_gen_file}")
    except KeyGenError as error:
        print(f"fwknopd: {error}", file=sys.stderr)
        return 1
    return 0


def _check(options: Options) -> int:
    from fwknopd.config.problems import ConfigError
    from fwknopd.startup import load_configuration

    try:
        configuration = load_configuration(options)
    except ConfigError as error:
        for problem in error.problems:
            print(f"fwknopd: {problem}", file=sys.stderr)
        return 1
    for problem in configuration.problems if configuration else ():
        print(f"fwknopd: {problem}", file=sys.stderr)
    print("Configs parsed, exiting.")
    return 0


def _run(options: Options) -> int:
    from fwknopd.runner import run

    return run(options)


_ACTIONS: dict[str, Callable[[Options], int]] = {
    "help": _help,
    "version": _version,
    "key-gen": _key_gen,
    "check": _check,
    "run": _run,
}

if __name__ == "__main__":
    sys.exit(main())
