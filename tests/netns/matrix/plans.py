"""Which campaigns there are, and which of them are enough for every day.

Every campaign has all kinds of access and both IP versions in it, and all ends of a door.
What is chosen from is the firewall, the server's settings and the trouble. For every day
each kind meets two of its ends in each campaign, in turn; any two of kind, IP version, end,
trouble and back end still come together, and every firewall takes part.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from itertools import cycle
from pathlib import Path
from random import SystemRandom

from tests.netns.iptables_site import VARIANTS
from tests.netns.matrix.arenas import AdminArena, Arena, Fw3Arena, Fw4Arena, fw4_scenarios
from tests.netns.matrix.campaign import Campaign, Report
from tests.netns.matrix.guarded import guarded
from tests.netns.matrix.kind_table import STRICT, USUAL
from tests.netns.matrix.kinds import Kind
from tests.netns.matrix.site import Site
from tests.netns.matrix.troubles import TROUBLES
from tests.netns.matrix.walk import Walk, WalkReport
from tests.netns.matrix.walk_doors import WALKED
from tests.netns.matrix.walk_steps import take_walk
from tests.netns.namespaces import Machines

SETTINGS: dict[str, tuple[Kind, ...]] = {"usual": USUAL, "strict": STRICT}
COMPLETE = os.environ.get("MATRIX") == "complete"
"""`make matrix` asks for everything."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One campaign. ``turn`` None has all ends of a door for each kind, else two."""

    arena: str
    settings: str
    trouble: str
    turn: int | None = None

    def __str__(self) -> str:
        return f"{self.arena}-{self.settings}-{self.trouble.replace(' ', '_')}"

    def run(self, served: tuple[Site, Machines], folder: Path) -> Report:
        """Do it."""
        kinds = SETTINGS[self.settings]
        with guarded(served, arenas()[self.arena], folder, kinds) as router:
            return Campaign(router, kinds, self.trouble, str(self), self.turn).run()


@dataclass(frozen=True, slots=True)
class WalkPlan:
    """One random walk."""

    arena: str
    seed: int
    steps: int

    def __str__(self) -> str:
        return f"{self.arena}-{self.seed}"

    def run(self, served: tuple[Site, Machines], folder: Path) -> WalkReport:
        """Do it."""
        with guarded(served, arenas()[self.arena], folder, WALKED) as router:
            return take_walk(Walk(router, self.seed), self.steps)


@cache
def arenas() -> dict[str, Arena]:
    """All firewalls, by name."""
    every: list[Arena] = [Fw4Arena(name) for name in fw4_scenarios()]
    for variant in VARIANTS:
        every += [AdminArena("plain", variant), AdminArena("mute", variant), Fw3Arena(variant)]
    return {arena.name: arena for arena in every}


def complete() -> list[Plan]:
    """Every combination."""
    return [Plan(a, s, t) for a in arenas() for s in SETTINGS for t in TROUBLES]


def enough() -> list[Plan]:
    """Every trouble with either back end, and once more with the strict settings.

    Which of a back end's firewalls it is changes from trouble to trouble.
    """
    arenas_of = [cycle(names) for names in _by_backend()]
    usual = [
        Plan(next(names), "usual", trouble, turn)
        for names in arenas_of
        for turn, trouble in enumerate(TROUBLES)
    ]
    strict = [
        Plan(next(arenas_of[turn % 2]), "strict", trouble, turn)
        for turn, trouble in enumerate(TROUBLES)
    ]
    return [*usual, *strict]


def _by_backend() -> list[list[str]]:
    """The names of the firewalls, for each back end."""
    backends = ("nftables", "iptables")
    return [[name for name, arena in arenas().items() if arena.backend == b] for b in backends]


def plans() -> list[Plan]:
    """Those to run."""
    return complete() if COMPLETE else enough()


WALKS = ("default", "plain-nft", "fw3-legacy")
"""Firewalls for every day's walks."""

STEPS, MANY_STEPS, MANY_SEEDS = 30, 100, 2


def walks() -> list[WalkPlan]:
    """Those to take. With WALK_SEED it is that walk again; every day takes the same."""
    steps = MANY_STEPS if COMPLETE else STEPS
    names = arenas() if COMPLETE else WALKS
    return [WalkPlan(name, seed, steps) for name in names for seed in _seeds() if name in arenas()]


@cache
def _seeds() -> list[int]:
    if given := os.environ.get("WALK_SEED"):
        return [int(given)]
    if not COMPLETE or os.environ.get("CI"):
        return [1]
    return [SystemRandom().randrange(10**6) for _ in range(MANY_SEEDS)]
