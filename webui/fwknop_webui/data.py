"""The page's files that are no modules: templates, static files, catalogs.

They are a folder's, or on a router those of one compressed archive (package/dev/packing.py).
"""

from __future__ import annotations

import zlib
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from io import BytesIO
from zipfile import Path, ZipFile

ARCHIVE = "data.z"


@cache
def data() -> Traversable:
    """The folder they are in."""
    return data_of(files("fwknop_webui"))


def data_of(package: Traversable) -> Traversable:
    """The same of an installed package: sources, where there are any, are what counts."""
    if package.joinpath("templates").is_dir():
        return package
    unpacked = zlib.decompress(package.joinpath(ARCHIVE).read_bytes())
    return Path(ZipFile(BytesIO(unpacked)))


def template(name: str) -> str | None:
    """The text of a template, or None if there is no such one."""
    file = data().joinpath("templates", name)
    return file.read_text(encoding="utf-8") if file.is_file() else None
