"""Which firewall backend to use, by the word of the command line or configuration."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from fwknopd.connections import Connections, Counted, Cut, NoConnections
from fwknopd.firewall import Firewall, FirewallError
from fwknopd.firewall.log_only import LogOnlyFirewall
from fwknopd.firewall.nft_process import MISSING, find_nft
from fwknopd.firewall.nft_ruleset import DEFAULT_MARK
from fwknopd.firewall.nftables import NftablesFirewall
from fwknopd.firewall.process import FW4, find_program
from fwknopd.grants import Door

if TYPE_CHECKING:
    from fwknopd.firewall.iptables_process import Programs
    from fwknopd.firewall.iptables_rules import IptablesSettings

KINDS = ("auto", "nftables", "iptables", "log-only")


def choose_firewall(
    kind: str = "auto",
    mark: int = DEFAULT_MARK,
    iptables: Callable[[], IptablesSettings | None] = lambda: None,
    *,
    forwards: bool = True,
    fw4: Path = FW4,
) -> Firewall:
    """The backend called ``kind``.

    ``auto`` is nftables where the router has fw4, where only nft is installed, or where
    rules made with nft decide what comes in; else iptables, as with the C daemon.
    ``iptables`` makes its settings, if it is to be iptables. ``forwards``: doors may lead
    through this router. Nothing is changed yet. Raises
    FirewallError for a backend that can't be had.
    """
    if kind == "auto":
        kind = _best_kind(fw4, mark)
    if kind == "log-only":
        return LogOnlyFirewall()
    if kind == "nftables":
        find_nft()
        return NftablesFirewall(mark, forwards=forwards)
    if kind == "iptables":
        _iptables().require()
        from fwknopd.firewall.iptables import IptablesFirewall

        return IptablesFirewall(iptables())
    raise FirewallError(f"no firewall is called {kind!r}: use one of {', '.join(KINDS)}")


def choose_connections(firewall: Firewall) -> Connections:
    """Whom to ask about the connections of doors that ``firewall`` opens."""
    if isinstance(firewall, LogOnlyFirewall):
        return NoConnections()
    return LateConntrack()


class LateConntrack:
    """The kernel's table of connections, loaded with the first question.

    Until somebody looks at the list of doors or cuts a connection, no router needs to have it
    in its memory.
    """

    def __init__(self) -> None:
        self._loaded: Connections | None = None

    def count(self, doors: Collection[Door]) -> Counted:
        """The live connections of ``doors``."""
        return self._conntrack().count(doors)

    def cut(self, closed: Collection[Door], still_open: Collection[Door]) -> Cut:
        """End the connections of ``closed`` for good, but for those of doors ``still_open``."""
        return self._conntrack().cut(closed, still_open)

    def opened(self, doors: Collection[Door]) -> None:
        """Nothing was cut before the first question."""
        if self._loaded is not None:
            self._loaded.opened(doors)

    def problem(self) -> str:
        """Why connections can be neither counted nor cut; "" when they can."""
        return self._conntrack().problem()

    def _conntrack(self) -> Connections:
        if self._loaded is None:
            from fwknopd.firewall.conntrack import Conntrack

            self._loaded = Conntrack()
        return self._loaded


def _iptables() -> Programs:
    # Most routers have nftables, and no memory to spare for the other.
    from fwknopd.firewall.iptables_process import Programs

    return Programs("iptables")


def _best_kind(fw4: Path, mark: int) -> str:
    # iptables may be installed beside fw4, whose drops it can't overrule.
    if fw4.exists():
        return "nftables"
    if find_program("nft") is None:
        if _iptables().is_installed:
            return "iptables"
        raise FirewallError(f"{MISSING}. There is no iptables either")
    if _iptables().is_installed and not _nft_guards_input(mark):
        return "iptables"
    return "nftables"


def _nft_guards_input(mark: int) -> bool:
    # No router with fw4 comes here.
    from fwknopd.firewall.nft_diagnosis import guards_input

    try:
        return guards_input(mark)
    except FirewallError:
        return False  # Whatever ails nft, it would ail the backend too.
