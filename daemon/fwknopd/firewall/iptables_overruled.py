"""Chains made with nft that refuse what doors in iptables let in.

The kernel asks every chain of a hook, whoever made it, and one that refuses is enough. When
``auto`` chose iptables there was none; an admin may load some at any time.
"""

from __future__ import annotations

from fwknopd.firewall import FirewallError
from fwknopd.firewall.nft_process import list_rules
from fwknopd.firewall.nft_ruleset import DEFAULT_MARK
from fwknopd.firewall.process import find_program


def overruling() -> tuple[str, ...]:
    """A warning for each such chain that asks what comes in. Runs nft where there is one."""
    if find_program("nft") is None:
        return ()
    # Most who use iptables have no nft, and no memory to spare for it.
    from fwknopd.firewall.nft_judging import refusing_unmarked

    try:
        chains = refusing_unmarked(list_rules(), DEFAULT_MARK)
    except FirewallError:
        return ()  # Doors don't need nft; whatever ails it is no fault of theirs.
    return tuple(_warning(chain) for chain in chains)


def _warning(chain: str) -> str:
    return (
        f"the chain {chain} of nftables refuses what no rule of its own accepts, also whom a "
        "door in iptables lets in. Set firewall to nftables, or to auto, and restart fwknopd; "
        "or let that chain accept what doors are for"
    )
