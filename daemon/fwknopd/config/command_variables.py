"""The directives of an access stanza about commands and GPG keys."""

from __future__ import annotations

from fwknopd.config.variable import (
    NO_COMMANDS,
    NO_GPG,
    Kind,
    Status,
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
        status=Status.LATER,
        status_note="knocks with a command are refused",
    ),
    access_later(
        "CMD_EXEC_USER", Kind.TEXT, COMMANDS, "Who the commands run as.", NO_COMMANDS, "root"
    ),
    access_later("CMD_EXEC_GROUP", Kind.TEXT, COMMANDS, "The group they run as.", NO_COMMANDS),
    access_later(
        "ENABLE_CMD_SUDO_EXEC",
        Kind.BOOLEAN,
        COMMANDS,
        "Run commands through sudo.",
        NO_COMMANDS,
        default=False,
    ),
    access_later(
        "CMD_SUDO_EXEC_USER", Kind.TEXT, COMMANDS, "The user for sudo.", NO_COMMANDS, "root"
    ),
    access_later("CMD_SUDO_EXEC_GROUP", Kind.TEXT, COMMANDS, "The group for sudo.", NO_COMMANDS),
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
