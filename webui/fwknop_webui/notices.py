"""Messages shown once, on top of the next page."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fwknopd.config.problems import Problem


class Level(StrEnum):
    """How a notice looks. ERROR is announced at once by screen readers."""

    SUCCESS = "success"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Notice:
    """``title`` says what is; ``text`` what to do; ``problems`` are listed below.

    ``tells_use``: it says already that the daemon doesn't use these pages.
    """

    level: Level
    title: str
    text: str = ""
    problems: tuple[Problem, ...] = ()
    tells_use: bool = False
