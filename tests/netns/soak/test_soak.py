"""Hundreds of clients, and whatever happens, for SOAK_MINUTES with each firewall."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import pytest

from tests.lab.configs import write_private
from tests.netns.faults.conftest import ARENAS
from tests.netns.faults.router import Router
from tests.netns.matrix.arenas import Arena
from tests.netns.matrix.guarded import guarded, served_site
from tests.netns.matrix.site import Site
from tests.netns.namespaces import Machines
from tests.netns.soak.clients import configuration
from tests.netns.soak.gauges import growth_limit
from tests.netns.soak.happenings import HAPPENINGS
from tests.netns.soak.life import Life

MINUTES = os.environ.get("SOAK_MINUTES")
SECONDS = float(MINUTES) * 60 if MINUTES else 0.0
ROUNDS_BETWEEN = 6 if MINUTES else 0
FIRST_ROUNDS = 1
pytestmark = [
    pytest.mark.root,
    pytest.mark.nft,
    pytest.mark.iptables,
    pytest.mark.timeout(SECONDS * 2 + 240),
]


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Site, Machines]]:
    with served_site() as made:
        yield made


@pytest.fixture(params=ARENAS if MINUTES else ARENAS[:1], ids=lambda arena: arena.name)
def life(
    request: pytest.FixtureRequest, served: tuple[Site, Machines], tmp_path: Path
) -> Iterator[Life]:
    arena: Arena = request.param
    with guarded(served, arena, tmp_path, ()) as made:
        write_private(made.daemon.paths.uci, configuration())
        made.arena.load(made.site)
        made.daemon.start()
        life = Life(Router(made), random.Random(arena.name))
        if not MINUTES:
            life.longest, life.pause = 2, 0.0
        yield life


def live(life: Life) -> None:
    """At least until everything has happened once."""
    end = time.monotonic() + SECONDS
    for number, happening in enumerate(cycle(HAPPENINGS)):
        if number >= len(HAPPENINGS) and time.monotonic() > end:
            return
        happening(life)
        life.counts[happening.__name__] += 1
        for _ in range(1 + ROUNDS_BETWEEN):
            life.round()


def test_in_a_days_life_memory_stays_flat_and_every_door_is_accounted_for(life: Life) -> None:
    for _ in range(FIRST_ROUNDS):
        life.round()
    descriptors = life.gauges.descriptors()
    live(life)
    life.end()
    books, gauges = life.books, life.gauges
    quarters = gauges.quarters()
    print(dict(life.counts), f"opened {books.opened}, extended {books.extended},", end=" ")
    print(
        f"closed {books.closed}; KiB {quarters}, {gauges.growth_per_hour():+.0f} an hour;", end=" "
    )
    print(f"descriptors {descriptors} -> {gauges.descriptors()}")
    assert not (life.wrong or books.wrong), (life.wrong + books.wrong)[:10]
    assert books.opened == books.closed > 0
    assert life.counts["copies refused"] > 0
    assert gauges.descriptors() == descriptors
    assert not gauges.children()
    assert quarters[3] - quarters[1] <= growth_limit(SECONDS)
