"""Importing others' code without what it would like to have and we never use."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

_COROUTINE = 0x80
"""CPython's flag of what ``async def`` makes."""


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
    vars(empty).update(dict.fromkeys(wanted, _Nothing))
    try:
        yield
    finally:
        del sys.modules[name]


@contextmanager
def put_off(name: str, **at_hand: object) -> Iterator[None]:
    """While this lasts, the module ``name`` is loaded only when somebody looks into it.

    But for what is ``at_hand``, which does instead of the module's own.
    """
    if name in sys.modules:
        yield
        return
    sys.modules[name] = later = _Later(name)
    vars(later).update(at_hand)
    try:
        yield
    finally:
        if sys.modules.get(name) is later:
            del sys.modules[name]


@contextmanager
def for_now(name: str) -> Iterator[None]:
    """Afterwards the module ``name`` is gone from memory, if this was the first to import it."""
    first = name not in sys.modules
    yield
    if first:
        sys.modules.pop(name, None)
        gc.collect()


def when_called(module: str, name: str) -> Callable[..., Any]:
    """A function of a module that is loaded when somebody calls it."""

    def call(*arguments: Any, **named: Any) -> Any:
        return getattr(import_module(module), name)(*arguments, **named)

    return call


def takes_turns(function: object) -> bool:
    """The same as `inspect.iscoroutinefunction` for all that is written as a function."""
    code = getattr(function, "__code__", None)
    return bool(code and code.co_flags & _COROUTINE)


class _Later(ModuleType):
    """Stands for a module, also in those who imported it meanwhile."""

    def __getattr__(self, name: str) -> Any:
        if name == "__path__":
            # Whoever imports a name from it asks whether it is a package.
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


class _Nothing:
    """What stands in for the left out: called, it says no to any question, and does nothing."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __bool__(self) -> bool:
        return False
