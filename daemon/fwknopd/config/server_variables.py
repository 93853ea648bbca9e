"""The remaining variables of fwknopd.conf, and the whole of it in the order of the reference."""

from __future__ import annotations

from fwknopd.config.capture_variables import CAPTURE_VARIABLES, CHECK_VARIABLES
from fwknopd.config.firewall_variables import FIREWALL_VARIABLES, FORWARDING_VARIABLES
from fwknopd.config.gpg_variables import DEFAULT_HOME, DEFAULT_PROGRAM
from fwknopd.config.variable import (
    MAX_C_INT,
    Kind,
    Restart,
    Variable,
    ignored,
    server,
)

LOGGING = "Logging"
FILES = "Files"
COMMANDS = "Commands and GPG"

_LOGGING_VARIABLES = (
    server(
        "VERBOSE",
        Kind.INTEGER,
        "How much is logged: 0 is normal, 1 says more about each knock.",
        LOGGING,
        default=0,
        minimum=0,
        maximum=MAX_C_INT,
        example="0",
        restart=Restart.YES,
    ),
    server(
        "SYSLOG_IDENTITY",
        Kind.TEXT,
        "The name under which the daemon appears in the system log.",
        LOGGING,
        default="fwknopd",
        example="fwknopd",
        restart=Restart.YES,
    ),
    server(
        "SYSLOG_FACILITY",
        Kind.CHOICE,
        "The kind of log messages, for log servers that sort by it.",
        LOGGING,
        default="LOG_DAEMON",
        choices=("LOG_DAEMON", *(f"LOG_LOCAL{number}" for number in range(8))),
        example="LOG_DAEMON",
        restart=Restart.YES,
    ),
    server(
        "SYSLOG_SERVER",
        Kind.ENDPOINT,
        "Address and port of a log server. Each event is sent there too, over UDP and in the form "
        "of RFC 5424, which names every fact. It is not encrypted: who looks on learns who knocked "
        "and what was opened.",
        LOGGING,
        example="192.168.1.5:514",
        restart=Restart.YES,
    ),
    server(
        "METRICS_TOKEN_SHA256",
        Kind.DIGEST,
        "Lets Prometheus and its like read the daemon's numbers at this page's address "
        "/metrics, with a token of which this is the digest: `fwknopctl metrics --new-token` "
        "makes both. Empty: nobody can.",
        LOGGING,
    ),
    ignored(
        "LOCALE",
        Kind.TEXT,
        LOGGING,
        "The language setting fwknopd ran under.",
        "the daemon's messages do not depend on it",
    ),
)

_FILE_VARIABLES = (
    server(
        "FWKNOP_RUN_DIR",
        Kind.PATH,
        "Folder for the files of the running daemon.",
        FILES,
        default="/var/run/fwknop",
        example="/var/run/fwknop",
        restart=Restart.YES,
    ),
    server(
        "FWKNOP_PID_FILE",
        Kind.PATH,
        "Where the daemon's process number is written; normally fwknopd.pid in the run folder.",
        FILES,
        example="/var/run/fwknop/fwknopd.pid",
        restart=Restart.YES,
    ),
    server(
        "DIGEST_FILE",
        Kind.PATH,
        "Where used knocks are remembered against replay. Normally digest.cache in "
        "/etc/fwknop/state when the settings come from UCI, else in the run folder.",
        FILES,
        example="/etc/fwknop/state/digest.cache",
        restart=Restart.YES,
    ),
    server(
        "ACCESS_FILE",
        Kind.PATH,
        "The file with the clients. Not used while the settings come from UCI.",
        FILES,
        default="/etc/fwknop/access.conf",
        example="/etc/fwknop/access.conf",
    ),
    server(
        "ACCESS_FOLDER",
        Kind.PATH,
        "A folder of *.conf files with the clients, read instead of the access file. Not "
        "used while the settings come from UCI.",
        FILES,
        example="/etc/fwknop/access.d",
    ),
    ignored(
        "FWKNOP_CONF_DIR",
        Kind.PATH,
        FILES,
        "The folder fwknopd took its default file names from.",
        "file names are given in full",
    ),
    ignored(
        "DIGEST_DB_FILE",
        Kind.PATH,
        FILES,
        "The replay database of fwknopd builds with GDBM.",
        "accepted knocks are remembered in DIGEST_FILE",
    ),
    ignored(
        "FAULT_INJECTION_TAG",
        Kind.TEXT,
        FILES,
        "Made test builds of fwknopd fail on purpose.",
        "this is no test build",
    ),
)

_COMMAND_VARIABLES = (
    server(
        "CMD_EXEC_TIMEOUT",
        Kind.INTEGER,
        "How long a command may run before it is killed, with its process group.",
        COMMANDS,
        default=60,
        minimum=1,
        maximum=86400,
        unit="seconds",
        example="60",
    ),
    server(
        "SUDO_EXE",
        Kind.PATH,
        "The sudo program, for clients whose commands run through it.",
        COMMANDS,
        default="/usr/bin/sudo",
        example="/usr/bin/sudo",
    ),
    server(
        "GPG_HOME_DIR",
        Kind.PATH,
        "The folder with the GPG key ring, for clients that name none of their own.",
        COMMANDS,
        default=DEFAULT_HOME,
        example=DEFAULT_HOME,
    ),
    server(
        "GPG_EXE",
        Kind.PATH,
        "The gpg program, for clients that name none of their own.",
        COMMANDS,
        default=DEFAULT_PROGRAM,
        example=DEFAULT_PROGRAM,
    ),
)

SERVER_VARIABLES: tuple[Variable, ...] = (
    *CAPTURE_VARIABLES,
    *CHECK_VARIABLES,
    *FORWARDING_VARIABLES,
    *FIREWALL_VARIABLES,
    *_LOGGING_VARIABLES,
    *_FILE_VARIABLES,
    *_COMMAND_VARIABLES,
)
