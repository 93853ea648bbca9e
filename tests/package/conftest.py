"""A router to run scripts on; and the packages, built once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.package.built import Packages, build_once
from tests.package.router import Router


@pytest.fixture
def router(tmp_path: Path) -> Router:
    """A router with the package's files, and with programs that only write down their calls."""
    made = Router(tmp_path / "root")
    made.install()
    made.program("/usr/sbin/fwknopd")
    made.program("/usr/bin/fwknopctl")
    return made


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """The packages of this project, by name."""
    return build_once(tmp_path_factory)
