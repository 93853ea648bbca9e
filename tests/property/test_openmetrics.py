"""OpenMetrics text of anything, read back by the official parser."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import Metric, parser

from fwknopd.openmetrics import END, SUFFIXES, Family, Kind, plain, render
from tests.unit.scraped import families

NAMES = st.sets(st.sampled_from("abcd"), max_size=2).map(sorted)
TEXTS = st.text(max_size=6) | st.text('\\"\n{}=, #', max_size=6)
VALUES = st.integers(0, 2**53) | st.floats(0, 1e15)


@st.composite
def one(draw: st.DrawFn, name: str) -> Family:
    kind = draw(st.sampled_from(Kind))
    unit = "seconds" if kind is not Kind.INFO and draw(st.booleans()) else ""
    labels = st.tuples(*(st.tuples(st.just(key), TEXTS) for key in draw(NAMES)))
    values = st.just(1) if kind is Kind.INFO else VALUES
    found = draw(st.dictionaries(labels, values, max_size=3))
    return Family(f"x_{name}" + (f"_{unit}" if unit else ""), kind, draw(TEXTS), found, unit)


SEVERAL = NAMES.flatmap(lambda names: st.tuples(*map(one, names)))


@settings(max_examples=60)
@given(SEVERAL)
def test_the_official_parser_reads_what_was_meant(meant: tuple[Family, ...]) -> None:
    read = families(render(meant))
    assert [(f.name, f.type, f.unit) for f in read.values()] == [
        (f.name, f.kind, f.unit) for f in meant
    ]
    for family in meant:
        found = read[family.name].samples
        assert {s.name for s in found} <= {family.name + SUFFIXES[family.kind]}
        got = {tuple(s.labels.items()): s.value for s in found}
        assert got == {labels: float(value) for labels, value in family.samples.items()}


@settings(max_examples=60)
@given(SEVERAL)
def test_the_older_form_says_the_same(meant: tuple[Family, ...]) -> None:
    def numbers(read: Iterable[Metric]) -> list[tuple[str, dict[str, str], float]]:
        return [(s.name, s.labels, s.value) for family in read for s in family.samples]

    older = plain(render(meant))
    read = list(parser.text_string_to_metric_families(older))
    assert numbers(read) == numbers(families(render(meant)).values())
    # In this form a counter is called what its samples are.
    kinds = {line.split(" ")[2]: line.split(" ")[3] for line in older.split("\n") if "TYPE" in line}
    assert kinds == {
        f.sample_name: f.kind if f.kind is not Kind.INFO else Kind.GAUGE for f in meant
    }
    assert "# EOF" not in older


@given(st.text())
def test_no_text_ends_its_line_or_the_whole(text: str) -> None:
    whole = render([Family("last", Kind.GAUGE, text, {(("label", text),): 1})])
    lines = whole.split("\n")
    assert [line.partition("last")[0] for line in lines] == ["# TYPE ", "# HELP ", "", "# EOF", ""]
    assert whole.endswith(END)
    assert whole.encode().decode() == whole


def test_what_is_no_character_is_written_all_the_same() -> None:
    text = render([Family("last", Kind.GAUGE, "", {(("label", "a\udcffb"),): float("nan")})])
    [sample] = families(text)["last"].samples
    assert sample.labels == {"label": "a\\udcffb"}
    assert sample.value != sample.value
