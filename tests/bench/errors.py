"""What ends a benchmark before its time."""

from __future__ import annotations


class BenchError(Exception):
    """The benchmark can't go on; says what is wrong and what to do."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(f"{message}. {remedy}".rstrip(". ") + ".")


class OutOfTime(BenchError):
    """The time limit of the whole run is reached."""
