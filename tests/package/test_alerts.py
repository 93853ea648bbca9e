"""The alerts for Prometheus and README's part of its configuration, as Prometheus reads them."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest
import yaml

from tests.promtool import promtool

pytestmark = pytest.mark.promtool

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "package/grafana/alerts.yml"
CASES = ROOT / "tests/data/prometheus/alerts_test.yml"


def names(path: Path, key: str) -> list[str]:
    """The alerts a file speaks of, in its order."""
    return re.findall(rf"\b{key}: (\w+)", path.read_text())


def test_each_fires_when_it_should_and_not_otherwise() -> None:
    alerts = names(ALERTS, "alert")
    assert f"{len(alerts)} rules found" in promtool("check", "rules", ALERTS)
    promtool("test", "rules", CASES)
    firing = {
        case["alertname"]
        for test in yaml.safe_load(CASES.read_text())["tests"]
        for case in test["alert_rule_test"]
        if case.get("exp_alerts")
    }
    assert firing == set(alerts)


def test_what_the_readme_says_of_prometheus_is_a_configuration(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text()
    [snippet] = re.findall(r"^    rule_files:.*?(?=^\S)", readme, re.MULTILINE | re.DOTALL)
    config = tmp_path / "prometheus.yml"
    config.write_text(textwrap.dedent(snippet))
    (tmp_path / "alerts.yml").write_bytes(ALERTS.read_bytes())
    assert "1 rule files found" in promtool("check", "config", config)
