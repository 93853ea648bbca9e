"""Reading the daemon's answers, which may come from another version or another program.

What is missing or of another kind reads as empty, never as an error: half a status
is better than none.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def text(data: Json, name: str) -> str:
    """A member as text, "" when there is none."""
    value = data.get(name)
    return "" if value is None else str(value)


def number(data: Json, name: str) -> float:
    """A member as a number, 0 when it is none."""
    value = data.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0


def flag(data: Json, name: str) -> bool:
    """Is a member true?"""
    return data.get(name) is True


def child(data: Json, name: str) -> Json:
    """A member as an object, empty when it is none."""
    value = data.get(name)
    return value if isinstance(value, dict) else {}


def children(data: Json, name: str) -> list[Json]:
    """The objects in a list; what is no object is left out."""
    value = data.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def texts(data: Json, name: str) -> list[str]:
    """The texts in a list; what is no text is left out."""
    value = data.get(name)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
