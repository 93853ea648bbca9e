"""The figures to reach, the plot and README's section."""

from __future__ import annotations

import json
import math
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.bench.bench import Bench
from tests.bench.contestants import BY_NAME
from tests.bench.publishing import (
    PUBLISHED,
    README,
    Facts,
    as_document,
    readme_section,
    with_section,
    write_results,
)
from tests.bench.scenarios.latency import KNOCK
from tests.bench.targets import TARGETS, Target, judge

FACTS: Facts = {"processor": "abacus", "processors": 2, "kernel": "6.1", "python": "3.11.2"}
CONNECTION = (KNOCK, "", "to the first connection", "ms")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A run that measured one figure, and one that never happened."""
    made = Bench((BY_NAME["nft"], BY_NAME["c"]), tmp_path)
    made.note(BY_NAME["nft"], CONNECTION, 1.0, 1.2, 1.1)
    made.note(BY_NAME["c"], CONNECTION, 110.0, 100.0, 120.0)
    made.note(BY_NAME["c"], ("closing", "few doors", "off by", "s"), math.inf)
    return made


def judged(bench: Bench, target: Target) -> bool | None:
    """What becomes of one target."""
    return next(item.reached for item in judge(bench.results) if item.target is target)


def test_a_ratio_is_held_against_the_yardstick(bench: Bench) -> None:
    target = next(target for target in TARGETS if target.what == "knock to open")
    assert judged(bench, target) is True
    bench.note(BY_NAME["nft"], CONNECTION, *[50.0] * 9)
    assert judged(bench, target) is False


def test_what_was_not_measured_is_neither_reached_nor_missed(bench: Bench) -> None:
    target = next(target for target in TARGETS if target.what == "CPU at rest")
    assert judged(bench, target) is None


def test_growth_is_held_against_the_smaller_load(bench: Bench) -> None:
    target = next(target for target in TARGETS if target.beside)
    scenario, case, metric = target.figure
    bench.note(BY_NAME["nft"], (scenario, target.beside, metric, "ms"), 1.0)
    bench.note(BY_NAME["nft"], (scenario, case, metric, "ms"), 1.19)
    assert judged(bench, target) is True
    bench.note(BY_NAME["nft"], (scenario, case, metric, "ms"), 1.5, 1.5)
    assert judged(bench, target) is False


def test_results_are_json_without_what_json_does_not_know(bench: Bench, tmp_path: Path) -> None:
    write_results(tmp_path / "out", bench, FACTS, samples=True)
    document = json.loads((tmp_path / "out/figures.json").read_text())
    never = document["figures"][-1]["daemons"]["c"]
    assert never["p50"] is None
    assert never["samples"] == [None]
    assert "samples" not in as_document(bench, FACTS, samples=False)["figures"][0]["daemons"]["c"]


def test_the_plot_is_an_image_with_a_bar_for_each_daemon(bench: Bench, tmp_path: Path) -> None:
    write_results(tmp_path, bench, FACTS, samples=False)
    root = ElementTree.parse(tmp_path / "figures.svg").getroot()
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "1.10 ms" in texts
    assert "110 ms" in texts


def test_the_section_names_a_missed_figure_as_missed(bench: Bench) -> None:
    bench.note(BY_NAME["nft"], CONNECTION, *[50.0] * 9)
    line = next(s for s in readme_section(bench, FACTS).splitlines() if s.startswith("| knock to"))
    assert "**missed**" in line


def test_a_section_replaces_the_one_before() -> None:
    readme = "a\n<!-- bench -->\nold \\1\n<!-- /bench -->\nb\n"
    assert with_section(readme, "new \\1\n") == readme.replace("old", "new")


def test_readme_shows_what_was_published() -> None:
    document = json.loads((PUBLISHED / "figures.json").read_text())
    rows = [line for line in README.read_text().splitlines() if line.startswith("| ")]
    for target in document["targets"]:
        row = next((row for row in rows if row.startswith(f"| {target['what']} |")), "")
        assert ("missed" in row) == (target["reached"] is False), target["what"]
