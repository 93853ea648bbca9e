"""The results in a terminal, and amounts as people write them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tests.bench.contestants import BY_NAME, Contestant
from tests.bench.figures import REFERENCE, Figure, Results, summary

_WITH_RATIO = frozenset({"ms", "us", "s", "MiB"})
_UNITS = {"us": "µs"}


def number(value: float) -> str:
    """Three digits at least, and no more than tell something."""
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return "never"
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def amount(value: float, unit: str) -> str:
    """A number with its unit."""
    text = number(value)
    return f"{text} {_UNITS.get(unit, unit)}".rstrip() if math.isfinite(value) else text


def ratio_text(ratio: float) -> str:
    """How many times smaller or larger than the reference."""
    if math.isnan(ratio) or ratio == 0:
        return ""
    return f"1/{number(1 / ratio)}" if ratio < 1 else f"{number(ratio)} times"


def table(results: Results, contestants: Sequence[Contestant]) -> str:
    """Every figure: median (p5 to p95), and its ratio to the C daemon of this run."""
    blocks = []
    names = [contestant.name for contestant in contestants]
    for scenario, figures in results.scenarios():
        rows = [["", *(BY_NAME[name].label for name in names)]]
        rows += [_row(results, figure, names) for figure in figures]
        blocks.append(f"{scenario}\n{_aligned(rows)}")
    return "\n\n".join(blocks)


def _row(results: Results, figure: Figure, names: Sequence[str]) -> list[str]:
    what = ": ".join(filter(None, (figure.case, figure.metric)))
    unit = _UNITS.get(figure.unit, figure.unit)
    return [f"  {what}, {unit}", *(_cell(results, figure, name) for name in names)]


def _cell(results: Results, figure: Figure, name: str) -> str:
    samples = results.samples[figure].get(name, [])
    told = summary(samples)
    text = number(told.p50)
    if told.count > 1:
        text += f" ({number(told.p5)}…{number(told.p95)})"
    if name != REFERENCE and figure.unit in _WITH_RATIO:
        ratio = results.ratio(figure.scenario, figure.case, figure.metric, name)
        text += f"  {ratio_text(ratio)}"
    return text.rstrip()


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
