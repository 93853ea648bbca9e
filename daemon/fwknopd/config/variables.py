"""Every configuration variable there is, in one declarative table.

Both loaders, the forms of the web UI and the reference page read this table and nothing
else. Names, ranges and defaults are those of fwknopd 2.6 (behaviour notes 2 and 3); the
texts address a router owner.
"""

from __future__ import annotations

from fwknopd.config.access_variables import ACCESS_VARIABLES as OWN_ACCESS_VARIABLES
from fwknopd.config.foreign_variables import FOREIGN_ACCESS_VARIABLES, FOREIGN_SERVER_VARIABLES
from fwknopd.config.server_variables import SERVER_VARIABLES as OWN_SERVER_VARIABLES
from fwknopd.config.variable import Kind, Scope, Status, Variable

__all__ = [
    "ACCESS_VARIABLES",
    "SERVER_VARIABLES",
    "UCI_VARIABLES",
    "Kind",
    "Scope",
    "Status",
    "Variable",
    "is_secret",
    "lookup",
]

SERVER_VARIABLES: tuple[Variable, ...] = (*OWN_SERVER_VARIABLES, *FOREIGN_SERVER_VARIABLES)

ACCESS_VARIABLES: tuple[Variable, ...] = (*OWN_ACCESS_VARIABLES, *FOREIGN_ACCESS_VARIABLES)

UCI_VARIABLES: tuple[Variable, ...] = (
    Variable(
        "uci_enabled",
        Scope.UCI,
        Kind.SWITCH,
        "Use the settings of these pages. Off: the daemon reads /etc/fwknop/fwknopd.conf and "
        "access.conf instead; neither is ever changed from here.",
        "General",
        default=False,
        example="1",
    ),
    Variable(
        "network",
        Scope.UCI,
        Kind.TEXT,
        "The network knocks come in on, normally wan. Wins over a device set by PCAP_INTF.",
        "General",
        default="wan",
        example="wan",
    ),
    Variable(
        "session_idle",
        Scope.UCI,
        Kind.INTEGER,
        "How long somebody stays logged in here without doing anything.",
        "Web page",
        default=60,
        minimum=5,
        maximum=1440,
        unit="minutes",
        example="60",
    ),
    Variable(
        "session_length",
        Scope.UCI,
        Kind.INTEGER,
        "After this time everybody has to log in again, however busy.",
        "Web page",
        default=720,
        minimum=5,
        maximum=10080,
        unit="minutes",
        example="720",
    ),
    Variable(
        "listen",
        Scope.UCI,
        Kind.TEXT,
        "The address and port of this page, where it has no web server in front. Counts when it "
        "is started the next time, unless its command line says otherwise. It speaks plain HTTP: "
        "at any other address than 127.0.0.1, passwords and keys can be read on their way.",
        "Web page",
        default="127.0.0.1:8080",
        example="127.0.0.1:8080",
    ),
)

_INDEX: dict[tuple[Scope, str], Variable] = {
    (variable.scope, name): variable
    for variable in (*SERVER_VARIABLES, *ACCESS_VARIABLES, *UCI_VARIABLES)
    for name in (variable.name, *variable.aliases)
}


def lookup(scope: Scope, name: str) -> Variable | None:
    """The variable of that exact (case-sensitive) name or alias, or None when unknown."""
    return _INDEX.get((scope, name))


_SECRET_LOOKING = ("KEY", "PASS", "SECRET", "_PW")
_NOT_SECRET = frozenset({"keytype", "hkeytype"})


def is_secret(name: str) -> bool:
    """Must the value never be shown? True also for unknown names that sound like a key."""
    known = [found for scope in Scope if (found := lookup(scope, name)) is not None]
    if known or name in _NOT_SECRET:
        return any(variable.secret for variable in known)
    return any(word in name.upper() for word in _SECRET_LOOKING)
