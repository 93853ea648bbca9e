"""Importing others' code without what it would like to have and we never use."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def hidden(name: str) -> Iterator[None]:
    """While this lasts, importing the module ``name`` fails, unless it is loaded already."""
    modules: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]
    if name in modules:
        yield
        return
    modules[name] = None
    try:
        yield
    finally:
        del modules[name]


@contextmanager
def left_out(name: str, *wanted: str) -> Iterator[None]:
    """While this lasts, the module ``name`` is an empty one with the names that are asked of it.

    For parts of a library that it loads for others' sake, such as its own server. Afterwards
    who asks for the module gets the real one.
    """
    if name in sys.modules:
        yield
        return
    sys.modules[name] = empty = ModuleType(name)
    vars(empty).update(dict.fromkeys(wanted, _never))
    try:
        yield
    finally:
        del sys.modules[name]


def _never(*_: object, **__: object) -> None:
    """What stands in for the left out: it says no to any question, and does nothing."""
