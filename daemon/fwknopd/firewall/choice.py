"""Which firewall backend to use, by the word of the command line or configuration."""

from __future__ import annotations

from fwknopd.firewall import Firewall, FirewallError
from fwknopd.firewall.log_only import LogOnlyFirewall
from fwknopd.firewall.nft_process import find_nft
from fwknopd.firewall.nft_ruleset import DEFAULT_MARK
from fwknopd.firewall.nftables import NftablesFirewall

KINDS = ("auto", "nftables", "iptables", "log-only")


def choose_firewall(kind: str = "auto", mark: int = DEFAULT_MARK) -> Firewall:
    """The backend called ``kind``; ``auto`` is nftables where nft is installed.

    Nothing is changed yet. Raises FirewallError for a backend that can't be had.
    """
    if kind == "log-only":
        return LogOnlyFirewall()
    if kind in ("auto", "nftables"):
        find_nft()
        return NftablesFirewall(mark)
    if kind == "iptables":
        raise FirewallError("firewall iptables is not supported yet: use nftables or log-only")
    raise FirewallError(f"no firewall is called {kind!r}: use one of {', '.join(KINDS)}")
