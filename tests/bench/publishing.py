"""What a run leaves behind: figures as JSON, a plot, and README's table when asked for."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.bench import Bench, Effort
from tests.bench.contestants import BY_NAME
from tests.bench.figures import summary
from tests.bench.plot import plot
from tests.bench.report import amount
from tests.bench.targets import Judged, judge
from tests.lab.ruleset import PROJECT

PUBLISHED = PROJECT / "tests/bench/published"
README = PROJECT / "README.md"
_SECTION = re.compile(r"(<!-- bench -->\n).*?(<!-- /bench -->)", re.DOTALL)

Facts = Mapping[str, str | int | float]


def write_results(folder: Path, bench: Bench, facts: Facts, *, samples: bool) -> None:
    """``figures.json`` and ``figures.svg``; with ``samples`` every single measurement too."""
    folder.mkdir(parents=True, exist_ok=True)
    document = as_document(bench, facts, samples=samples)
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "figures.json").write_text(text + "\n")
    names = [contestant.name for contestant in bench.contestants]
    (folder / "figures.svg").write_text(plot(bench.results, names))


def as_document(bench: Bench, facts: Facts, *, samples: bool) -> dict[str, Any]:
    """The whole run as JSON values; what never happened, or was not measured, is null."""
    figures = []
    for figure, by_daemon in bench.results.samples.items():
        daemons: dict[str, dict[str, Any]] = {}
        for name, measured in by_daemon.items():
            daemons[name] = {key: _json(value) for key, value in asdict(summary(measured)).items()}
            if samples:
                daemons[name]["samples"] = [_json(value) for value in measured]
        figures.append({**asdict(figure), "daemons": daemons})
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "effort": str(bench.effort),
        "machine": dict(facts),
        "daemons": {c.name: c.label for c in bench.contestants},
        "figures": figures,
        "targets": [_target(judged) for judged in judge(bench.results)],
        "faults": list(bench.faults),
    }


def publish(bench: Bench, facts: Facts) -> None:
    """Make this run the one README shows."""
    write_results(PUBLISHED, bench, facts, samples=False)
    section = readme_section(bench, facts)
    README.write_text(with_section(README.read_text(), section))


def with_section(readme: str, section: str) -> str:
    """``readme`` with ``section`` between its marks."""
    return _SECTION.sub(lambda found: f"{found[1]}{section}{found[2]}", readme)


def readme_section(bench: Bench, facts: Facts) -> str:
    """The plot, and a row for each figure to reach."""
    picture = (PUBLISHED / "figures.svg").relative_to(PROJECT)
    rows = [_row(judged) for judged in judge(bench.results)]
    reference = BY_NAME["c"].label
    lines = [
        f"![Bars: ours beside the C daemon]({picture})",
        "",
        f"| | {reference} | ours | to reach | |",
        "|---|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
        f"Made with `make bench{_arguments(bench)}` on {facts['processor']}, "
        f"{facts['processors']} processors, Linux {facts['kernel']}, Python {facts['python']}.",
    ]
    return "\n".join(lines) + "\n"


def _arguments(bench: Bench) -> str:
    return "" if bench.effort is Effort.SHORT else f" ARGS=--{bench.effort}"


def goals(judged: Sequence[Judged]) -> str:
    """The figures to reach, for a terminal, as far as they were measured."""
    lines = []
    for item in judged:
        if item.reached is None:
            continue
        verdict = item.verdict.replace("*", "")
        lines.append(f"  {verdict:12}  {item.target.what}: {item.ours_text}  ({item.target.goal})")
    return "\n".join(lines)


def _row(judged: Judged) -> list[str]:
    target = judged.target
    reference = amount(judged.reference, target.unit)
    return [target.what, reference, judged.ours_text, target.goal, judged.verdict]


def _target(judged: Judged) -> dict[str, Any]:
    return {
        "what": judged.target.what,
        "goal": judged.target.goal,
        "ours": _json(judged.ours),
        "c": _json(judged.reference),
        "reached": judged.reached,
    }


def _json(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
