"""Rules as fw3 makes them, and what its actions do to what others put beside them.

Platform notes 5: fw3 tags its own rules; a reload takes away those and its own chains,
and leaves user chains and foreign rules alone.
"""

from __future__ import annotations

TAG = '-m comment --comment "!fw3"'
USER_CHAINS = {
    "filter": ("input_rule", "forwarding_rule", "output_rule"),
    "nat": ("prerouting_rule", "postrouting_rule"),
}
_OWN_PREFIXES = ("zone_", "reject", "syn_flood")

_FILTER = """\
-A INPUT -i lo {tag} -j ACCEPT
-A INPUT {tag} -j input_rule
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED {tag} -j ACCEPT
-A INPUT -i br-lan {tag} -j zone_lan_input
-A INPUT -i eth1 {tag} -j zone_wan_input
-A INPUT {tag} -j reject
-A FORWARD {tag} -j forwarding_rule
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED {tag} -j ACCEPT
-A FORWARD -i br-lan {tag} -j zone_lan_forward
-A FORWARD -i eth1 {tag} -j zone_wan_forward
-A FORWARD {tag} -j reject
-A OUTPUT -o lo {tag} -j ACCEPT
-A OUTPUT {tag} -j output_rule
-A OUTPUT -m conntrack --ctstate RELATED,ESTABLISHED {tag} -j ACCEPT
-A OUTPUT -o br-lan {tag} -j ACCEPT
-A OUTPUT -o eth1 {tag} -j ACCEPT
-A zone_lan_input -m conntrack --ctstate NEW,UNTRACKED {tag} -j ACCEPT
-A zone_lan_forward {tag} -j zone_wan_dest_ACCEPT
-A zone_lan_forward -o br-lan {tag} -j ACCEPT
-A zone_wan_dest_ACCEPT -o eth1 -m conntrack --ctstate INVALID {tag} -j DROP
-A zone_wan_dest_ACCEPT -o eth1 {tag} -j ACCEPT
-A zone_wan_input -p {icmp} {tag} -j ACCEPT
{forward_input}-A zone_wan_input -i eth1 {tag} -j reject
{forward_accept}-A zone_wan_forward -o br-lan {tag} -j reject
-A reject -p tcp {tag} -j REJECT --reject-with tcp-reset
-A reject {tag} -j REJECT --reject-with {unreachable}
"""
_FILTER_CHAINS = (
    "zone_lan_input",
    "zone_lan_forward",
    "zone_wan_input",
    "zone_wan_forward",
    "zone_wan_dest_ACCEPT",
    "reject",
)
_NAT = """\
-A PREROUTING {tag} -j prerouting_rule
-A PREROUTING -i eth1 {tag} -j zone_wan_prerouting
-A POSTROUTING {tag} -j postrouting_rule
-A POSTROUTING -o eth1 {tag} -j zone_wan_postrouting
-A zone_wan_postrouting {tag} -j MASQUERADE
-A zone_wan_prerouting -p tcp -m tcp --dport 2222 {tag} -j DNAT --to-destination 192.168.1.100:22
"""
_NAT_CHAINS = ("zone_wan_prerouting", "zone_wan_postrouting")
# Without these, tests of the forwarded port would have nothing to look at.
_FORWARD = {
    "forward_input": f"-A zone_wan_input -m conntrack --ctstate DNAT {TAG} -j ACCEPT\n",
    "forward_accept": f"-A zone_wan_forward -m conntrack --ctstate DNAT {TAG} -j ACCEPT\n",
}
_WORDS: dict[int, dict[str, str]] = {
    4: {"icmp": "icmp", "unreachable": "icmp-port-unreachable", "tag": TAG, **_FORWARD},
    6: {
        **{"icmp": "ipv6-icmp", "unreachable": "icmp6-port-unreachable", "tag": TAG},
        **dict.fromkeys(_FORWARD, ""),
    },
}


def ruleset(version: int, *, user_chains: bool = True) -> str:
    """What `iptables-restore` is given; without user chains to leave those alone."""
    text = _table("filter", "DROP", _FILTER_CHAINS, _FILTER, version, user_chains)
    if version == 6:
        return text
    return _table("nat", "ACCEPT", _NAT_CHAINS, _NAT, version, user_chains) + text


_BUILT_IN = {
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
}


def _table(
    table: str, policy: str, chains: tuple[str, ...], rules: str, version: int, user: bool
) -> str:
    policies = [f":{chain} {policy} [0:0]" for chain in _BUILT_IN[table]]
    own = [f":{chain} - [0:0]" for chain in (*chains, *(USER_CHAINS[table] if user else ()))]
    body = rules.format(**_WORDS[version])
    return "\n".join([f"*{table}", *policies, *own, body + "COMMIT", ""])


def without_own(saved: str) -> str:
    """What `iptables-save` printed, without what fw3 made: the middle of a reload."""
    return "\n".join(line for line in saved.splitlines() if not _is_own(line)) + "\n"


def _is_own(line: str) -> bool:
    words = line.split()
    named = words[1] if line.startswith("-A") else line[1:].split(" ")[0]
    is_rule_or_chain = line.startswith(("-A", ":"))
    return is_rule_or_chain and ('"!fw3' in line or named.startswith(_OWN_PREFIXES))
