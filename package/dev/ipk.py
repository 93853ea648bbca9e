"""Build packages for OpenWrt out of the recipes in package/, without its build tree.

Usage: python -m package.dev.ipk [--output FOLDER] [--sources] [--download] [NAME ...]

Writes NAME_VERSION_all.ipk for opkg (OpenWrt up to 24.10) into dist/ipk, and what apk
(25.12 and later) needs into dist/apk: the package itself where `apk mkpkg` is installed, and
its parts with the command that makes it where not. The byte code inside is for the minor
version of Python that runs this: make PYTHON=python3.11 ipk is for OpenWrt 23.05 and 24.10.

The same sources and the same Python give the same bytes. Files carry the time of the last
commit, or of SOURCE_DATE_EPOCH.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from package.dev.ipk_apk import write_apk
from package.dev.ipk_archive import ipk_bytes
from package.dev.ipk_control import control_files, keep_over_sysupgrade
from package.dev.ipk_recipe import Build, Package, RecipeError, make, stage

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / "package"
NAMES = ("fwknop-wrt", "fwknop-wrt-webui", "python3-qrcode", "python3-waitress")
"""What is pure Python. python3-pypcap is not: it takes OpenWrt's compiler."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0 built, 1 not, with a message on stderr."""
    options = _parser().parse_args(arguments)
    names = options.names or NAMES
    try:
        if options.download:
            download(names)
            return 0
        for path in build_all(names, options.output, sources=options.sources):
            print(path)
    except (RecipeError, OSError) as error:
        print(f"ipk: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m package.dev.ipk", description="Build packages")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)} (all)")
    parser.add_argument(
        "--output", type=Path, default=ROOT / "dist", metavar="FOLDER", help="where to (dist)"
    )
    parser.add_argument(
        "--sources", action="store_true", help="build the packages with the sources (NAME-src) too"
    )
    parser.add_argument("--download", action="store_true", help="fetch archives, build nothing")
    return parser


def download(names: Iterable[str]) -> None:
    """Fetch what these recipes need of PyPI, once and for all. Raises RecipeError."""
    with tempfile.TemporaryDirectory(prefix="ipk-") as folder:
        for name in names:
            make(Build(RECIPES / name, Path(folder, name), downloads()), "download")


def build_all(names: Iterable[str], output: Path, *, sources: bool = False) -> list[Path]:
    """Build these recipes into ``output``/ipk and ``output``/apk; the files that came about.

    Raises RecipeError.
    """
    epoch = source_date()
    made: list[Path] = []
    with _public_files(), tempfile.TemporaryDirectory(prefix="ipk-") as folder:
        for name in names:
            build = Build(RECIPES / name, Path(folder, name), downloads(), sources=sources)
            for package in stage(build):
                made += write(package, output, epoch)
    return made


@contextmanager
def _public_files() -> Iterator[None]:
    """Whoever keeps new files private must not ship a router private programs."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


def write(package: Package, output: Path, epoch: int) -> list[Path]:
    """One staged package in both formats; the files that came about."""
    keep_over_sysupgrade(package)
    target = output / "ipk" / package.file_name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(ipk_bytes(package.root, control_files(package, epoch), epoch))
    return [target, *write_apk(package, output / "apk")]


def source_date() -> int:
    """Seconds since 1970 that all files get. Raises RecipeError."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    ask = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    try:
        done = subprocess.run(ask, capture_output=True, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        raise RecipeError(
            "no git, or no checkout of it, to take the date from: set SOURCE_DATE_EPOCH"
        ) from None
    return int(done.stdout)


def downloads() -> Path:
    """Where archives from PyPI are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base, "fwknop-wrt", "sources")


if __name__ == "__main__":
    sys.exit(main())
