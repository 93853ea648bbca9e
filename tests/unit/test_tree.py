"""The shape of the tree: where things may lie."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOP_LEVEL = {"package", "webui", "daemon", "uci-defaults", "tests"}


def test_top_level_folders_are_the_known_ones() -> None:
    folders = {path.name for path in ROOT.iterdir() if path.is_dir()}
    # What a build leaves behind is ignored by git, and here.
    strangers = {name for name in folders - TOP_LEVEL if not name.startswith(".")}
    assert strangers <= {"build", "dist"}


def test_every_package_has_an_init_file() -> None:
    # Without one a folder imports here, and is left out of what is installed.
    folders = {
        path.parent
        for package in ("daemon/fwknopd", "webui/fwknop_webui")
        for path in (ROOT / package).rglob("*.py")
    }
    assert not [folder for folder in folders if not (folder / "__init__.py").exists()]


KEY_LIKE = re.compile(r"(?<![A-Za-z0-9+/_.-])[A-Za-z0-9+/]{43,}={0,2}(?![A-Za-z0-9+/_.-])")
KEPT_ELSEWHERE = ("tests/", "requirements-", "package/python3-pypcap/requirements.txt")


def test_no_key_is_in_what_is_shipped() -> None:
    """Nothing but digests of archives looks like one; keys to try things with are in tests."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    files = [name for name in listed.stdout.splitlines() if not name.startswith(KEPT_ELSEWHERE)]
    assert listed.returncode or len(files) > 200
    found = set()
    for name in files:
        text = (ROOT / name).read_bytes().decode("utf-8", "replace")
        found |= {(name, word) for word in KEY_LIKE.findall(text) if not is_path(word)}
    assert {word for _, word in found if not re.fullmatch("[0-9a-f]{64}", word)} == set()


def is_path(word: str) -> bool:
    """A word of letters and slashes, as a path or a line of signs."""
    return ("/" in word and not re.search("[0-9]", word)) or len(set(word)) < 10
