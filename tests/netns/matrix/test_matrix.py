"""Every kind of access through everything that happens to a router; see `campaign`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from time import monotonic

import pytest

from tests.netns.matrix.campaign import LIVES, Report, cases_of
from tests.netns.matrix.kind_table import KINDS, WAKER
from tests.netns.matrix.ledger import Entry, State
from tests.netns.matrix.plans import (
    SETTINGS,
    Plan,
    WalkPlan,
    arenas,
    complete,
    enough,
    plans,
    walks,
)
from tests.netns.matrix.running import Job, SideBySide, is_alone
from tests.netns.matrix.site import Home
from tests.netns.matrix.troubles import TROUBLES

pytestmark = [pytest.mark.root, pytest.mark.nft, pytest.mark.iptables]

SHOWN = 25


@pytest.fixture(scope="session")
def side_by_side(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, artifacts: Path
) -> Iterator[SideBySide]:
    """All selected campaigns and walks, under way; what was counted is left in the artifacts."""
    # A socket's path must be short.
    running = SideBySide(tmp_path_factory.mktemp("m"))
    if is_alone():
        running.prepare(_selected(request.session.items))
    try:
        yield running
    finally:
        running.close()
        worker = os.environ.get("PYTEST_XDIST_WORKER", "")
        write_summary(artifacts / f"matrix{worker}.txt", running.ended())


def _selected(items: Iterable[pytest.Item]) -> Iterator[Job[object]]:
    """The jobs of all selected tests; long ones first, so that none is left over at the end."""
    functions = [item for item in items if isinstance(item, pytest.Function)]
    params = [f.callspec.params["plan"] for f in functions if "plan" in f.fixturenames]
    yield from (plan for plan in params if isinstance(plan, WalkPlan))
    yield from (plan for plan in params if isinstance(plan, Plan))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("plan", plans(), ids=str)
def test_campaign(side_by_side: SideBySide, plan: Plan) -> None:
    report = side_by_side.found(plan)
    shown = "\n".join(report.wrong[:SHOWN])
    assert not report.wrong, f"{plan}: {len(report.wrong)} disagreements\n{shown}"
    # A look that knew nothing would find nothing wrong.
    assert report.certain > 5 * report.cases
    assert report.watched > 50


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("plan", walks(), ids=str)
def test_walk(side_by_side: SideBySide, plan: WalkPlan) -> None:
    report = side_by_side.found(plan)
    assert not report.wrong, f"{plan.arena}: {report}"
    assert report.certain > 10 * len(report.steps)
    assert report.watched > 50


def write_summary(path: Path, found: Mapping[Job[object], object]) -> None:
    """One line for each campaign, and their sum."""
    reports = {str(job): report for job, report in found.items() if isinstance(report, Report)}
    lines = [f"{name}: {report}" for name, report in reports.items()]
    total = sum(report.cases for report in reports.values())
    tried = sum(report.certain + report.watched for report in reports.values())
    sums = f"{len(reports)} campaigns, {total} cases, {tried} attempts"
    path.write_text("\n".join([*lines, sums, ""]))


def test_a_door_that_the_daemon_does_not_list_any_more_must_not_be_open_still() -> None:
    entry = Entry("door", WAKER, Home(0, 4), 30)
    now = monotonic()
    entry.opened(now, now)
    assert not entry.unlisted()
    assert entry.state(monotonic(), monotonic()) is State.SHUT
    entry.opened(now - 30, now)
    assert entry.unlisted()


def test_every_day_has_something_of_everything() -> None:
    chosen = enough()
    assert {replace(plan, turn=None) for plan in chosen} <= set(complete())
    assert {plan.arena for plan in chosen} == set(arenas())
    met = {(arenas()[plan.arena].backend, plan.trouble) for plan in chosen}
    assert len(met) == 2 * len(TROUBLES)


def test_every_day_any_two_come_together() -> None:
    """Of kind of access with its IP version, end of the door, trouble and back end."""
    met: dict[str, set[tuple[str, ...]]] = {}
    for plan in enough():
        backend = arenas()[plan.arena].backend
        for case in cases_of(SETTINGS[plan.settings], plan.trouble, plan.turn):
            version = str(case.entry.home.version)
            facts = {
                "client": case.entry.kind.client(case.entry.home.version),
                "end": case.life,
                "trouble": plan.trouble,
                "backend": backend,
            }
            for one, other in combinations(facts, 2):
                met.setdefault(f"{one}, {other}", set()).add((facts[one], facts[other]))
            met.setdefault("version", set()).add((version, case.life, plan.trouble, backend))
    clients, ends, troubles = sum(len(kind.versions) for kind in KINDS), len(LIVES), len(TROUBLES)
    assert {pair: len(found) for pair, found in met.items()} == {
        "client, end": clients * ends,
        "client, trouble": clients * troubles,
        "client, backend": clients * 2,
        "end, trouble": ends * troubles,
        "end, backend": ends * 2,
        "trouble, backend": troubles * 2,
        "version": 2 * ends * troubles * 2,
    }
