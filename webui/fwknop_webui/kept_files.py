"""Which of our files a sysupgrade of the router keeps, and by what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fwknop_webui.i18n import _
from fwknop_webui.i18n import noop as N_
from fwknop_webui.services import WebConfig

LISTS = ("etc/sysupgrade.conf", "lib/upgrade/keep.d/*")
CONFFILES = ("usr/lib/opkg/info/fwknop*.conffiles", "lib/apk/packages/fwknop*.conffiles")
MAX_LIST = 64 * 1024


@dataclass(frozen=True, slots=True)
class KeptFile:
    """One file. ``by`` names what keeps it, "" when nothing does."""

    path: str
    what: str
    exists: bool
    by: str

    @property
    def is_kept(self) -> bool:
        """Whether it survives."""
        return bool(self.by)


def kept_files(config: WebConfig, root: Path = Path("/")) -> list[KeptFile]:
    """Our files, whether they exist or not. ``root`` is where the router's lists are."""
    lists = list(_entries(root))
    return [
        KeptFile(str(path), _(what), _exists(path), _keeper(path, lists))
        for path, what in _files(config)
    ]


def _files(config: WebConfig) -> Iterator[tuple[Path, str]]:
    yield config.uci, N_("settings and clients of these pages")
    yield config.classic / "access.conf", N_("clients of the classic configuration")
    yield config.classic / "fwknopd.conf", N_("settings of the classic configuration")
    yield config.classic / "state" / "digest.cache", N_("knocks that were used already")
    yield config.classic / "state" / "ended.keys", N_("old keys that ended before their time")
    yield config.password_file, N_("the password of this page")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _keeper(path: Path, lists: list[tuple[str, str]]) -> str:
    text = str(path)
    if text.startswith("/etc/config/"):
        return _("always kept, like everything in /etc/config")
    for entry, source in lists:
        if text == entry or text.startswith(entry.rstrip("/") + "/"):
            return _("listed in {file}").format(file=source)
    return ""


def _entries(root: Path) -> Iterator[tuple[str, str]]:
    """(path, list it stands in) of everything the router is told to keep."""
    for pattern in (*LISTS, *CONFFILES):
        for file in sorted(root.glob(pattern)):
            for line in _lines(file):
                entry = line.split()[0] if line.strip() else ""
                if entry.startswith("/"):
                    yield entry, "/" + str(file.relative_to(root))


def _lines(file: Path) -> list[str]:
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            return opened.read(MAX_LIST).splitlines()
    except OSError:
        return []
