"""Metrics as OpenMetrics text, version 1.0.0, and in the form Prometheus had before. Pure.

https://prometheus.io/docs/specs/om/open_metrics_spec/
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
"""What an answer with such text says it is."""

PLAIN_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""The same of `plain` text."""

END = "# EOF\n"
"""The last line. A text without it was cut off on its way."""

Labels = tuple[tuple[str, str], ...]


class Kind(StrEnum):
    """What a metric's numbers are; a counter only ever grows, but for a restart."""

    COUNTER = "counter"
    GAUGE = "gauge"
    INFO = "info"


SUFFIXES = {Kind.COUNTER: "_total", Kind.GAUGE: "", Kind.INFO: "_info"}
"""What the samples of a family are called beyond its own name."""

_SUFFIX: dict[str, str] = {str(kind): suffix for kind, suffix in SUFFIXES.items()}


@dataclass(frozen=True, slots=True)
class Family:
    """Numbers of one name. ``unit`` is the end of that name, where it has one.

    Samples are by their labels, so that no two can have the same.
    """

    name: str
    kind: Kind
    help: str
    samples: Mapping[Labels, float]
    unit: str = ""

    @property
    def sample_name(self) -> str:
        """What queries call it."""
        return self.name + SUFFIXES[self.kind]


def render(families: Iterable[Family]) -> str:
    """The text a scraper takes, as lines that end with ``# EOF``."""
    return "".join(map(_family, families)) + END


def plain(text: str) -> str:
    """OpenMetrics text of `render` for who knows Prometheus's older form only, version 0.0.4."""
    return "\n".join(_plain(text.split("\n")))


def _plain(lines: Iterable[str]) -> Iterator[str]:
    suffix = ""
    for line in lines:
        match line.split(" ", 3):
            case ["#", "TYPE", name, kind]:
                suffix = _SUFFIX.get(kind, "")
                yield f"# TYPE {name}{suffix} {Kind.GAUGE if kind == Kind.INFO else kind}"
            case ["#", "HELP", name, help]:
                unquoted = help.replace('\\"', '"')
                yield f"# HELP {name}{suffix} {unquoted}"
            case ["#", "UNIT" | "EOF", *_]:
                pass
            case _:
                yield line


def _family(family: Family) -> str:
    lines = [f"# TYPE {family.name} {family.kind}"]
    if family.unit:
        lines.append(f"# UNIT {family.name} {family.unit}")
    lines.append(f"# HELP {family.name} {escaped(family.help)}")
    lines += [
        f"{family.sample_name}{_labels(labels)} {_number(value)}"
        for labels, value in family.samples.items()
    ]
    return "\n".join(lines) + "\n"


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{escaped(value)}"' for name, value in labels) + "}"


def escaped(text: str) -> str:
    r"""Any text within a line: ``\``, ``"`` and the end of a line are written with ``\``.

    What is no character, such as half a surrogate pair, is written as what it is not.
    """
    known = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return known.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    if not isfinite(value):
        return "NaN"
    return str(int(value)) if value == int(value) else repr(value)
