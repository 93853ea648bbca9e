"""A skip is an excuse on a developer's machine, and a failure in CI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEEDS_A_CLIENT = "import pytest\n@pytest.mark.client\ndef test_it():\n    pass\n"
SKIPS_ITSELF = "import pytest\ndef test_it():\n    pytest.skip('not today')\n"
SKIPS_THE_FILE = "import pytest\npytest.importorskip('no_such_module')\n"


def run_pytest(folder: Path, source: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A run of its own, where no program can be found."""
    (folder / "test_it.py").write_text(source)
    inherited = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-ra", "-c", os.devnull]
    return subprocess.run(
        [*command, "--rootdir", str(folder), str(folder)],
        cwd=ROOT,
        env={**inherited, "PATH": str(folder), "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("source", [NEEDS_A_CLIENT, SKIPS_ITSELF, SKIPS_THE_FILE])
def test_ci_fails_where_a_test_is_skipped(tmp_path: Path, source: str) -> None:
    done = run_pytest(tmp_path, source, CI="true")
    assert done.returncode in (1, 2)
    assert "skipped where nothing may be skipped" in done.stdout


def test_developer_is_told_why_a_test_was_skipped(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, NEEDS_A_CLIENT)
    assert done.returncode == 0
    assert "needs fwknop: install fwknop-client" in done.stdout
