"""Who may start programs: a fixed list, so that a way to one can't come in unseen."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.test_imports import DAEMON, WEBUI, label, sources

STARTERS = {
    # nft, iptables and ubus for the daemon itself.
    "fwknopd/spawning.py": {"posix_spawn"},
    # A child that has nothing of the daemon's: jobs, and what becomes a command.
    "fwknopd/children.py": {"fork"},
    "fwknopd/commands.py": {"execve"},
    # `fwknopd --fw-list-all`, which becomes nft.
    "fwknopd/firewall_actions.py": {"execv"},
    # Going into the background.
    "fwknopd/detach.py": {"fork"},
    # gpg, by python-gnupg, in such a child.
    "fwknopd/gpg_jobs.py": {"gnupg"},
    # The page: the init script of the daemon, where there is no rpcd.
    "fwknop_webui/service_control.py": {"subprocess"},
    # The page: itself, to seal a backup in a process that gives its memory back.
    "fwknop_webui/sealing.py": {"subprocess"},
}
WORDS = frozenset(
    {"fork", "forkpty", "system", "popen", "startfile", "posix_spawn", "posix_spawnp"}
)
MODULES = frozenset({"subprocess", "pty", "multiprocessing", "gnupg", "_posixsubprocess"})


def ways_out(path: Path) -> Iterator[str]:
    """What a file names that starts a program."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Attribute):
            starts = node.attr in WORDS or node.attr.startswith(("exec", "spawn"))
            if isinstance(node.value, ast.Name) and node.value.id == "os" and starts:
                yield node.attr
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names}
            if node.module in MODULES:
                yield str(node.module)
            if node.module == "os":
                yield from names & WORDS


def test_programs_are_started_by_these_alone() -> None:
    found = {label(path): set(ways_out(path)) for path in (*sources(DAEMON), *sources(WEBUI))}
    assert {path: ways for path, ways in found.items() if ways} == STARTERS


@pytest.mark.parametrize("name", ["service_control.py", "sealing.py"])
def test_no_shell_is_asked_for(name: str) -> None:
    """What becomes a script is given to it by `commands` alone, as a file."""
    page = WEBUI / "fwknop_webui" / name
    calls = [node for node in ast.walk(ast.parse(page.read_bytes())) if isinstance(node, ast.Call)]
    assert calls
    assert not [word for call in calls for word in call.keywords if word.arg == "shell"]
