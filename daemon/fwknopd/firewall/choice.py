"""Which firewall backend to use, by the word of the command line or configuration."""

from __future__ import annotations

from pathlib import Path

from fwknopd.firewall import Firewall, FirewallError
from fwknopd.firewall.iptables_process import FW4, Programs
from fwknopd.firewall.iptables_rules import IptablesSettings
from fwknopd.firewall.log_only import LogOnlyFirewall
from fwknopd.firewall.nft_process import MISSING, find_nft
from fwknopd.firewall.nft_ruleset import DEFAULT_MARK
from fwknopd.firewall.nftables import NftablesFirewall
from fwknopd.firewall.process import find_program

KINDS = ("auto", "nftables", "iptables", "log-only")
_IPTABLES = Programs("iptables")


def choose_firewall(
    kind: str = "auto",
    mark: int = DEFAULT_MARK,
    iptables: IptablesSettings | None = None,
    *,
    fw4: Path = FW4,
) -> Firewall:
    """The backend called ``kind``.

    ``auto`` is nftables where the router has fw4 or nft is installed, else iptables.
    Nothing is changed yet. Raises FirewallError for a backend that can't be had.
    """
    if kind == "auto":
        kind = _best_kind(fw4)
    if kind == "log-only":
        return LogOnlyFirewall()
    if kind == "nftables":
        find_nft()
        return NftablesFirewall(mark)
    if kind == "iptables":
        _IPTABLES.require()
        # Most routers have nftables, and no memory to spare for the other.
        from fwknopd.firewall.iptables import IptablesFirewall

        return IptablesFirewall(iptables)
    raise FirewallError(f"no firewall is called {kind!r}: use one of {', '.join(KINDS)}")


def _best_kind(fw4: Path) -> str:
    # iptables may be installed beside fw4, whose drops it can't overrule.
    if fw4.exists() or find_program("nft") is not None:
        return "nftables"
    if _IPTABLES.is_installed:
        return "iptables"
    raise FirewallError(f"{MISSING}. There is no iptables either")
