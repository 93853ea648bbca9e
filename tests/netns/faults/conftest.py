"""Routers to be harmed: one set of machines for all of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns.faults.router import NAT, TCP, Router
from tests.netns.iptables_site import VARIANTS
from tests.netns.matrix.arenas import AdminArena, Arena, Fw4Arena
from tests.netns.matrix.guarded import guarded, served_site
from tests.netns.matrix.site import Site
from tests.netns.namespaces import Machines

COMPLETE = os.environ.get("FAULTS") == "complete"
"""Everything, which takes minutes, and not only what every day is tried."""

ARENAS: list[Arena] = [Fw4Arena("default"), AdminArena("plain", VARIANTS[0])]


@pytest.fixture(scope="session")
def served() -> Iterator[tuple[Site, Machines]]:
    with served_site() as made:
        yield made


@pytest.fixture
def arena() -> Arena:
    """nftables, where a test does not say otherwise."""
    return ARENAS[0]


@pytest.fixture
def router(served: tuple[Site, Machines], arena: Arena, tmp_path: Path) -> Iterator[Router]:
    """With a daemon that runs."""
    with guarded(served, arena, tmp_path, (TCP, NAT)) as made:
        made.arena.load(made.site)
        made.daemon.start()
        made.ask("status")
        yield Router(made)
