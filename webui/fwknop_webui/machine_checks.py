"""What of the machine itself keeps knocks from working: read from /proc, without any right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from fwknop_webui.checks import Check, Outcome
from fwknop_webui.i18n import _

LITTLE_MEMORY = 8_000
"""kB: less, and the kernel begins to end programs."""

NAME = "fwknopd"
_AVAILABLE = re.compile(r"^MemAvailable:\s*(\d{1,15}) kB$", re.MULTILINE)
_STAT = re.compile(r"\d+ \((?P<name>.*)\) \S (?P<parent>\d+) .*", re.DOTALL)


def machine_checks(pid: int | None, proc: Path) -> Iterator[Check]:
    """``pid``: the daemon that answers, None for none. What can't be read is left out."""
    with suppress(OSError):
        yield from _memory(proc)
    if pid is not None:
        with suppress(OSError):
            yield from _others(pid, proc)


def _memory(proc: Path) -> Iterator[Check]:
    found = _AVAILABLE.search((proc / "meminfo").read_text(errors="replace"))
    if found is None:
        return
    free, title = int(found[1]), _("There is memory left")
    detail = _("{n} MB free").format(n=free // 1000)
    remedy = _("Stop or remove what isn't needed, or install zram-swap.")
    few = free < LITTLE_MEMORY
    yield Check(title, Outcome.WARN if few else Outcome.PASS, detail, remedy if few else "")


def _others(pid: int, proc: Path) -> Iterator[Check]:
    others = sorted(number for number in _numbers(proc) if _is_another(number, pid, proc))
    if not others:
        yield Check(_("Only one fwknopd runs"), Outcome.PASS)
        return
    named = ", ".join(map(str, others))
    detail = _("There is another one, too: process {pids}").format(pids=named)
    remedy = _("If both hear the same knocks, each opens its own doors: end one of them.")
    yield Check(_("Only one fwknopd runs"), Outcome.WARN, detail, remedy)


def _numbers(proc: Path) -> Iterator[int]:
    return (int(path.name) for path in proc.iterdir() if path.name.isdecimal())


def _is_another(number: int, pid: int, proc: Path) -> bool:
    """The daemon's children are called as it is."""
    with suppress(OSError):
        found = _STAT.match((proc / str(number) / "stat").read_text(errors="replace"))
        is_named = found is not None and found["name"] == NAME
        return is_named and found is not None and pid not in (number, int(found["parent"]))
    return False
