"""What others do to our iptables rules, as the kernel announces it for iptables-nft.

Its rules are nftables rules, in tables named as ever (ip filter, ip6 nat, ...), and every
transaction is announced to who listens: its changes first, then, in closing, the process
that made it. So what our own iptables-restore did can be told from what others do.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from fwknopd.config.ipt_chain import IptChain
from fwknopd.firewall.netlink import Message, attributes
from fwknopd.firewall.nfnetlink import NFNL_SUBSYS_NFTABLES, Nft
from fwknopd.firewall.nft_socket import NftNotices

NEWGEN = NFNL_SUBSYS_NFTABLES << 8 | 15
NFTA_GEN_PROC_PID = 2
NFTA_TABLE_NAME = 1
NFTA_CHAIN_NAME = 3
NFTA_RULE_CHAIN = 2
# Bytes. A limit, not an allocation: hundreds of rules can be made in one go.
ROOM = 4 << 20
# Readings of notices per call, so that a flood of them can't hold the daemon.
DRAIN_LIMIT = 64
_FAMILIES = frozenset({2, 10})


class Heard(IntEnum):
    """What notices mean for our rules, the greater the worse."""

    NOTHING = 0
    CHANGED = 1
    """Rules of ours may be gone, or some put beside them."""
    REMADE = 2
    """Our chains were deleted, even if there are chains of that name again."""


class RuleNotices:
    """The notices about our chains. Opening it raises OSError."""

    def __init__(self, chains: Iterable[IptChain]) -> None:
        self._places = Places(chains)
        self._notices = NftNotices((), room=ROOM)
        self._own: set[int] = set()
        self._transaction = Heard.NOTHING

    def fileno(self) -> int:
        """Readable when there are notices."""
        return self._notices.fileno()

    def passed(self, pid: int) -> None:
        """A program of ours has ended: what it did is no news."""
        self._own.add(pid)

    def drain(self) -> Heard:
        """What others did since the last time. Never blocks, never raises."""
        heard = Heard.NOTHING
        for _ in range(DRAIN_LIMIT):
            messages, complete = self._notices.drain()
            heard = max(heard, *map(self._take, messages), Heard(not complete))
            if complete and not messages:
                break
        # Our programs have all ended, so their notices were among these.
        self._own.clear()
        return heard

    def close(self) -> None:
        """Stop listening."""
        self._notices.close()

    def _take(self, message: Message) -> Heard:
        """News at the end of a transaction, nothing before."""
        try:
            if message.kind != NEWGEN:
                self._transaction = max(self._transaction, self._places.heard_in(message))
                return Heard.NOTHING
            heard, self._transaction = self._transaction, Heard.NOTHING
            return Heard.NOTHING if _author(message) in self._own else heard
        except ValueError:
            return Heard.CHANGED


class Places:
    """Our chains, and those that jump to them, in the kernel's names."""

    def __init__(self, chains: Iterable[IptChain]) -> None:
        chains = tuple(chains)
        self._tables = frozenset(_name(chain.table) for chain in chains)
        self._ours = frozenset((_name(c.table), _name(c.chain)) for c in chains)
        self._parents = frozenset((_name(c.table), _name(c.parent)) for c in chains)

    def heard_in(self, message: Message) -> Heard:
        """What one notice means. Raises ValueError."""
        if not message.payload or message.payload[0] not in _FAMILIES:
            return Heard.NOTHING
        facts = dict(attributes(message.payload[4:]))
        table = facts.get(NFTA_TABLE_NAME, b"")
        if message.kind == Nft.DELTABLE:
            return Heard.REMADE if table in self._tables else Heard.NOTHING
        if message.kind == Nft.DELCHAIN:
            gone = (table, facts.get(NFTA_CHAIN_NAME, b"")) in self._ours
            return Heard.REMADE if gone else Heard.NOTHING
        place = (table, facts.get(NFTA_RULE_CHAIN, b""))
        if message.kind == Nft.NEWRULE:
            return Heard.CHANGED if place in self._ours else Heard.NOTHING
        if message.kind == Nft.DELRULE:
            return Heard.CHANGED if place in self._ours | self._parents else Heard.NOTHING
        return Heard.NOTHING


def _name(text: str) -> bytes:
    return text.encode() + b"\0"


def _author(message: Message) -> int:
    # A kernel that doesn't say leaves 0, which is no program of ours.
    return int.from_bytes(dict(attributes(message.payload[4:])).get(NFTA_GEN_PROC_PID, b""))
