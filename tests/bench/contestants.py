"""The daemons that are compared: ours on each firewall, and the C daemon as the yardstick.

On request also a loop that does the least there is to do (`floor.py`).
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.bench.errors import BenchError
from tests.bench.figures import REFERENCE
from tests.c_daemon import find_c_daemon, is_c_daemon

FLOOR = "floor"


@dataclass(frozen=True, slots=True)
class Contestant:
    """A daemon on a firewall. ``variant`` is which iptables, "" for nftables."""

    name: str
    label: str
    variant: str = ""

    @property
    def is_ours(self) -> bool:
        """Is it fwknopd of this project?"""
        return not self.is_c and self.name != FLOOR

    @property
    def is_c(self) -> bool:
        """Is it the C daemon?"""
        return self.name.startswith(REFERENCE)

    @property
    def announces(self) -> bool:
        """Does its firewall announce changes, so that the moment of a rule can be seen?"""
        return self.variant != "legacy"


CONTESTANTS = (
    Contestant("nft", "ours, nftables"),
    Contestant("ipt", "ours, iptables-nft", "nft"),
    Contestant("legacy", "ours, iptables-legacy", "legacy"),
    Contestant(REFERENCE, "C, iptables-nft", "nft"),
    Contestant("c-legacy", "C, iptables-legacy", "legacy"),
    Contestant(FLOOR, "a bare loop that checks nothing"),
)
BY_NAME = {contestant.name: contestant for contestant in CONTESTANTS}
USUAL = ("nft", "ipt", REFERENCE)


def chosen(names: list[str]) -> list[Contestant]:
    """The contestants called so, the yardstick last. Raises BenchError."""
    for name in names:
        if name not in BY_NAME:
            raise BenchError(f"no daemon is called {name!r}", f"Choose from: {', '.join(BY_NAME)}")
    contestants = [contestant for contestant in CONTESTANTS if contestant.name in names]
    for contestant in contestants:
        _check_iptables(contestant.variant)
    return contestants


def yardstick(named: Path | None) -> Path:
    """The C daemon's program. Raises BenchError."""
    found = named or find_c_daemon()
    if found is not None and is_c_daemon(found):
        return found
    raise BenchError(
        "the C daemon, which everything is compared with, is not there",
        "`make bench` fetches Debian's fwknop-server where there is apt. Elsewhere build it "
        "and say where it is: make bench ARGS='--yardstick /path/to/fwknopd'; "
        "or leave it out: ARGS='--daemons nft'",
    )


def _check_iptables(variant: str) -> None:
    if not variant:
        return
    probe = ["unshare", "--net", f"iptables-{variant}", "-S"]
    if subprocess.run(probe, capture_output=True).returncode:
        raise BenchError(
            f"iptables-{variant} does not work on this kernel", "Leave its daemons out: --daemons"
        )
