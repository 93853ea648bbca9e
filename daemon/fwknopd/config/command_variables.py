"""The directives of an access stanza about commands and GPG keys."""

from __future__ import annotations

from fwknopd.config.variable import (
    NO_COMMANDS,
    NO_GPG,
    Kind,
    Variable,
    access,
    access_later,
)

COMMANDS = "Commands"
GPG = "GPG"

COMMAND_VARIABLES: tuple[Variable, ...] = (
    access(
        "ENABLE_CMD_EXEC",
        Kind.BOOLEAN,
        "Let this client run commands on the router, as root unless another user is set.",
        COMMANDS,
        default=False,
        example="N",
    ),
    access(
        "allowed_commands",
        Kind.COMMANDS,
        "The only commands this client may run, word for word, with ; between them. Empty: any.",
        COMMANDS,
        example="/etc/init.d/vpn start; /etc/init.d/vpn stop",
        uci_only=True,
    ),
    access(
        "CMD_EXEC_USER",
        Kind.ACCOUNT,
        "Who the commands run as. Empty: root.",
        COMMANDS,
        example="nobody",
    ),
    access(
        "CMD_EXEC_GROUP",
        Kind.ACCOUNT,
        "The only group they run with. Empty: the user's own.",
        COMMANDS,
        example="nogroup",
    ),
    access(
        "ENABLE_CMD_SUDO_EXEC",
        Kind.BOOLEAN,
        "Run the commands through sudo, which must be installed and set up for it.",
        COMMANDS,
        default=False,
        example="N",
    ),
    access(
        "CMD_SUDO_EXEC_USER",
        Kind.ACCOUNT,
        "The user that sudo runs the commands as. Empty: root.",
        COMMANDS,
        example="nobody",
    ),
    access(
        "CMD_SUDO_EXEC_GROUP",
        Kind.ACCOUNT,
        "The group that sudo runs the commands with. Empty: the user's own.",
        COMMANDS,
        example="nogroup",
    ),
    access_later(
        "CMD_CYCLE_OPEN",
        Kind.TEXT,
        COMMANDS,
        "A command to run at each knock instead of opening a door.",
        NO_COMMANDS,
    ),
    access_later(
        "CMD_CYCLE_CLOSE", Kind.TEXT, COMMANDS, "The command that undoes it.", NO_COMMANDS
    ),
    access_later(
        "CMD_CYCLE_TIMER",
        Kind.INTEGER,
        COMMANDS,
        "Seconds between the two commands.",
        NO_COMMANDS,
    ),
)

GPG_VARIABLES: tuple[Variable, ...] = (
    access_later("GPG_HOME_DIR", Kind.PATH, GPG, "The folder with the GPG key ring.", NO_GPG),
    access_later("GPG_EXE", Kind.PATH, GPG, "The GPG program.", NO_GPG),
    access_later("GPG_DECRYPT_ID", Kind.TEXT, GPG, "The router's own GPG key.", NO_GPG),
    access_later("GPG_DECRYPT_PW", Kind.TEXT, GPG, "Its passphrase.", NO_GPG, secret=True),
    access_later("GPG_ALLOW_NO_PW", Kind.BOOLEAN, GPG, "The key has no passphrase.", NO_GPG, False),
    access_later("GPG_REQUIRE_SIG", Kind.BOOLEAN, GPG, "Knocks must be signed.", NO_GPG, True),
    access_later("GPG_DISABLE_SIG", Kind.BOOLEAN, GPG, "Do not check signatures.", NO_GPG, False),
    access_later(
        "GPG_IGNORE_SIG_VERIFY_ERROR",
        Kind.BOOLEAN,
        GPG,
        "Accept signatures that do not verify.",
        NO_GPG,
        False,
    ),
    access_later("GPG_REMOTE_ID", Kind.TEXT, GPG, "The clients' key numbers.", NO_GPG),
    access_later("GPG_FINGERPRINT_ID", Kind.TEXT, GPG, "The clients' key fingerprints.", NO_GPG),
)
