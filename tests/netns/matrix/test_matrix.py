"""Every kind of access through everything that happens to a router; see `campaign`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.netns.matrix.campaign import LIVES, Report, cases_of
from tests.netns.matrix.kind_table import KINDS
from tests.netns.matrix.plans import SETTINGS, Plan, arenas, complete, enough, plans
from tests.netns.matrix.running import Campaigns, side_by_side
from tests.netns.matrix.troubles import TROUBLES

pytestmark = [pytest.mark.root, pytest.mark.nft, pytest.mark.iptables]

SHOWN = 25


@pytest.fixture(scope="session")
def campaigns(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, artifacts: Path
) -> Iterator[Campaigns]:
    """All selected campaigns, under way; what they counted is left in the artifacts."""
    # A socket's path must be short.
    running = Campaigns(tmp_path_factory.mktemp("m"))
    functions = [item for item in request.session.items if isinstance(item, pytest.Function)]
    asked = [f.callspec.params["plan"] for f in functions if f.originalname == "test_campaign"]
    wanted = [plan for plan in asked if isinstance(plan, Plan)]
    if side_by_side():
        running.prepare(wanted)
    try:
        yield running
    finally:
        running.close()
        write_summary(artifacts / "matrix.txt", running.reports())


@pytest.mark.timeout(600)
@pytest.mark.parametrize("plan", plans(), ids=str)
def test_campaign(campaigns: Campaigns, plan: Plan) -> None:
    report = campaigns.report(plan)
    shown = "\n".join(report.wrong[:SHOWN])
    assert not report.wrong, f"{plan}: {len(report.wrong)} disagreements\n{shown}"
    # A look that knew nothing would find nothing wrong.
    assert report.certain > 20 * report.unknown
    assert report.watched > 100


def write_summary(path: Path, reports: dict[Plan, Report]) -> None:
    """One line for each campaign, and their sum."""
    lines = [f"{plan}: {report}" for plan, report in reports.items()]
    total = sum(report.cases for report in reports.values())
    tried = sum(report.certain + report.watched for report in reports.values())
    sums = f"{len(reports)} campaigns, {total} cases, {tried} attempts"
    path.write_text("\n".join([*lines, sums, ""]))


def test_every_day_has_something_of_everything() -> None:
    chosen = enough()
    assert {replace(plan, turn=None) for plan in chosen} <= set(complete())
    for names, used in (
        (arenas(), {plan.arena for plan in chosen}),
        (SETTINGS, {plan.settings for plan in chosen}),
        (TROUBLES, {plan.trouble for plan in chosen if plan.settings == "strict"}),
    ):
        assert set(names) == used
    backends = {(arenas()[plan.arena].backend, plan.trouble) for plan in chosen}
    assert len(backends) == 2 * len(TROUBLES)


def test_every_day_every_kind_meets_every_end_and_every_end_every_trouble() -> None:
    kinds, ends = set(), set()
    for plan in enough():
        for case in cases_of(SETTINGS[plan.settings], plan.trouble, plan.turn):
            version = case.entry.home.version
            kinds.add((arenas()[plan.arena].backend, case.entry.kind.name, version, case.life))
            ends.add((arenas()[plan.arena].backend, plan.trouble, version, case.life))
    clients = sum(len(kind.versions) for kind in KINDS)
    assert len(kinds) == 2 * clients * len(LIVES)
    assert len(ends) == 2 * len(TROUBLES) * 2 * len(LIVES)
