"""The lines of fwknopd.conf and access.conf: the syntax both files share.

Behaviour notes 2 and 3.1. A line is a name, blanks and a value that ends at the first ``;``;
a ``#`` starts a comment only at the beginning of a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_LINE = 1023
"""The longest line fwknopd reads in one piece; it takes the rest for another line."""

_COMMENT_STARTS = "#;"
_BLANKS = " \t\v\f\r"
_LINE = re.compile(r"(?P<name>[^ \t\v\f\r]+)[ \t\v\f\r]*(?P<value>[^;\r]*)")


@dataclass(frozen=True, slots=True)
class ConfLine:
    """One line. ``value`` is "" when the line has none; ``number`` counts from 1."""

    number: int
    name: str
    value: str = field(repr=False)
    too_long: bool = False


def conf_lines(text: str) -> Iterator[ConfLine]:
    """The lines that say something; comments and blank lines are left out. Never raises."""
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        stripped = line.strip(_BLANKS)
        if not stripped or stripped[0] in _COMMENT_STARTS:
            continue
        found = _LINE.match(stripped)
        if found is not None:
            yield ConfLine(
                number, found["name"], found["value"].strip(_BLANKS), len(line) > MAX_LINE
            )
