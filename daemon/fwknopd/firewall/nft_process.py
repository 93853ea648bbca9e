"""Running the nft program: once to make the table, and to look at fw4's rules."""

from __future__ import annotations

from collections.abc import Sequence

from fwknopd.firewall import FirewallError
from fwknopd.firewall.process import TIME_LIMIT, Answer, find_program, run_program

MISSING = "nft not found: install the package nftables (OpenWrt: nftables-nojson)"

NftAnswer = Answer


def find_nft() -> str:
    """Absolute path of nft. Raises FirewallError if there is none."""
    program = find_program("nft")
    if program is None:
        raise FirewallError(MISSING)
    return program


def run_nft(
    arguments: Sequence[str], script: str = "", *, time_limit: float = TIME_LIMIT
) -> NftAnswer:
    """Run nft with ``script`` as its standard input, for ``time_limit`` seconds at most.

    Raises FirewallError if nft is missing, can't be started, or takes too long.
    """
    return run_program(find_nft(), arguments, script, time_limit=time_limit)
