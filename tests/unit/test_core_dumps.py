"""No core dumps, whatever whoever starts it allows."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from fwknopd import core_dumps

PROGRAM = """
import resource, sys
if sys.argv[1:]:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
from fwknopd import core_dumps
core_dumps.forbid()
core_dumps.forbid()
print(*resource.getrlimit(resource.RLIMIT_CORE))
"""


BARE = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--")
"""Without the right to raise a limit, as a service has it."""


def left(*arguments: str) -> tuple[str, str]:
    """The limits of a process that forbids dumps, and what it complains of."""
    command = [*BARE, sys.executable, "-c", PROGRAM, *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip(), done.stderr


@pytest.mark.root
def test_where_none_are_allowed_that_stays_for_who_may_not_change_it() -> None:
    assert left("none") == ("0 0", "")


@pytest.mark.root
def test_else_not_even_one_by_a_pipe_is_made() -> None:
    # What this process was once forbidden it can't give another.
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    assert left() == ("1 1" if most else "0 0", "")


def test_who_may_raise_a_limit_of_none_forbids_those_by_a_pipe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Root in a container seldom has that right, so the system's part is played here.
    limits = [(0, 0)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, wanted: limits.append(wanted))
    core_dumps.forbid()
    assert limits[-1] == (1, 1)
