"""Is nftables this machine's firewall, or only what its iptables runs on? Reads nft's listing.

Pure. Both programs are there on most systems that are no router, and a door opened in the
wrong one lets nobody in.
"""

from __future__ import annotations

import re

from fwknopd.firewall.fw4 import accepts_mark

_TABLE = re.compile(r"^table (?P<name>\S+ \S+) \{\n(?P<body>.*?)^\}", re.MULTILINE | re.DOTALL)
_CHAIN = re.compile(r"^\tchain (?P<name>\S+) \{\n(?P<body>.*?)^\t\}", re.MULTILINE | re.DOTALL)
_DROPS = re.compile(r"type filter hook input priority [^;]*; policy drop;", re.ASCII)
_MADE_BY_IPTABLES = ("ip filter", "ip6 filter")


def guards_input(listing: str, mark: int) -> bool:
    """Whether rules made with nft, not iptables, decide what comes in.

    They do if they drop whatever no rule accepts, or if somebody told them to accept
    ``mark``. ``listing`` is what ``nft list ruleset`` prints.
    """
    return any(
        accepts_mark(chain["body"], mark) or _DROPS.search(chain["body"])
        for table in _TABLE.finditer(listing)
        for chain in _CHAIN.finditer(table["body"])
        if not (table["name"] in _MADE_BY_IPTABLES and chain["name"] == "INPUT")
    )
