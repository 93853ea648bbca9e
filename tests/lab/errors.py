"""The one error of the lab: what is wrong and what to do about it."""

from __future__ import annotations


class LabError(Exception):
    """The lab can't do what was asked. ``remedy`` is a whole sentence for a person."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}. {self.remedy}".rstrip() if self.remedy else self.message


class LabStopped(LabError):
    """The lab was asked to end while it was still starting."""
