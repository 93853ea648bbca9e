"""What ``import`` and ``export`` have in common: showing what would change and what is lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import unified_diff

from fwknopd.config.problems import Problem
from fwknopd.ctl.answers import Json
from fwknopd.ctl.output import GREEN, RED, clean, colour, print_json, unread_is_no_error
from fwknopd.ctl.status import problem_line


def difference(old: Sequence[str], new: Sequence[str], file: str) -> list[str]:
    """The lines that change in ``file``, with a few around them. Keys must be masked already."""
    return list(unified_diff(old, new, file, f"{file} (new)", lineterm=""))


def show(
    changes: Sequence[str],
    losses: Sequence[Problem],
    problems: Sequence[Problem],
    summary: str,
    *,
    written: bool,
    as_json: bool,
) -> None:
    """The whole report: changes, what is not carried over, what the daemon says to the source."""
    with unread_is_no_error(summary, written):
        if as_json:
            print_json(
                {
                    "written": written,
                    "difference": list(changes),
                    "losses": list(map(problem_json, losses)),
                    "problems": list(map(problem_json, problems)),
                }
            )
        else:
            _print(changes, losses, problems, summary)


def _print(
    changes: Sequence[str],
    losses: Sequence[Problem],
    problems: Sequence[Problem],
    summary: str,
) -> None:
    for line in changes or ["No line changes."]:
        print(_painted(clean(line.expandtabs(4))))
    for line in (*_section("What is not the same:", losses), *_section("The source:", problems)):
        print(line)
    print(f"\n{clean(summary)}")


def _section(heading: str, problems: Sequence[Problem]) -> Iterator[str]:
    if problems:
        yield f"\n{heading}"
        yield from (f"  {problem_line(problem_json(problem))}" for problem in problems)


def _painted(line: str) -> str:
    if line.startswith("+"):
        return colour(line, GREEN)
    return colour(line, RED) if line.startswith("-") else line


def problem_json(problem: Problem) -> Json:
    """A problem as plain values, as the daemon reports it."""
    return {
        "severity": problem.severity.value,
        "file": problem.file,
        "line": problem.line,
        "option": problem.option,
        "message": problem.message,
        "remedy": problem.remedy,
    }
