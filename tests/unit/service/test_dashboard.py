"""Dashboard and alerts ask for nothing that the daemon does not export, by no label it has not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fwknopd.openmetrics import SUFFIXES, Kind
from fwknopd.policy.verdict import Reason
from tests.unit.scraped import families
from tests.unit.service.rig import Rig

GRAFANA = Path(__file__).parents[3] / "package/grafana"
DASHBOARD, ALERTS = GRAFANA / "fwknopd.json", GRAFANA / "alerts.yml"
WORDS = {
    *("sum", "count", "max", "min", "rate", "increase", "vector", "time", "present_over_time"),
    *("by", "or", "unless", "and", "on", "offset"),
}
"""Of the query language."""

OF_PROMETHEUS = {"job", "instance"}
"""Labels every sample gets when it is scraped."""

SCRAPE = {"up": OF_PROMETHEUS}
"""What Prometheus itself says of every scrape."""


def queries(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for name, inner in part.items():
            if name in ("expr", "definition") and isinstance(inner, str):
                yield inner
            yield from queries(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from queries(inner)


def asked(query: str) -> tuple[set[str], set[str]]:
    """Names of metrics, and labels, in a query."""
    variable = re.fullmatch(r"label_values\((?P<what>.*), (?P<label>\w+)\)", query)
    labels = {variable["label"]} if variable else set()
    text = re.sub(r'"[^"]*"|\[[^]]*\]|\$\w+', "", variable["what"] if variable else query)
    for listed in re.findall(r"\{([^}]*)\}|(?:by|on) \(([^)]*)\)", text):
        labels |= set(re.findall(r"[a-z_]+", " ".join(listed)))
    bare = re.sub(r"\{[^}]*\}|(?:by|on) \([^)]*\)", "", text)
    return set(re.findall(r"[a-z_]\w*", bare)) - WORDS, labels


@pytest.fixture
def exported(rig: Rig) -> dict[str, set[str]]:
    """Labels by the names of samples."""
    rig.start()
    rig.knock()
    found = families(rig.ask("metrics", by_client=True)["text"])
    return {
        name + SUFFIXES[Kind(family.type)]: {key for s in family.samples for key in s.labels}
        for name, family in found.items()
    }


def checked(query: str, exported: dict[str, set[str]]) -> set[str]:
    """The labels that all of the query's metrics have."""
    names, labels = asked(query)
    assert names, query
    assert names <= exported.keys(), query
    known = set.intersection(*(exported[name] for name in names))
    assert labels <= known | OF_PROMETHEUS, query
    return known


def test_it_uses_only_what_is_exported(exported: dict[str, set[str]]) -> None:
    found = list(queries(json.loads(DASHBOARD.read_text())))
    assert len(found) > 15
    for query in found:
        checked(query, exported)


def alerts() -> list[dict[str, Any]]:
    [group] = yaml.safe_load(ALERTS.read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def test_so_do_the_alerts_and_their_texts(exported: dict[str, set[str]]) -> None:
    for alert in alerts():
        query, said = alert["expr"], " ".join(alert["annotations"].values())
        # Of several metrics the first is what the alert is about; the others only say when.
        checked(query, exported | SCRAPE)
        first = re.search("|".join(exported | SCRAPE), query)
        assert first, query
        kept = re.search(r"^sum by \(([^)]*)\)", query)
        left = set(kept[1].split(", ")) if kept else (exported | SCRAPE)[first[0]] | OF_PROMETHEUS
        assert set(re.findall(r"\{\{ \$labels\.(\w+) \}\}", said)) <= left, alert["alert"]


def test_alerts_name_only_reasons_there_are() -> None:
    named = re.findall(r'reason=~?"([^"]*)"', ALERTS.read_text())
    assert {reason for text in named for reason in text.split("|")} <= set(Reason)
    assert len(named) > 2


def test_a_router_that_went_away_is_not_counted_as_fine() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    [query] = [q for q in queries(panels) if "fwknopd_ready" in q and q.startswith("count(")]
    ready = r"fwknopd_ready\{[^}]*\}"
    gone = rf"present_over_time\({ready}\[1d\]\) unless {ready}"
    assert re.fullmatch(rf"count\({ready} == 0 or \({gone}\)\) or vector\(0\)", query)


def test_panels_do_not_lie_on_each_other_and_have_numbers_of_their_own() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert all(x < 24 for x, _ in cells), panel["title"]
        taken |= cells
