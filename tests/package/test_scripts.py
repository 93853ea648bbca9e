"""Every script a router gets, and every stand-in its tests run them with, is checked."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.package import webui
from tests.package.router import FILES, ROOT, UCI_DEFAULTS

FOR_ROUTERS = (FILES, webui.FILES, UCI_DEFAULTS)
SCRIPTS = sorted(
    path
    for folder in (*FOR_ROUTERS, ROOT / "tests/package")
    for path in folder.rglob("*")
    if path.is_file() and (path.suffix == ".sh" or path.read_bytes().startswith(b"#!/bin/sh"))
)


@pytest.mark.shellcheck
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_shellcheck_has_nothing_to_say(script: Path) -> None:
    # Busybox's shell is a child of dash; what OpenWrt's own files hold is not here to follow.
    command = ["shellcheck", "--shell=dash", "--exclude=SC1091", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert not done.stdout + done.stderr


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_run_as_a_program_may_be(script: Path) -> None:
    """Files that are sourced are not: hotplug's, and those of the stand-ins."""
    is_program = any(script.is_relative_to(folder) for folder in FOR_ROUTERS)
    assert not is_program or script.stat().st_mode & 0o111
