"""No core dumps, whatever whoever starts it allows."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
if sys.argv[1:]:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
from fwknopd import core_dumps
core_dumps.forbid()
core_dumps.forbid()
print(*resource.getrlimit(resource.RLIMIT_CORE))
"""


def left(*arguments: str) -> tuple[str, str]:
    """The limits of a process that forbids dumps, and what it complains of."""
    # Without the right to raise a limit, as a service has it.
    words = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--"]
    command = [*words, sys.executable, "-c", PROGRAM, *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip(), done.stderr


@pytest.mark.root
def test_where_none_are_allowed_that_stays() -> None:
    assert left("none") == ("0 0", "")


@pytest.mark.root
def test_else_not_even_one_by_a_pipe_is_made() -> None:
    # What this process was once forbidden it can't give another.
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    assert left() == ("1 1" if most else "0 0", "")
