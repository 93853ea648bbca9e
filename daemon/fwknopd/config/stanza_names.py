"""What a stanza of access.conf might be called, from the comments people wrote beside it.

A name ends up in logs and on pages, so no comment that could hold a key is taken for one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from fwknopd.config.problems import printable
from fwknopd.config.variable import Scope
from fwknopd.config.variables import is_secret, lookup

MAX_NAME = 64
MAX_NOTE = 200
_TITLE_LINES = 2
"""A longer comment is an explanation and no title."""

_DECORATION = "#;*=~-_/|. \t"
_OPTION_LIKE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+:?")
_KEY_LIKE = re.compile(r"[A-Za-z0-9+/=]{20,}")
_OURS = re.compile(r"#\s*(?P<name>name|note): (?P<value>.*)")


def suggested_name(lines: Sequence[str], head: int, file: str = "") -> str:
    """A name for the stanza whose SOURCE is line ``head`` (from 1) of ``lines``; "" for none.

    ``file`` is that of an included file, which may be called after its only client.
    """
    above = _comments_above(lines, head)
    found = _ours(above, "name")
    if found:
        return found[:MAX_NAME]
    beside = lines[head - 1].partition(";")[2] if head <= len(lines) else ""
    below = lines[head] if head < len(lines) and _is_comment(lines[head]) else ""
    titles = above if len(above) <= _TITLE_LINES else []
    for candidate in (beside, *titles, below, _stem(file)):
        title = _title(candidate)
        if title:
            return title
    return ""


def _stem(file: str) -> str:
    """anna of access.d/anna.conf."""
    return file.rpartition("/")[2].rpartition(".")[0]


def suggested_note(lines: Sequence[str], head: int) -> str:
    """The note `fwknopctl export` wrote above the stanza, "" for none."""
    return _ours(_comments_above(lines, head), "note")[:MAX_NOTE]


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith(("#", ";"))


def _comments_above(lines: Sequence[str], head: int) -> list[str]:
    """The comment lines that stand directly above, in their order."""
    found: list[str] = []
    for line in reversed(lines[: head - 1]):
        if not _is_comment(line):
            break
        found.insert(0, line)
    return found


def _ours(comments: Sequence[str], name: str) -> str:
    matches = (_OURS.fullmatch(line.strip()) for line in comments)
    values = [match["value"] for match in matches if match and match["name"] == name]
    return printable(values[-1]).strip() if values else ""


def _title(comment: str) -> str:
    """The text of a comment if it can be a name, else ""."""
    text = printable(comment.strip()).strip(_DECORATION)
    if not any(char.isalpha() for char in text) or len(text) > MAX_NAME:
        return ""
    return "" if any(_is_risky(word) for word in _words(text)) else text


def _words(text: str) -> Iterator[str]:
    yield from text.replace("=", " ").split()


def _is_risky(word: str) -> bool:
    """Does it look like a directive that was commented out, or like a key?"""
    name = word.strip("%:;,")
    known = any(lookup(scope, name) is not None for scope in (Scope.ACCESS, Scope.SERVER))
    return (
        (known and name.isupper())
        or is_secret(name.upper())
        or word.startswith("%")
        or _OPTION_LIKE.fullmatch(word) is not None
        or _KEY_LIKE.search(word) is not None
    )
