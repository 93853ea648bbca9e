"""Whether doors in iptables really let somebody in, judged by what iptables-save prints. Pure."""

from __future__ import annotations

import re

from fwknopd.config.ipt_chain import IptChain
from fwknopd.firewall import Diagnosis
from fwknopd.firewall.iptables_reading import expiry_of
from fwknopd.firewall.iptables_rules import IptablesSettings
from fwknopd.firewall.iptables_saved import Saved
from fwknopd.firewall.process import FW4

# A rule without a condition, as iptables-save prints it.
_ENDS_ALL = re.compile(r'(?:-m comment --comment (?:"[^"]*"|\S+) )?-j (?:DROP|REJECT(?: .*)?)')


def diagnosed(saved: Saved, settings: IptablesSettings, fault6: str = "") -> Diagnosis:
    """What ``saved`` means for doors; ``fault6`` is why there are none over IPv6."""
    if FW4.exists():
        return Diagnosis(
            False,
            "this router's firewall is fw4, which drops what iptables accepts: "
            "set firewall to nftables",
        )
    chains = [settings.chain(role) for role in settings.standing()]
    lost = [chain for chain in chains if not saved.holds(chain)]
    if lost:
        names = " and ".join(f"{chain.parent} to {chain.chain}" for chain in lost)
        return Diagnosis(False, f"the jump from {names} was deleted; it is being put back")
    barred = next((found for chain in chains if (found := _barred(saved, chain))), "")
    if barred:
        return Diagnosis(False, barred)
    notes = [f"{c.chain} is rule {saved.position(c)} of {c.parent}" for c in chains]
    if fault6:
        notes.append(f"no doors over IPv6: {fault6}")
    warnings = [_warning(chain) for chain in chains if _is_shared(saved, chain)]
    return Diagnosis(True, "; ".join(notes), tuple(warnings))


def _barred(saved: Saved, chain: IptChain) -> str:
    """What is wrong if nothing ever gets to ``chain``; "" if something does."""
    position = saved.position(chain) or 1
    before = saved.chains[chain.table, chain.parent][: position - 1]
    number = next((n for n, text in enumerate(before, 1) if _ENDS_ALL.fullmatch(text)), 0)
    if not number:
        return ""
    return (
        f"rule {number} of {chain.parent}, `{before[number - 1]}`, refuses all packets before "
        f"{chain.chain} is asked: move it behind that jump, which is rule {position}"
    )


def _is_shared(saved: Saved, chain: IptChain) -> bool:
    texts = saved.chains[chain.table, chain.chain]
    return any(expiry_of(text) is None for text in texts)


def _warning(chain: IptChain) -> str:
    return (
        f"the chain {chain.chain} holds rules that are not fwknopd's, which may keep out whom a "
        "door is for. Move them to a chain of your own"
    )
