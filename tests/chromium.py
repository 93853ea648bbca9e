"""Where Chromium is, if it is. Run as a program: exit status 0 when there is one."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def find_chromium() -> str | None:
    """Path of the system's Chromium, else of the one Playwright fetched, else None."""
    for name in NAMES:
        if (path := shutil.which(name)) and not _is_snap(Path(path)):
            return path
    folder = os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache/ms-playwright"
    found = sorted(Path(folder).glob("chromium-*/chrome-linux*/chrome"))
    return str(found[-1]) if found else None


def _is_snap(path: Path) -> bool:
    """A snap's Chromium sees neither /tmp nor a container; Ubuntu's package is its wrapper."""
    real = path.resolve()
    if "snap" in real.parts or real.name == "snap":
        return True
    with real.open("rb") as file:
        head = file.read(4096)
    return head.startswith(b"#!") and b"/snap/bin/" in head


if __name__ == "__main__":
    sys.exit(find_chromium() is None)
