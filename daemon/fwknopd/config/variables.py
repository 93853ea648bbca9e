"""The declarative description of every configuration variable, and how to look one up.

One table serves both loaders, the forms of the web UI and the reference page. The entries
themselves are in ``server_variables`` and ``access_variables``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

Default = str | int | bool | None


class Scope(StrEnum):
    """Where a variable belongs: fwknopd.conf, an access stanza, or a UCI section of its own."""

    SERVER = "server"
    ACCESS = "access"
    UCI = "uci"


class Kind(StrEnum):
    """The type of a value, which decides how its text is read and which field edits it."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    TEXT = "text"
    CHOICE = "choice"
    PATH = "path"
    INTERFACE = "interface"
    FILTER = "filter"
    ADDRESS = "address"
    NETWORKS = "networks"
    PORTS = "ports"
    KEY_TEXT = "key text"
    KEY_BASE64 = "base64 key"
    DATE = "date"
    EPOCH = "epoch"
    NAT_TARGET = "nat target"


class Status(StrEnum):
    """What this daemon does with a variable."""

    HONOURED = "honoured"
    IGNORED = "ignored"
    LATER = "not supported yet"


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable. ``minimum`` and ``maximum`` are inclusive; ``default`` None means unset.

    ``unit`` is shown next to a number. ``status_note`` says why a variable is ignored or what
    is missing; it is "" for one that is honoured. ``uci_only`` marks options of ours that the
    classic files do not have.
    """

    name: str
    scope: Scope
    kind: Kind
    help: str
    group: str
    default: Default = None
    minimum: int | None = None
    maximum: int | None = None
    unit: str = ""
    example: str = ""
    choices: tuple[str, ...] = ()
    status: Status = Status.HONOURED
    status_note: str = ""
    aliases: tuple[str, ...] = ()
    secret: bool = False
    uci_only: bool = False


@lru_cache(maxsize=1)
def _index() -> dict[tuple[Scope, str], Variable]:
    from fwknopd.config.access_variables import ACCESS_VARIABLES
    from fwknopd.config.server_variables import SERVER_VARIABLES

    return {
        (variable.scope, name): variable
        for variable in (*SERVER_VARIABLES, *ACCESS_VARIABLES)
        for name in (variable.name, *variable.aliases)
    }


def lookup(scope: Scope, name: str) -> Variable | None:
    """The variable of that exact (case-sensitive) name or alias, or None when unknown."""
    return _index().get((scope, name))
