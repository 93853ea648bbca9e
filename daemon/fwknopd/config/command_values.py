"""Values about commands: the commands themselves, and the accounts they run as."""

from __future__ import annotations

import re
from typing import Protocol

from fwknopd.config.invalid import CONTROL, InvalidValue, shown
from fwknopd.config.variable import Variable

SEPARATOR = ";"
"""Parts the commands of a list that stand in one text; as in access.conf, none can hold it."""

# What could be an option, a number or a list for sudo is no name.
_ACCOUNT = re.compile(r"[A-Za-z0-9_][^\s:,/#%!*?]{0,63}")


class Accounts(Protocol):
    """Which users and groups this machine has."""

    def has_user(self, name: str) -> bool:
        """There is a user of that name."""

    def has_group(self, name: str) -> bool:
        """There is a group of that name."""


class AnyAccount:
    """For who can't or needn't know: a file that is only converted, a web page."""

    def has_user(self, name: str) -> bool:
        """Yes."""
        return True

    def has_group(self, name: str) -> bool:
        """Yes."""
        return True


ANY_ACCOUNT = AnyAccount()


def read_account(variable: Variable, text: str) -> str:
    """The name of a user or group. Raises InvalidValue."""
    if CONTROL.search(text) or not _ACCOUNT.fullmatch(text):
        raise InvalidValue(
            f"{shown(text)} can't be the name of a user or group",
            f"Write a name, for example {variable.example}.",
        )
    return text


def read_command(variable: Variable, text: str) -> str:
    """One command. Raises InvalidValue."""
    if CONTROL.search(text.replace("\t", " ")):
        raise InvalidValue("it holds a line break or control character", "Write it on one line.")
    if not text.split():
        raise InvalidValue("it is empty", f"Write a command, for example {variable.example}.")
    # fwknopd counts bytes.
    length = len(text.encode("utf-8", "surrogateescape"))
    if variable.maximum is not None and length > variable.maximum:
        raise InvalidValue(
            f"it has {length} bytes, more than {variable.maximum}",
            "Shorten it; a script can do the rest.",
        )
    return text


def read_commands(variable: Variable, text: str) -> tuple[str, ...]:
    """Commands with ``;`` between them, each with single blanks. Raises InvalidValue."""
    commands = [" ".join(item.split()) for item in text.split(SEPARATOR)]
    found = tuple(dict.fromkeys(read_command(variable, item) for item in commands if item))
    if not found:
        raise InvalidValue(
            "it names no command", f"Write {variable.example}, or take it out: any is allowed then."
        )
    return found
