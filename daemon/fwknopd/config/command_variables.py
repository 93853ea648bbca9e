"""The directives of an access stanza about commands."""

from __future__ import annotations

from fwknopd.config.variable import (
    MAX_C_INT,
    Kind,
    Variable,
    access,
)

COMMANDS = "Commands"

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
