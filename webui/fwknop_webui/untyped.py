"""Reading JSON objects without trusting their shape: a wrong type reads as nothing."""

from __future__ import annotations

from collections.abc import Mapping

Json = Mapping[str, object]


def text(data: Json, key: str) -> str:
    """The string at ``key``; numbers as text, anything else as ""."""
    value = data.get(key)
    if isinstance(value, bool) or value is None:
        return ""
    return str(value) if isinstance(value, str | int | float) else ""


def number(data: Json, key: str) -> float:
    """The finite number at ``key``, or 0."""
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return float(value) if abs(value) < 1e15 else 0.0


def flag(data: Json, key: str) -> bool:
    """True only for a JSON true."""
    return data.get(key) is True


def child(data: Json, key: str) -> Json:
    """The object at ``key``, or an empty one."""
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def children(data: Json, key: str) -> list[Json]:
    """The objects in the list at ``key``."""
    value = data.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def numbers(data: Json, key: str) -> list[float]:
    """The finite numbers in the list at ``key``."""
    return [number({key: item}, key) for item in _items(data, key) if _is_number(item)]


def texts(data: Json, key: str) -> list[str]:
    """The strings in the list at ``key``."""
    return [item for item in _items(data, key) if isinstance(item, str)]


def _items(data: Json, key: str) -> list[object]:
    value = data.get(key)
    return value if isinstance(value, list) else []


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
