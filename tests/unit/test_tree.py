"""The shape of the tree: where things may lie."""

from __future__ import annotations

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
