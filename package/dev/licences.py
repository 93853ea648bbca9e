"""Write THIRD-PARTY.md: whose code is used, for what, and under which licence.

Usage: python package/dev/licences.py

The licences are those the installed packages tell of themselves.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from importlib.metadata import metadata, requires
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "THIRD-PARTY.md"
RUN, DEV = ROOT / "requirements-run.txt", ROOT / "requirements-dev.txt"

# Built by package/python3-pypcap, so in none of the lists.
PYPCAP = Requirement("pypcap==1.3.0")

# Two that say nothing for a program; what their files LICENSE say.
UNTOLD = {"axe-playwright-python": "MIT", "pypcap": "BSD-3-Clause"}
SHORT = {
    "Apache Software License": "Apache-2.0",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "BSD License": "BSD",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Zope Public License": "ZPL-2.1",
}

USABLE = frozenset(
    {"Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "MIT", "MIT-0", "PSF-2.0", "ZPL-2.1"}
)
"""What may be installed beside an Apache-2.0 program on a router without further thought."""

USABLE_IN_DEVELOPMENT = USABLE | {"MIT-CMU", "MPL-2.0"}

USABLE_IN_TESTS = USABLE_IN_DEVELOPMENT | {"GPL-3.0-only", "GPL-3.0-or-later", "ISC"}
"""Tests run what others use beside us. Nothing of it is handed on, and Apache-2.0 allows both."""

USABLE_FOR = {"running": USABLE, "tests": USABLE_IN_TESTS}

TEXT = """\
# Code of others

What fwknop-wrt uses of others', and under which licence. None of it is in this repository;
`make setup` and OpenWrt's feed fetch it. Written by `make pins`, checked by a test.

The programs `nft`, `iptables`, `gpg`, `ip`, `ubus` and busybox are run, not linked. libpcap
(BSD-3-Clause) is linked by pypcap, OpenSSL (Apache-2.0) by cryptography. The original fwknop
client and daemon (GPL-2.0-or-later) are run by tests and by `make bench` alone.

| package | version | licence | for |
|---|---|---|---|
{rows}
"""


class Row(NamedTuple):
    """One package; ``purpose``: running, setup or tests."""

    name: str
    version: str
    licence: str
    purpose: str


def main() -> int:
    """Write the document."""
    DOCUMENT.write_text(document())
    return 0


def document() -> str:
    """What THIRD-PARTY.md has to say."""
    lines = (f"| {' | '.join(row)} |" for row in rows())
    return TEXT.format(rows="\n".join(lines))


def rows() -> list[Row]:
    """Every package that is pinned for this machine."""
    running = needed("fwknop-wrt")
    setup = {canonicalize_name(pin.name) for pin in pins(RUN)}
    found = sorted([*pins(DEV), PYPCAP], key=lambda pin: canonicalize_name(pin.name))
    return [_row(pin, running, setup) for pin in found]


def needed(name: str) -> set[str]:
    """What an installed package needs to run, itself included, GPG too."""
    found: set[str] = set()
    waiting = [canonicalize_name(name)]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            waiting += map(canonicalize_name, _requirements(each))
    return found


def _requirements(name: str) -> Iterator[str]:
    for text in requires(name) or []:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": "gpg"}):
            yield requirement.name


def pins(file: Path) -> Iterator[Requirement]:
    """What a list names, as far as this machine is meant."""
    for pin in _lines(file):
        if pin.marker is None or pin.marker.evaluate():
            yield pin


def _lines(file: Path) -> Iterator[Requirement]:
    for line in file.read_text().splitlines():
        if "==" in line:
            yield Requirement(line.removesuffix("\\"))


def _row(pin: Requirement, running: Collection[str], setup: Collection[str]) -> Row:
    name = canonicalize_name(pin.name)
    purpose = "running" if name in running else "setup" if name in setup else "tests"
    return Row(pin.name, _versions(pin), licence(pin.name), purpose)


def _versions(pin: Requirement) -> str:
    """All that the list has, whichever Python runs this: one version may need a newer one."""
    same = [each for each in _lines(DEV) if each.name == pin.name] or [pin]
    return " or ".join(str(each.specifier).removeprefix("==") for each in same)


def licence(name: str) -> str:
    """The licence an installed package tells of itself. Raises PackageNotFoundError."""
    told = metadata(name)
    if expressions := told.get_all("License-Expression"):
        return str(expressions[0])
    words = [text.rpartition(" :: ")[2] for text in told.get_all("Classifier") or []]
    classified = [SHORT[word] for word in words if word in SHORT]
    (said,) = told.get_all("License") or ["?"]
    return " OR ".join(classified) or UNTOLD.get(name) or str(said)


def is_usable(row: Row) -> bool:
    """May it be used for this? Of several licences to choose from, one has to do."""
    usable = USABLE_FOR.get(row.purpose, USABLE_IN_DEVELOPMENT)
    return any(usable.issuperset(choice.split(" AND ")) for choice in row.licence.split(" OR "))


if __name__ == "__main__":
    sys.exit(main())
