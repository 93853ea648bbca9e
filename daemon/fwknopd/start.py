"""Where the program fwknopd begins."""

from __future__ import annotations

import gc
import signal
import sys
from importlib import import_module
from types import FrameType, ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def main() -> int:
    """Run fwknopd; returns the exit code.

    Loading it takes a router a second, and signals of that time must do what they ask for. A
    SIGHUP must not end it. Nothing is lost: the configuration is read afterwards, and by then the
    daemon listens to signals. A SIGTERM must end it: without a handler the kernel keeps it from
    the first process of a jail.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    # Next to nothing of what is loaded is garbage, and to look for it again and again takes a
    # tenth of the time. The daemon enables it when it has started.
    gc.disable()
    sys.modules.setdefault("inspect", _Later("inspect"))
    from fwknopd.cli import main as run

    return run()


class _Later(ModuleType):
    """Stands for a module until somebody looks into it, which then is loaded.

    With Python 3.11 dataclasses imports `inspect` for classes without documentation, and here are
    none. With all it imports in turn that is a megabyte, and a tenth of the time until the first
    knock. Since 3.12 it looks into it for every class, so there this neither helps nor harms.
    """

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)
