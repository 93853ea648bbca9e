"""Running the nft program: to make our table, and to look at everybody's rules."""

from __future__ import annotations

from collections.abc import Sequence

from fwknopd.firewall import FirewallError
from fwknopd.firewall.process import (
    OUTPUT_LIMIT,
    TIME_LIMIT,
    Answer,
    find_program,
    run_program,
)

MISSING = "nft not found: install the package nftables (OpenWrt: nftables-nojson)"
NOT_ALLOWED = (
    "not allowed to change nftables: needs CAP_NET_ADMIN. "
    "Start fwknopd as root, or give its service that capability"
)
_NOT_ALLOWED = ("Operation not permitted", "Permission denied", "must be root")
# Bytes of a listing that are read: a ruleset without its sets is rarely a tenth of that.
LISTING_LIMIT = 8 << 20

NftAnswer = Answer


def find_nft() -> str:
    """Absolute path of nft. Raises FirewallError if there is none."""
    program = find_program("nft")
    if program is None:
        raise FirewallError(MISSING)
    return program


def run_nft(
    arguments: Sequence[str],
    script: str = "",
    *,
    time_limit: float = TIME_LIMIT,
    output_limit: int = OUTPUT_LIMIT,
    only_looks: bool = False,
) -> NftAnswer:
    """Run nft with ``script`` as its standard input, for ``time_limit`` seconds at most.

    Of what it prints, ``output_limit`` bytes are read.
    Raises FirewallError if nft is missing, can't be started, or takes too long.
    """
    return run_program(
        find_nft(),
        arguments,
        script,
        time_limit=time_limit,
        output_limit=output_limit,
        only_looks=only_looks,
    )


def list_rules() -> str:
    """All rules of this network namespace, without what is in sets. Raises FirewallError."""
    answer = run_nft(["-t", "list", "ruleset"], output_limit=LISTING_LIMIT, only_looks=True)
    if answer.status == 0:
        if len(answer.output.encode("utf-8", "surrogatepass")) >= LISTING_LIMIT:
            raise FirewallError(
                f"this machine's rules are more than fwknopd reads ({LISTING_LIMIT >> 20} MiB), "
                "so nobody can tell what they do"
            )
        return answer.output
    if is_forbidden(answer):
        raise FirewallError(NOT_ALLOWED)
    raise FirewallError(f"nft can't list this machine's rules: {answer.complaint}")


def is_forbidden(answer: NftAnswer) -> bool:
    """Whether nft failed for want of privilege."""
    return any(text in answer.errors for text in _NOT_ALLOWED)
