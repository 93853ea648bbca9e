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
