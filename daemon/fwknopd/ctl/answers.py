"""Reading the daemon's answers, which may come from another version or another program.

What is missing or of another kind reads as empty, never as an error: half a status
is better than none.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

_BEYOND = 1e15
"""JSON knows numbers without end, and some that no clock can show."""


def text(data: Json, name: str) -> str:
    """A member as text, "" when there is none or it is a list or an object."""
    value = data.get(name)
    return str(value) if isinstance(value, str | int | float) else ""


def number(data: Json, name: str) -> float:
    """A member as a number, 0 when it is none, or none that any count or time could be."""
    value = data.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return value if abs(value) < _BEYOND else 0


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
