"""The plot for README: bars on a logarithmic scale, as plain SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from tests.bench.contestants import BY_NAME
from tests.bench.figures import Results
from tests.bench.report import amount
from tests.bench.scenarios.burst import BURST
from tests.bench.scenarios.floods import FLOOD
from tests.bench.scenarios.latency import KNOCK
from tests.bench.scenarios.many_clients import CLIENTS
from tests.bench.scenarios.open_doors import DOORS

_COLOURS = {"nft": "#0b7285", "ipt": "#66a9b5", "legacy": "#a9cdd4", "c": "#c2410c"}
_OTHER = "#888888"
_WIDTH, _LEFT, _RIGHT = 760, 300, 90
_BAR, _GAP, _TOP = 11, 12, 52
_FONT = "font-family='system-ui, sans-serif' font-size='12'"


@dataclass(frozen=True, slots=True)
class Bars:
    """One group of bars: a figure of every daemon."""

    title: str
    figure: tuple[str, str, str]
    unit: str


SHOWN = (
    Bars("knock to open door", (KNOCK, "", "to the first connection"), "ms"),
    Bars("the same, 10,000 junk packets/s", (FLOOD, "wrong HMAC, 10,000/s", "knock to open"), "ms"),
    Bars("the same, 1000 doors open", (DOORS, "1000 doors", "knock to open"), "ms"),
    Bars("CPU per knock", (KNOCK, "", "CPU per knock"), "ms"),
    Bars("CPU per knock, burst of 1000", (BURST, "1000 knocks", "CPU per honoured knock"), "ms"),
    Bars(
        "CPU per junk packet, 1000 clients", (CLIENTS, "1000 clients", "CPU per junk packet"), "us"
    ),
)


def plot(results: Results, daemons: Sequence[str]) -> str:
    """An SVG picture of the figures in `SHOWN`; shorter bars are better."""
    groups = [(bars, _values(results, bars, daemons)) for bars in SHOWN]
    groups = [(bars, values) for bars, values in groups if values]
    finite = [_in_ms(value, bars) for bars, values in groups for value in values.values()]
    if not finite:
        return _picture(_TOP, [])
    low, high = (f(map(math.log10, finite)) for f in (min, max))
    scale = (_WIDTH - _LEFT - _RIGHT) / max(high - low + 0.3, 0.1)
    parts, y = [_legend(daemons)], _TOP
    for bars, values in groups:
        middle = y + len(values) * _BAR / 2 + 4
        parts.append(_text(_LEFT - 10, middle, bars.title, "end"))
        for name, value in values.items():
            width = (math.log10(_in_ms(value, bars)) - low + 0.3) * scale
            parts.append(_bar(y, width, _COLOURS.get(name, _OTHER), amount(value, bars.unit)))
            y += _BAR
        y += _GAP
    return _picture(y, parts)


def _values(results: Results, bars: Bars, daemons: Sequence[str]) -> dict[str, float]:
    medians = {name: results.of(*bars.figure, name).p50 for name in daemons}
    return {name: value for name, value in medians.items() if math.isfinite(value) and value > 0}


def _in_ms(value: float, bars: Bars) -> float:
    return value / 1000 if bars.unit == "us" else value


def _legend(daemons: Sequence[str]) -> str:
    parts, x = [], 12
    for name in daemons:
        label = BY_NAME[name].label
        parts.append(
            f"<rect x='{x}' y='15' width='12' height='12' fill='{_COLOURS.get(name, _OTHER)}'/>"
        )
        parts.append(_text(x + 18, 25, label))
        x += 40 + 7 * len(label)
    parts.append(_text(_WIDTH - 12, 25, "shorter is better, logarithmic", "end"))
    return "".join(parts)


def _bar(y: float, width: float, colour: str, label: str) -> str:
    bar = f"<rect x='{_LEFT}' y='{y}' width='{width:.1f}' height='{_BAR - 1}' fill='{colour}'/>"
    small = _text(_LEFT + width + 6, y + _BAR - 2, label).replace("'12'", "'10'")
    return bar + small


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' {_FONT} fill='#222222'>"
        f"{escape(text)}</text>"
    )


def _picture(height: float, parts: Sequence[str]) -> str:
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_WIDTH} {height:.0f}' "
        f"width='{_WIDTH}' height='{height:.0f}' role='img'>\n"
        "<title>fwknopd beside the C daemon</title>\n"
        f"<rect width='100%' height='100%' fill='#ffffff'/>\n{chr(10).join(parts)}\n</svg>\n"
    )
