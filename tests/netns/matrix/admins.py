"""Rules that an admin writes for iptables, and what counts of them once they are loaded."""

from __future__ import annotations

from collections.abc import Iterator


def counting_lines(version: int, saved: str) -> Iterator[str]:
    """What counts of `iptables-save`: IP version, table, what it is, chain, rule."""
    table = ""
    for line in saved.splitlines():
        words = line.split()
        if line.startswith("*"):
            table = line
        elif line.startswith("-A"):
            yield f"{version} {table} rule {' '.join(words[1:])}"
        elif line.startswith(":") and words[1] != "ACCEPT":
            yield f"{version} {table} chain {' '.join(words[:2])}"


NOTHING = """\
*nat
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
"""
_PLAIN = """\
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT {output} [0:0]
-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A INPUT -p {{icmp}} -j ACCEPT
-A INPUT -i br-lan -j ACCEPT
-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A FORWARD -i br-lan -o eth1 -j ACCEPT
-A OUTPUT -p {{icmp}} -j ACCEPT
-A OUTPUT -o br-lan -j ACCEPT
COMMIT
*nat
{{masquerade}}COMMIT
"""
ADMINS = {
    "plain": _PLAIN.format(output="ACCEPT"),
    # Even answers leave only through a rule of ours: ENABLE_IPT_OUTPUT.
    "mute": _PLAIN.format(output="DROP"),
    "fw3": "",
}


def rules_for(version: int, rules: str) -> str:
    """One of `ADMINS` for iptables or ip6tables."""
    icmp = "icmp" if version == 4 else "ipv6-icmp"
    # IPv6 is routed.
    masquerade = "-A POSTROUTING -o eth1 -j MASQUERADE\n" if version == 4 else ""
    return rules.format(icmp=icmp, masquerade=masquerade)
