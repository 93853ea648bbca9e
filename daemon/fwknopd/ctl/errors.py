"""What goes wrong in fwknopctl, in the words a person sees."""

from __future__ import annotations

from collections.abc import Sequence


class CtlError(Exception):
    """The command failed: ``message`` says why, ``remedy`` what to do, ``code`` is for programs.

    ``exit_code`` is what the program ends with. ``others`` are more faults of the same kind.
    """

    exit_code = 1

    def __init__(
        self, message: str, remedy: str, code: str = "failed", others: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.others = tuple(others)
        self.message = message
        self.remedy = remedy
        self.code = code


class UsageError(CtlError):
    """The command line says two things that don't go together."""

    exit_code = 2

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message, remedy, "usage")
