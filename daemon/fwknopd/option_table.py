"""Every option of fwknopd's command line, in one table; `--help` is made from it.

Names and short forms are the C daemon's, so init scripts and guides keep working.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

DEFAULT_UCI = "/etc/config/fwknopd"
DEFAULT_RUN_DIR = "/var/run/fwknop"
DEFAULT_CONFIG = "/etc/fwknop/fwknopd.conf"
DEFAULT_ACCESS = "/etc/fwknop/access.conf"

NO_TRIAL_RULES = "no trial rules are made, every change is checked by its own result"


@dataclass(frozen=True, slots=True)
class Option:
    """One row of the table.

    - ``argument``: the name shown for its value, "" for none
    - ``field``: the field of `Options` it sets, "" when it has no effect
    - ``value``: what the field becomes when there is no argument
    - ``own``: the C daemon does not know it, so it must not make the C daemon's
      abbreviations ambiguous
    - ``no_effect``: why it is accepted but changes nothing, "" for all others
    """

    long: str
    short: str
    argument: str
    field: str
    help: str
    value: Any = True
    own: bool = False
    no_effect: str = ""


def _action(long: str, short: str, name: str, text: str) -> Option:
    return Option(long, short, "", "action", text, name)


def _own(long: str, argument: str, field: str, text: str) -> Option:
    return Option(long, "", argument, field, text, own=True)


def _unused(long: str, short: str, argument: str, text: str, why: str, field: str = "") -> Option:
    return Option(long, short, argument, field, text, no_effect=why)


CONFIGURATION = (
    _own("uci", "FILE", "uci", f"Configure from UCI ({DEFAULT_UCI}; default if it exists)"),
    Option("config-file", "c", "FILE", "config_file", f"fwknopd.conf ({DEFAULT_CONFIG})"),
    Option("access-file", "a", "FILE", "access_file", f"access.conf ({DEFAULT_ACCESS})"),
    Option("access-folder", "", "DIR", "access_folder", "Read every *.conf of DIR as access.conf"),
    Option("override-config", "O", "FILE", "override_config", "Settings that win over -c (F,F..)"),
    Option("gpg-home-dir", "", "DIR", "gpg_home_dir", "Key ring of GPG clients that name none"),
    Option("gpg-exe", "", "FILE", "gpg_exe", "The gpg program of clients that name none"),
    Option("sudo-exe", "", "FILE", "sudo_exe", "The sudo program (wins over SUDO_EXE)"),
)

CAPTURE = (
    Option("interface", "i", "DEV", "interface", "Sniff on this device (wins over PCAP_INTF)"),
    Option("pcap-filter", "P", "FILTER", "pcap_filter", "Capture filter (wins over PCAP_FILTER)"),
    Option("pcap-file", "", "FILE", "pcap_file", "With --test: judge a capture file, then exit"),
    Option("pcap-any-direction", "", "", "pcap_any_direction", "Also packets this machine sends"),
    Option("udp-server", "U", "", "udp_server", "Take packets from a UDP socket, not pcap"),
    Option("packet-limit", "C", "N", "packet_limit", "Stop after N packets (0: never)"),
)

RUNNING = (
    Option("foreground", "f", "", "foreground", "Stay in the foreground, log to stderr"),
    Option("syslog-enable", "", "", "syslog_enable", "Log to syslog as well with -f"),
    Option("syslog-only", "", "", "syslog_only", "Log to syslog alone with -f", own=True),
    Option(
        "verbose", "v", "", "verbose", "Say more: packets, firewall; twice: settings; 3x: bytes"
    ),
    Option("test", "t", "", "test", "Judge packets, but never touch the firewall"),
    Option("run-dir", "r", "DIR", "run_dir", f"Run-time files ({DEFAULT_RUN_DIR})"),
    Option("pid-file", "p", "FILE", "pid_file", "Pid file (fwknopd.pid in the run dir)"),
    Option("digest-file", "d", "FILE", "digest_file", "Used packets (digest.cache in the run dir)"),
    Option("rotate-digest-cache", "", "", "rotate_digest_cache", "First rename it to NAME-old"),
    _own("control", "SOCKET", "control", "Control socket (control.sock in the run dir)"),
    _own("control-group", "GROUP", "control_group", "Group that may use the control socket"),
    _own("events", "FILE", "events", "Write each event as a line of JSON (-: stdout, with -f)"),
    _own("firewall", "KIND", "firewall", "auto, nftables, iptables or log-only"),
)

RUNNING_DAEMON = (
    _action("status", "S", "status", "Say whether a daemon runs (exit code 0) or not (1)"),
    _action("kill", "K", "kill", "Stop the running daemon"),
    _action("restart", "R", "restart", "Make the running daemon read its configuration anew"),
    _action("fw-list", "", "fw-list", "List the firewall rules of fwknopd"),
    _action("fw-list-all", "", "fw-list-all", "List all firewall rules"),
    _action("fw-flush", "", "fw-flush", "Close every open door now"),
)

PRINTING = (
    _action("help", "h", "help", "Print this text"),
    _action("version", "V", "version", "Print the version"),
    _action("dump-config", "D", "dump-config", "Print the settings in effect, without keys"),
    _action("exit-parse-config", "", "check", "Check the configuration, exit"),
    _action("exit-parse-digest-cache", "", "check-digests", "Check the used packets, exit"),
    _action("dump-serv-err-codes", "", "error-codes", "Print the C daemon's error codes"),
    _action("key-gen", "k", "key-gen", "Print fresh keys"),
    Option("key-len", "", "N", "key_len", "With --key-gen: bytes of the key (32)"),
    Option("hmac-key-len", "", "N", "hmac_key_len", "With --key-gen: bytes of the HMAC key"),
    Option("hmac-digest-type", "", "TYPE", "hmac_digest_type", "With --key-gen: HMAC type"),
    Option("key-gen-file", "", "FILE", "key_gen_file", "With --key-gen: write to FILE (0600)"),
)

WITHOUT_EFFECT = (
    _unused("locale", "l", "NAME", "Accepted", "the daemon's messages do not depend on it"),
    _unused("no-locale", "", "", "Accepted", "the daemon's messages do not depend on it"),
    _unused("no-ipt-check-support", "", "", "Accepted", NO_TRIAL_RULES),
    _unused("no-firewd-check-support", "", "", "Accepted", NO_TRIAL_RULES),
    _unused("fault-injection-tag", "", "TAG", "Accepted", "this is no test build of fwknop"),
)

GROUPS: tuple[tuple[str, tuple[Option, ...]], ...] = (
    ("Configuration", CONFIGURATION),
    ("Where packets come from", CAPTURE),
    ("How it runs", RUNNING),
    ("A daemon that runs already", RUNNING_DAEMON),
    ("Print something and exit", PRINTING),
    ("Without effect, for command lines of the C daemon", WITHOUT_EFFECT),
)

OPTIONS: tuple[Option, ...] = tuple(option for _, group in GROUPS for option in group)

EXCLUSIVE = ("dump-config", "kill", "restart", "status")
"""Actions of which a command line may hold only one."""

PRECEDENCE = (
    "version",
    "key-gen",
    "help",
    "error-codes",
    "kill",
    "status",
    "restart",
    "fw-list",
    "fw-list-all",
    "fw-flush",
    "dump-config",
    "check",
    "check-digests",
    "run",
)
"""Which action wins when several are given: the C daemon's order."""


def usage() -> str:
    """The text of --help."""
    lines = ["Usage: fwknopd [options]", "Long options may be abbreviated."]
    for title, group in GROUPS:
        lines += ["", f"{title}:"]
        lines += [_usage_line(option) for option in group]
    return "\n".join(lines)


def _usage_line(option: Option) -> str:
    short = f"-{option.short}, " if option.short else "    "
    name = f"--{option.long}{' ' + option.argument if option.argument else ''}"
    text = f"{option.help}: {option.no_effect}" if option.no_effect else option.help
    return f" {short}{name:<27} {text}"
