"""How a configuration variable is described: the columns of the variable table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypedDict, Unpack

Default = str | int | bool | None

MAX_C_INT = 8388608
"""The upper end of most ranges of fwknopd (2 to the 23rd)."""


class Scope(StrEnum):
    """Where a variable belongs: fwknopd.conf, an access stanza, or a UCI section of its own."""

    SERVER = "server"
    ACCESS = "access"
    UCI = "uci"


class Kind(StrEnum):
    """The type of a value, which decides how its text is read and which field edits it."""

    BOOLEAN = "boolean"
    SWITCH = "on or off"
    INTEGER = "integer"
    MARK = "firewall mark"
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
    HOURS = "hours of the day"
    DAYS = "weekdays"
    NAT_TARGET = "nat target"
    GPG_IDS = "gpg key ids"
    NAT_RANGES = "nat ranges"
    IPT_CHAIN = "iptables chain"
    ACCOUNT = "user or group"
    COMMAND = "command"
    COMMANDS = "commands"
    DIGEST = "SHA-256 digest"
    ENDPOINT = "address and port of a server"


class Status(StrEnum):
    """What this daemon does with a variable."""

    HONOURED = "honoured"
    IGNORED = "ignored"
    LATER = "not supported yet"


class Restart(StrEnum):
    """Whether a changed value waits for a restart of the daemon; else a reload is enough."""

    NO = "no"
    YES = "yes"
    IPTABLES = "with iptables"


@dataclass(frozen=True, slots=True, eq=False)
class Variable:
    """One variable: a row of the table, and equal to no other.

    ``minimum`` and ``maximum`` are inclusive; ``default`` None means unset. ``unit`` is shown
    next to a number. ``status_note`` says why a variable is ignored or what is missing; it is
    "" for one that is honoured. ``uci_only`` marks options of ours that the classic files do
    not have.
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
    restart: Restart = Restart.NO


if TYPE_CHECKING:

    class _Columns(TypedDict, total=False):
        default: Default
        minimum: int | None
        maximum: int | None
        unit: str
        example: str
        choices: tuple[str, ...]
        aliases: tuple[str, ...]
        secret: bool
        uci_only: bool
        restart: Restart
        status: Status
        status_note: str


def server(
    name: str, kind: Kind, help_text: str, group: str, **columns: Unpack[_Columns]
) -> Variable:
    """A variable of fwknopd.conf."""
    return Variable(name, Scope.SERVER, kind, help_text, group, **columns)


def access(
    name: str, kind: Kind, help_text: str, group: str, **columns: Unpack[_Columns]
) -> Variable:
    """A directive of access.conf."""
    return Variable(name, Scope.ACCESS, kind, help_text, group, **columns)


def boolean(
    name: str, group: str, default: bool, help_text: str, restart: Restart = Restart.NO
) -> Variable:
    """An honoured Y/N variable of fwknopd.conf."""
    kind, example = Kind.BOOLEAN, "Y"
    return server(name, kind, help_text, group, default=default, example=example, restart=restart)


def later(
    name: str, kind: Kind, group: str, help_text: str, note: str, default: Default = None
) -> Variable:
    """A variable of fwknopd.conf that is not supported yet; ``note`` says what happens instead."""
    status = Status.LATER
    return server(name, kind, help_text, group, default=default, status=status, status_note=note)


def ignored(
    name: str, kind: Kind, group: str, help_text: str, reason: str, default: Default = None
) -> Variable:
    """A variable of fwknopd.conf that has no meaning here, and why."""
    status = Status.IGNORED
    return server(name, kind, help_text, group, default=default, status=status, status_note=reason)


def access_later(
    name: str,
    kind: Kind,
    group: str,
    help_text: str,
    note: str,
    default: Default = None,
    secret: bool = False,
) -> Variable:
    """A directive that is not supported yet; ``note`` says what happens instead."""
    return access(
        name,
        kind,
        help_text,
        group,
        default=default,
        secret=secret,
        status=Status.LATER,
        status_note=note,
    )
