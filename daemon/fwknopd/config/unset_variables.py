"""Variables that OpenWISP left in a value, because it knows none of that name.

It replaces ``{{ name }}`` wherever that stands, but only names of letters, digits and _. So
``{{ my-key }}``, or one of several, stays as it was written. As a passphrase that would be one
which everybody knows who may read the template; in any other option it is not what was meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from fwknopd.config.variable import Kind
from fwknopd.config.variables import ACCESS_VARIABLES, is_secret
from fwknopd.keys import is_placeholder

REMEDY = (
    "Give the variable a value in OpenWISP: of the device, its group or the template. If it is "
    "none, write this without {{ and }}."
)
FREE_TEXTS = frozenset({"name", "note"})
COMMANDS = frozenset(row.name for row in ACCESS_VARIABLES if row.kind is Kind.COMMAND)
"""Braces are at home in these: ``docker inspect --format '{{ .State.Running }}'``."""
MARK = "{{"
"""Without it there is none."""

_VARIABLE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_ALONE = re.compile(r"\s*\{\{\s*\w+\s*\}\}\s*")
_LONGEST_NAME = 64


def has_variable(text: str) -> bool:
    """Is there what looks like a variable, with a name that OpenWISP takes or with any other?"""
    return MARK in text and _VARIABLE.search(text) is not None


def is_no_key(text: str) -> bool:
    """True for what only stands where a key of UCI belongs: stock's placeholder, or a variable."""
    return is_placeholder(text) or has_variable(text)


def missing_value(option: str, items: Iterable[str]) -> str:
    """What to say of an option in which a variable is left, or "". Some may have any."""
    if option in FREE_TEXTS or option in COMMANDS:
        return ""
    for item in items:
        if MARK in item and (found := _VARIABLE.search(item)):
            return _told(option, item, found[1])
    return ""


def _told(option: str, item: str, inside: str) -> str:
    """Names the variable, unless it might be part of somebody's passphrase."""
    name = inside.strip("{} \t\r\n")[:_LONGEST_NAME]
    if not name or (is_secret(option) and not _ALONE.fullmatch(item)):
        return "OpenWISP had no value for a variable in it"
    return f"OpenWISP had no value for its variable {name}"


def in_one_word(text: str) -> str:
    """The text with no blank in what looks like a variable, so that splitting leaves it whole."""
    return _VARIABLE.sub(lambda found: "".join(found[0].split()), text) if MARK in text else text
