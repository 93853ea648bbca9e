"""A router to run scripts on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.package.router import Router


@pytest.fixture
def router(tmp_path: Path) -> Router:
    """A router with the package's files, and with programs that only write down their calls."""
    made = Router(tmp_path / "root")
    made.install()
    made.program("/usr/sbin/fwknopd")
    made.program("/usr/bin/fwknopctl")
    return made
