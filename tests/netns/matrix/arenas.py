"""The firewalls a door has to work with: fw4's real rulesets, and iptables in several shapes."""

from __future__ import annotations

import os
import re
import shutil
from functools import cache
from pathlib import Path
from typing import Protocol

from tests.netns.fw4_rulesets import RULESETS, router_ruleset
from tests.netns.iptables_site import VARIANTS
from tests.netns.matrix import fw3
from tests.netns.matrix.admins import ADMINS, NOTHING, counting_lines, rules_for
from tests.netns.matrix.attempts import Attempt
from tests.netns.matrix.kind_table import FORWARDED
from tests.netns.matrix.services import Answer
from tests.netns.matrix.site import ROUTER, SECOND, VERSIONS, Site, matrix_site

_END = re.compile(r"_exp_(\d+)")
STEMS = {4: "iptables", 6: "ip6tables"}


class Arena(Protocol):
    """A router's own firewall, and what its owner does to it.

    - ``closes``: the kernel shuts doors in time by itself
    - ``keeps``: a reload, or a restart, leaves our rules alone
    - ``tells_behind``: a door through NAT is no door to the target's own address
    - ``answers``: what the router sends on a connection needs no rule of ours
    """

    name: str
    backend: str
    closes: bool
    keeps: frozenset[str]
    tells_behind: bool
    answers: bool

    def load(self, site: Site) -> None:
        """The owner's rules and nothing else, as after a boot."""

    def reload(self, site: Site) -> None:
        """Renew the owner's rules."""

    def unload(self, site: Site) -> None:
        """The first half of a restart, `start` being the other."""

    def flush(self, site: Site) -> None:
        """Take every rule away, whosesoever it is."""

    def start(self, site: Site) -> None:
        """Load the owner's rules where there are none of them."""

    def listing(self, site: Site) -> str:
        """Every rule, without what changes by itself."""

    def admits(self, site: Site, source: str) -> bool:
        """Whether rules of ours are there, and a door for that address among them."""

    def held(self, site: Site) -> dict[str, int]:
        """Rules of ours that are put back one after the other, and the epoch second of each end."""

    def programs(self, folder: Path) -> str:
        """A folder where the daemon finds the firewall's programs first."""

    def public(self, attempt: Attempt) -> Answer | None:
        """What the owner's rules make of an attempt of anybody from outside."""


def clean(site: Site) -> None:
    """No rule of any kind, as when the machine was made."""
    site.router.nft("flush ruleset\n")
    for stem in STEMS.values() if "-legacy" in VARIANTS else ():
        site.router.run(f"{stem}-legacy-restore", "-w", script=NOTHING)


class Fw4Arena:
    """A ruleset that the real fw4 printed, with our includes; platform notes 4.2."""

    backend = "nftables"
    closes = True
    keeps = frozenset({"reload", "restart"})
    tells_behind = True
    answers = True

    def __init__(self, scenario: str) -> None:
        self.name = scenario

    def load(self, site: Site) -> None:
        """See `Arena`."""
        clean(site)
        self.start(site)

    def reload(self, site: Site) -> None:
        """See `Arena`."""
        site.router.nft(router_ruleset(self.name))

    def unload(self, site: Site) -> None:
        """See `Arena`."""
        site.router.nft("delete table inet fw4\n")

    def flush(self, site: Site) -> None:
        """See `Arena`."""
        site.router.nft("flush ruleset\n")

    def start(self, site: Site) -> None:
        """See `Arena`."""
        self.reload(site)

    def listing(self, site: Site) -> str:
        """See `Arena`."""
        return site.router.run("nft", "-s", "list", "ruleset")

    def admits(self, site: Site, source: str) -> bool:
        """See `Arena`."""
        table = site.router.run("nft", "list", "table", "inet", "fwknopd", check=False)
        return f"{source} " in table and "hook input" in table

    def held(self, site: Site) -> dict[str, int]:
        """See `Arena`. All are put back at once."""
        return {}

    def programs(self, folder: Path) -> str:
        """See `Arena`."""
        return str(folder)

    def public(self, attempt: Attempt) -> Answer | None:
        """See `Arena`."""
        return _forwarded(attempt) if self.name == "redirect" else None


class AdminArena:
    """A few rules of an admin's own, with one of the two kinds of iptables."""

    backend = "iptables"
    closes = False
    keeps: frozenset[str] = frozenset()
    tells_behind = False

    def __init__(self, style: str, variant: str) -> None:
        self.name = f"{style}{variant}"
        self.answers = style != "mute"
        self._rules = ADMINS[style]
        self._variant = variant

    def load(self, site: Site) -> None:
        """See `Arena`."""
        clean(site)
        self.start(site)

    def reload(self, site: Site) -> None:
        """See `Arena`."""
        self.start(site)

    def unload(self, site: Site) -> None:
        """See `Arena`."""
        self.flush(site)

    def flush(self, site: Site) -> None:
        """See `Arena`."""
        for version in VERSIONS:
            self._run(site, version, "restore", script=NOTHING)

    def start(self, site: Site) -> None:
        """See `Arena`. What others have made meanwhile goes."""
        for version in VERSIONS:
            self._run(site, version, "restore", script=rules_for(version, self._rules))

    def listing(self, site: Site) -> str:
        """See `Arena`. Built-in chains that accept may be there or not."""
        lines = [line for v in VERSIONS for line in counting_lines(v, self._run(site, v, "save"))]
        # The order of chains means nothing, that of a chain's rules does.
        return "\n".join(sorted(lines, key=lambda line: line.split()[:4]))

    def admits(self, site: Site, source: str) -> bool:
        """See `Arena`."""
        saved = self._run(site, 6 if ":" in source else 4, "save")
        return f"-A FWKNOP_INPUT -s {source}/" in saved and "-j FWKNOP_INPUT" in saved

    def held(self, site: Site) -> dict[str, int]:
        """See `Arena`."""
        lines = [line for v in VERSIONS for line in counting_lines(v, self._run(site, v, "save"))]
        return {f"{rule[0]}{rule[2]}": int(rule[1]) for rule in map(_END.split, lines) if rule[1:]}

    def programs(self, folder: Path) -> str:
        """See `Arena`."""
        folder.mkdir(exist_ok=True)
        for stem in STEMS.values():
            for action in ("", "-save", "-restore"):
                program = shutil.which(f"{stem}{self._variant}{action}")
                assert program, "a test with iptables carries that marker"
                (folder / f"{stem}{action}").symlink_to(program)
        return str(folder)

    def public(self, attempt: Attempt) -> Answer | None:
        """See `Arena`."""
        return None

    def flush_filter(self, site: Site) -> None:
        """What somebody types who wants to be rid of all rules: policies and NAT stay."""
        for stem in STEMS.values():
            site.router.run(f"{stem}{self._variant}", "-w", "-F")

    def leave_rule(self, site: Site, source: str, end: int) -> None:
        """A rule as the C daemon, or an earlier one of ours, makes it; ``end`` is epoch seconds."""
        match = f"-s {source} -p tcp --dport 7001 -m comment --comment _exp_{end} -j ACCEPT"
        site.router.run(f"iptables{self._variant}", "-w", "-A", "FWKNOP_INPUT", *match.split())

    def _run(self, site: Site, version: int, action: str, *more: str, script: str = "") -> str:
        wait = ["-w"] if action == "restore" else []
        program = f"{STEMS[version]}{self._variant}-{action}"
        return site.router.run(program, *wait, *more, script=script)


class Fw3Arena(AdminArena):
    """Rules in the shape of fw3's, with one port forwarded."""

    keeps = frozenset({"reload"})

    def __init__(self, variant: str) -> None:
        super().__init__("fw3", variant)

    def reload(self, site: Site) -> None:
        """See `Arena`. What fw3 didn't make stays."""
        for version in VERSIONS:
            rest = fw3.without_own(self._run(site, version, "save"))
            self._run(site, version, "restore", script=rest)
            again = fw3.ruleset(version, user_chains=False)
            self._run(site, version, "restore", "-n", script=again)

    def start(self, site: Site) -> None:
        """See `Arena`. What others have made meanwhile stays."""
        for version in VERSIONS:
            self._run(site, version, "restore", "-n", script=fw3.ruleset(version))

    def public(self, attempt: Attempt) -> Answer | None:
        """See `Arena`."""
        return _forwarded(attempt)


def _forwarded(attempt: Attempt) -> Answer | None:
    """Port 2222 of the router leads to the LAN host's port 22, over IPv4 and TCP."""
    asked = (attempt.protocol, attempt.address, attempt.port)
    to_router = asked in {("tcp", pair[4], FORWARDED) for pair in (ROUTER, SECOND)}
    return Answer("host", 22, attempt.source) if to_router else None


# One has includes already, which is what ours make of "default".
_DOUBLES = {"default-with-includes"}


def _loads(scenario: str) -> bool:
    """Whether this kernel can: not every one has flow tables."""
    if os.geteuid():
        return True
    with matrix_site() as (site, _):
        try:
            Fw4Arena(scenario).load(site)
        except RuntimeError:
            return False
    return True


@cache
def fw4_scenarios() -> tuple[str, ...]:
    """Every recorded ruleset that can be loaded here."""
    names = sorted(path.parent.name for path in RULESETS.glob("*/ruleset.nft"))
    wanted = [name for name in names if name not in _DOUBLES]
    return tuple(name for name in wanted if name != "flow-offload" or _loads(name))
