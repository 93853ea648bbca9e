"""The command line of fwknopd: one table of options, parsed with abbreviations.

The option names are the C daemon's, so init scripts and guides keep working; long
options may be abbreviated as long as they stay unambiguous (`--conf` for
`--config-file`). argparse is left out on purpose: it would stay in the daemon's
memory for good.
"""

from __future__ import annotations

import getopt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

DEFAULT_UCI = "/etc/config/fwknopd"
DEFAULT_RUN_DIR = "/var/run/fwknop"
DEFAULT_CONFIG = "/etc/fwknop/fwknopd.conf"
DEFAULT_ACCESS = "/etc/fwknop/access.conf"


class UsageError(Exception):
    """The command line is wrong; the text says which option and what was expected."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says. None where it says nothing."""

    action: str = "run"
    uci: str | None = None
    config_file: str = DEFAULT_CONFIG
    access_file: str | None = None
    access_folder: str | None = None
    override_config: tuple[str, ...] = ()
    interface: str | None = None
    pcap_filter: str | None = None
    pcap_file: str | None = None
    packet_limit: int = 0
    udp_server: bool = False
    foreground: bool = False
    syslog_enable: bool = False
    test: bool = False
    verbose: int = 0
    run_dir: str | None = None
    control: str | None = None
    events: str | None = None
    firewall: str | None = None
    digest_file: str | None = None
    key_len: int | None = None
    hmac_key_len: int | None = None
    hmac_digest_type: str = "sha256"
    key_gen_file: str | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """One row of the table. ``argument`` is the name shown for its value, "" for none."""

    long: str
    short: str
    argument: str
    field: str
    help: str
    value: Any = None


OPTIONS: tuple[Option, ...] = (
    Option("help", "h", "", "action", "Print this text", "help"),
    Option("version", "V", "", "action", "Print the version", "version"),
    Option("uci", "", "FILE", "uci", f"Configure from UCI (without FILE: {DEFAULT_UCI})"),
    Option("config-file", "c", "FILE", "config_file", f"fwknopd.conf ({DEFAULT_CONFIG})"),
    Option("access-file", "a", "FILE", "access_file", f"access.conf ({DEFAULT_ACCESS})"),
    Option("access-folder", "", "DIR", "access_folder", "Read every *.conf of DIR as access.conf"),
    Option("override-config", "O", "FILE", "override_config", "Settings that win over -c (F,F..)"),
    Option("interface", "i", "DEV", "interface", "Sniff on this device (wins over PCAP_INTF)"),
    Option("pcap-filter", "P", "FILTER", "pcap_filter", "Capture filter (wins over PCAP_FILTER)"),
    Option("pcap-file", "", "FILE", "pcap_file", "Judge the packets of a capture file, then exit"),
    Option("packet-limit", "C", "N", "packet_limit", "Stop after N packets"),
    Option("udp-server", "U", "", "udp_server", "Take packets from a UDP socket, not pcap", True),
    Option("foreground", "f", "", "foreground", "Stay in the foreground, log to stderr", True),
    Option("syslog-enable", "", "", "syslog_enable", "Log to syslog as well", True),
    Option("test", "t", "", "test", "Judge packets, but never touch the firewall", True),
    Option("verbose", "v", "", "verbose", "Say more (twice: still more)"),
    Option("run-dir", "r", "DIR", "run_dir", f"Run-time files ({DEFAULT_RUN_DIR})"),
    Option("control", "", "SOCKET", "control", "Control socket (control.sock in the run dir)"),
    Option("events", "", "FILE", "events", "Write each event as a line of JSON (-: stdout)"),
    Option("firewall", "", "KIND", "firewall", "auto, nftables or log-only"),
    Option("digest-file", "d", "FILE", "digest_file", "Journal of accepted packets"),
    Option("key-gen", "k", "", "action", "Print fresh keys", "key-gen"),
    Option("key-len", "", "N", "key_len", "With --key-gen: bytes of the key (32)"),
    Option("hmac-key-len", "", "N", "hmac_key_len", "With --key-gen: bytes of the HMAC key"),
    Option("hmac-digest-type", "", "TYPE", "hmac_digest_type", "With --key-gen: HMAC type"),
    Option("key-gen-file", "", "FILE", "key_gen_file", "With --key-gen: write to FILE (0600)"),
    Option("exit-parse-config", "", "", "action", "Check the configuration, exit", "check"),
)

_NUMBERS = {"packet_limit": 8388608, "key_len": 32, "hmac_key_len": 128}


def parse_options(arguments: Sequence[str]) -> Options:
    """Read a command line. Raises UsageError."""
    short = "".join(o.short + (":" if o.argument else "") for o in OPTIONS if o.short)
    long = [o.long + ("=" if o.argument else "") for o in OPTIONS]
    try:
        pairs, rest = getopt.gnu_getopt(_with_uci_file(arguments), short, long)
    except getopt.GetoptError as error:
        raise UsageError(f"{error.msg}; `fwknopd --help` lists the options") from error
    if rest:
        raise UsageError(f"unexpected argument {rest[0]!r}; `fwknopd --help` lists the options")
    options = Options()
    for name, value in pairs:
        options = _apply(options, _row(name), value)
    return options


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


def _row(name: str) -> Option:
    plain = name.lstrip("-")
    return next(o for o in OPTIONS if plain == (o.long if name.startswith("--") else o.short))


def _apply(options: Options, row: Option, text: str) -> Options:
    if row.field == "verbose":
        return replace(options, verbose=options.verbose + 1)
    if row.field == "override_config":
        return replace(options, override_config=(*options.override_config, *text.split(",")))
    if row.field in _NUMBERS:
        number: dict[str, Any] = {row.field: _number(row, text)}
        return replace(options, **number)
    changes: dict[str, Any] = {row.field: row.value if not row.argument else text}
    return replace(options, **changes)


def _number(row: Option, text: str) -> int:
    maximum = _NUMBERS[row.field]
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= maximum):
        raise UsageError(f"--{row.long}: expected a number from 1 to {maximum}, not {text!r}")
    return int(text)


def usage() -> str:
    """The text of --help."""
    lines = ["Usage: fwknopd [options]", ""]
    for row in OPTIONS:
        short = f"-{row.short}, " if row.short else "    "
        name = f"--{row.long}{' ' + row.argument if row.argument else ''}"
        lines.append(f" {short}{name:<26} {row.help}")
    return "\n".join(lines)
