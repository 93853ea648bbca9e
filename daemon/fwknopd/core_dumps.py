"""No core dump of a process that holds keys: whoever finds one has them."""

from __future__ import annotations

import resource

NONE_EVEN_BY_A_PIPE = 1
"""Bytes. With 0 a dump that goes to a program by a pipe is made all the same, core(5)."""


def forbid() -> None:
    """Leave none from now on, nor the programs this process starts.

    Where whoever started it allows nothing at all, and no way back from there, that stays: then
    a dump by a pipe is up to the system.
    """
    try:
        _allow(NONE_EVEN_BY_A_PIPE)
    except (ValueError, OSError):
        _allow(0)


def _allow(most: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))
