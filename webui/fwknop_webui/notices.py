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
    ``is_applied``: it says that changes are in use, and what the daemon says to them.
    ``is_again``: what it speaks of may be applied once more, or dropped.
    ``time``: epoch seconds of what the title says "{time}" for, which the browser knows best
    how to write.
    """

    level: Level
    title: str
    text: str = ""
    problems: tuple[Problem, ...] = ()
    tells_use: bool = False
    time: float = 0
    is_applied: bool = False
    is_again: bool = False

    @property
    def around_time(self) -> tuple[str, str]:
        """The title before and after its time."""
        before, _mark, after = self.title.partition("{time}")
        return before, after
