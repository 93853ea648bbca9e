"""Reading the command line of fwknopd, by the table in option_table.

Long options may be abbreviated as long as they stay unambiguous among the C daemon's
(`--conf` for `--config-file`). argparse is left out on purpose: it would stay in the
daemon's memory for good.
"""

from __future__ import annotations

import getopt
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fwknopd.option_table import (
    DEFAULT_ACCESS,
    DEFAULT_CONFIG,
    DEFAULT_RUN_DIR,
    DEFAULT_UCI,
    EXCLUSIVE,
    OPTIONS,
    PRECEDENCE,
    Option,
    usage,
)

__all__ = [
    "DEFAULT_ACCESS",
    "DEFAULT_CONFIG",
    "DEFAULT_RUN_DIR",
    "DEFAULT_UCI",
    "Options",
    "UnknownOption",
    "UsageError",
    "absolute",
    "parse_options",
    "usage",
]


class UsageError(Exception):
    """The command line is wrong; the text says which option and what was expected."""


class UnknownOption(UsageError):
    """An option that doesn't exist, lacks its value, or has one too many."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says. None where it says nothing.

    ``names_files`` says whether any of it says where the configuration is.
    ``without_effect`` are the long names of given options that change nothing.
    """

    action: str = "run"
    uci: str | None = None
    config_file: str = DEFAULT_CONFIG
    access_file: str | None = None
    access_folder: str | None = None
    override_config: tuple[str, ...] = ()
    interface: str | None = None
    pcap_filter: str | None = None
    pcap_file: str | None = None
    pcap_any_direction: bool = False
    packet_limit: int = 0
    udp_server: bool = False
    foreground: bool = False
    syslog_enable: bool = False
    syslog_only: bool = False
    test: bool = False
    verbose: int = 0
    run_dir: str | None = None
    pid_file: str | None = None
    control: str | None = None
    control_group: str | None = None
    events: str | None = None
    firewall: str | None = None
    digest_file: str | None = None
    rotate_digest_cache: bool = False
    gpg_home_dir: str | None = None
    gpg_exe: str | None = None
    sudo_exe: str | None = None
    key_len: int | None = None
    hmac_key_len: int | None = None
    hmac_digest_type: str = "sha256"
    key_gen_file: str | None = None
    names_files: bool = False
    without_effect: tuple[str, ...] = ()


_CONFIGURATION = ("uci", "config_file", "access_file", "access_folder", "override_config")
_NUMBERS = {"packet_limit": (0, 8388608), "key_len": (1, 32), "hmac_key_len": (1, 128)}
_PATHS: tuple[str, ...] = (
    "uci",
    "config_file",
    "access_file",
    "access_folder",
    "run_dir",
    "pid_file",
    "control",
)
_PATHS += ("digest_file", "pcap_file", "gpg_home_dir", "gpg_exe")
_HINT = "`fwknopd --help` lists the options"


def parse_options(arguments: Sequence[str]) -> Options:
    """Read a command line. Raises UsageError."""
    given = _given(arguments)
    options = Options(
        action=_chosen(row.value for row, _ in given if row.field == "action"),
        names_files=any(row.field in _CONFIGURATION for row, _ in given),
        without_effect=tuple(dict.fromkeys(row.long for row, _ in given if row.no_effect)),
    )
    for row, text in given:
        if row.field not in ("", "action"):
            options = replace(options, **_change(options, row, text))
    if options.events == "-" and not options.foreground and options.action == "run":
        raise UsageError(
            "--events -: a daemon in the background has no standard output; "
            "add --foreground, or name a file"
        )
    return options


def absolute(options: Options) -> Options:
    """The same, with paths that stay right when the working directory changes."""
    changes: dict[str, Any] = {
        name: str(Path(path).absolute()) for name in _PATHS if (path := getattr(options, name))
    }
    if options.events not in (None, "-"):
        changes["events"] = str(Path(str(options.events)).absolute())
    overrides = tuple(str(Path(path).absolute()) for path in options.override_config if path)
    return replace(options, override_config=overrides, **changes)


def _given(arguments: Sequence[str]) -> list[tuple[Option, str]]:
    short = "".join(o.short + (":" if o.argument else "") for o in OPTIONS if o.short)
    long = [o.long + ("=" if o.argument else "") for o in OPTIONS]
    words = [_completed(word) for word in _with_uci_file(arguments)]
    try:
        pairs, rest = getopt.gnu_getopt(words, short, long)
    except getopt.GetoptError as error:
        raise UnknownOption(f"{error.msg}; {_HINT}") from error
    if rest:
        raise UsageError(f"unexpected argument {rest[0]!r}; {_HINT}")
    return [(_row(name), value) for name, value in pairs]


def _with_uci_file(arguments: Sequence[str]) -> list[str]:
    """getopt has no optional values: `--uci` alone becomes `--uci=DEFAULT`."""
    given: list[str] = []
    pending = list(arguments)
    while pending:
        word = pending.pop(0)
        if word == "--uci":
            file = pending.pop(0) if pending and not pending[0].startswith("-") else DEFAULT_UCI
            word = f"--uci={file}"
        given.append(word)
    return given


def _completed(word: str) -> str:
    """An abbreviation that only our own options make ambiguous is the C daemon's option."""
    if not word.startswith("--") or word == "--":
        return word
    start, equals, value = word.partition("=")
    names = [row.long for row in OPTIONS if row.long.startswith(start[2:])]
    theirs = [row.long for row in OPTIONS if row.long in names and not row.own]
    if start[2:] in names or len(theirs) != 1:
        return word
    return f"--{theirs[0]}{equals}{value}"


def _row(name: str) -> Option:
    plain = name.lstrip("-")
    return next(o for o in OPTIONS if plain == (o.long if name.startswith("--") else o.short))


def _chosen(actions: Iterable[str]) -> str:
    wanted = {"run", *actions}
    if len(wanted.intersection(EXCLUSIVE)) > 1:
        raise UsageError("The -D, -K, -R, and -S options are mutually exclusive. Pick only one.")
    return min(wanted, key=PRECEDENCE.index)


def _change(options: Options, row: Option, text: str) -> dict[str, Any]:
    if row.field == "verbose":
        return {"verbose": options.verbose + 1}
    if row.field == "override_config":
        return {"override_config": (*options.override_config, *text.split(","))}
    if row.field in _NUMBERS:
        return {row.field: _number(row, text)}
    return {row.field: text if row.argument else row.value}


def _number(row: Option, text: str) -> int:
    minimum, maximum = _NUMBERS[row.field]
    if not (re.fullmatch("[0-9]{1,9}", text) and minimum <= int(text) <= maximum):
        raise UsageError(
            f"--{row.long}: expected a number from {minimum} to {maximum}, not {text!r}"
        )
    return int(text)
