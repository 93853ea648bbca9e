"""The directives of an access stanza about commands and GPG keys."""

from __future__ import annotations

from fwknopd.config.variable import (
    MAX_C_INT,
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
    access(
        "CMD_CYCLE_OPEN",
        Kind.COMMAND,
        "A command that each knock of this client runs instead of opening a door. $SRC, $PORT, "
        "$PROTO and $CLIENT_TIMEOUT in it stand for what the knock asks for.",
        COMMANDS,
        maximum=255,
        example="nft add element inet fw4 friends { $SRC timeout $CLIENT_TIMEOUTs }",
    ),
    access(
        "CMD_CYCLE_CLOSE",
        Kind.COMMAND,
        "The command that undoes it when the time is over; NONE if nothing has to be undone.",
        COMMANDS,
        maximum=255,
        example="nft delete element inet fw4 friends { $SRC }",
    ),
    access(
        "CMD_CYCLE_TIMER",
        Kind.INTEGER,
        "The time between the two commands.",
        COMMANDS,
        minimum=1,
        maximum=MAX_C_INT,
        unit="seconds",
        example="30",
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
