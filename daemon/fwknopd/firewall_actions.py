"""`--fw-list`, `--fw-list-all` and `--fw-flush`: the rules, looked at and taken away."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from fwknopd.control.client import ControlClient, ControlError
from fwknopd.firewall import FirewallError
from fwknopd.firewall.choice import choose_firewall
from fwknopd.firewall.nft_process import find_nft, run_nft
from fwknopd.firewall.nft_ruleset import DEFAULT_TABLE

TABLE = ("table", "inet", DEFAULT_TABLE)
_ABSENT = "No such file or directory"


def list_rules(kind: str, *, everything: bool) -> int:
    """Print our rules, or all there are. Raises FirewallError."""
    if not _uses_nftables(kind):
        return 0
    if everything:
        print("Listing all nftables rules...", flush=True)
        nft = find_nft()
        # Whatever its length: other programs' sets can be huge.
        os.execv(nft, [nft, "list", "ruleset"])  # noqa: S606
    print(f"Listing rules in fwknopd nftables table inet {DEFAULT_TABLE}...", flush=True)
    answer = run_nft(["list", *TABLE])
    if answer.status and _ABSENT not in answer.errors:
        raise FirewallError(f"nft can't list them: {answer.complaint}. Are you root?")
    print(answer.output or "There are none: no daemon has made any, or they were deleted.")
    return 0


def flush(kind: str, control: Path) -> int:
    """Close every door, through the daemon if one runs. Raises FirewallError, ControlError."""
    if not _uses_nftables(kind):
        return 0
    print("Deleting any existing firewall rules...", flush=True)
    try:
        answer = ControlClient(control).call("revoke", all=True)
    except ControlError as error:
        if not error.is_down:
            raise
        _delete_table()
    else:
        print(f"Doors closed by the running daemon, which goes on guarding: {answer['revoked']}")
    return 0


def _delete_table() -> None:
    # Adding what is there is no error, so the deletion always finds a table.
    table = " ".join(TABLE)
    answer = run_nft(["-f", "-"], f"add {table}\ndelete {table}\n")
    if answer.status:
        raise FirewallError(f"nft can't delete {table}: {answer.complaint}. Are you root?")


def _uses_nftables(kind: str) -> bool:
    """Raises FirewallError for a firewall that can't be had."""
    name = choose_firewall(kind).name
    if name == "log-only":
        print("The firewall is log-only: there are no rules.", file=sys.stderr)
        return False
    if name != "nftables":
        raise FirewallError(f"rules of {name} can't be listed or flushed by this version")
    return True
