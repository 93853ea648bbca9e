"""`--fw-list`, `--fw-list-all` and `--fw-flush`: the rules, looked at and taken away."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

from fwknopd.config.ipt_chain import IptChain
from fwknopd.config.settings import ServerSettings
from fwknopd.control.client import ControlClient, ControlError
from fwknopd.firewall import FirewallError
from fwknopd.firewall.choice import choose_firewall
from fwknopd.firewall.iptables_family import FamilyRules
from fwknopd.firewall.iptables_process import OUTPUT_LIMIT, Programs
from fwknopd.firewall.iptables_rules import Role
from fwknopd.firewall.iptables_saved import parse_saved
from fwknopd.firewall.nft_process import find_nft, run_nft
from fwknopd.firewall.nft_ruleset import DEFAULT_TABLE
from fwknopd.firewall.process import find_program, run_program
from fwknopd.options import Options
from fwknopd.part_settings import iptables_settings

TABLE = ("table", "inet", DEFAULT_TABLE)
_ABSENT = "No such file or directory"
_FAMILIES = ((4, "iptables"), (6, "ip6tables"))
_AS_ROOT = "Are you root?"


def list_rules(options: Options, settings: ServerSettings) -> int:
    """Print our rules. Raises FirewallError."""
    kind = _kind(options, settings)
    if kind == "nftables":
        print(f"Listing rules in fwknopd nftables table inet {DEFAULT_TABLE}...", flush=True)
        print(_nft_table() or "There are none: no daemon has made any, or they were deleted.")
    elif kind == "iptables":
        print("Listing rules in fwknopd iptables chains...\n", flush=True)
        for program in _iptables_programs():
            for chain in _our_chains(program, settings):
                sys.stdout.write(_listed(program, "-t", chain.table, "-L", chain.chain))
    return 0


def list_everything(options: Options, settings: ServerSettings) -> int:
    """Print all rules of whatever origin. Raises FirewallError."""
    kind = _kind(options, settings)
    if kind == "nftables":
        print("Listing all nftables rules...", flush=True)
        nft = find_nft()
        # Whatever its length: other programs' sets can be huge.
        os.execv(nft, [nft, "list", "ruleset"])  # noqa: S606
    if kind == "iptables":
        print("Listing all iptables rules in applicable tables...", flush=True)
        ours = iptables_settings(settings)
        tables = dict.fromkeys(ours.chain(role).table for role in ours.standing())
        for program in _iptables_programs():
            for table in tables:
                sys.stdout.write(_listed(program, "-t", table, "-v", "-L"))
    return 0


def flush(options: Options, settings: ServerSettings, control: Path) -> int:
    """Close every door, through the daemon if one runs. Raises FirewallError, ControlError."""
    kind = _kind(options, settings)
    print("Deleting any existing firewall rules...", flush=True)
    try:
        answer = ControlClient(control).call("revoke", all=True)
    except ControlError as error:
        if not error.is_down:
            raise
        _delete_rules(kind, settings)
    else:
        print(f"Doors closed by the running daemon, which goes on guarding: {answer['revoked']}")
    return 0


def _kind(options: Options, settings: ServerSettings) -> str:
    """The name of the firewall in use. Raises FirewallError if it can't be had."""
    asked = options.firewall or settings.firewall
    name = choose_firewall(asked, settings.mark, partial(iptables_settings, settings)).name
    if name == "log-only":
        print("The firewall is log-only: there are no rules.", file=sys.stderr)
    return name


def _delete_rules(kind: str, settings: ServerSettings) -> None:
    if kind == "nftables":
        _delete_table()
    elif kind == "iptables":
        for version, stem in _FAMILIES:
            programs = Programs(stem)
            if programs.is_installed:
                FamilyRules(version, programs, iptables_settings(settings)).flush()


# nftables


def _nft_table() -> str:
    answer = run_nft(["list", *TABLE])
    if answer.status and _ABSENT not in answer.errors:
        raise FirewallError(f"nft can't list them: {answer.complaint}. {_AS_ROOT}")
    return answer.output


def _delete_table() -> None:
    # Adding what is there is no error, so the deletion always finds a table.
    table = " ".join(TABLE)
    answer = run_nft(["-f", "-"], f"add {table}\ndelete {table}\n")
    if answer.status:
        raise FirewallError(f"nft can't delete {table}: {answer.complaint}. {_AS_ROOT}")


# iptables


def _our_chains(program: str, settings: ServerSettings) -> list[IptChain]:
    """Those that are there; some are only made when a door needs them."""
    saved = parse_saved(Programs(Path(program).name).save())
    chains = dict.fromkeys(iptables_settings(settings).chain(role) for role in Role)
    return [chain for chain in chains if (chain.table, chain.chain) in saved.chains]


def _iptables_programs() -> list[str]:
    return [path for _, stem in _FAMILIES if (path := find_program(stem)) is not None]


def _listed(program: str, *arguments: str) -> str:
    """What the program lists; nothing for a chain or table that is not there."""
    listing = [*arguments, "--line-numbers", "-n"]
    answer = run_program(program, listing, output_limit=OUTPUT_LIMIT)
    if any(text in answer.errors for text in ("Permission denied", "must be root")):
        raise FirewallError(f"{program} can't list them: {answer.complaint}. {_AS_ROOT}")
    return f"{answer.output}\n" if answer.output else ""
