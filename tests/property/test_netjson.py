"""NetJSON: what netjsonconfig makes of an export is the file, and an import reads what it makes."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fwknopd.config.netjson_reading import uci_from_netjson
from fwknopd.config.netjson_writing import netjson_from_uci
from fwknopd.config.problems import ConfigError
from fwknopd.config.uci_config import configuration_from_uci
from fwknopd.config.uci_format import UciOption, UciPackage, UciSection, UciSyntaxError
from tests.interop import openwisp
from tests.property.test_config_convert import assert_same
from tests.property.test_config_convert import packages as clients

# What quoting, templates, clean-ups and file formats trip over, and whole letters beside.
PIECES = st.sampled_from(
    [
        *("'", '"', "\\", "''", "'\\''", " ", "    ", "\t", "#", ";", "$", "é", "日", "\u2028"),
        *("{", "{{", "}}", "{{ name }}", "{{id}}", "{%", "%}"),
        *("option", "list", "package x", "config"),
    ]
)
VALUES = st.lists(st.one_of(PIECES, st.text("aB1+/=", max_size=4)), max_size=6).map("".join)
LINES = st.lists(st.sampled_from(["\n", "\n\n\n", "\noption", "\r", "\0", "\x1b", "\udc80", "a"]))
NAMES = st.text("abc_XYZ019", min_size=1, max_size=6)
TYPES = st.sampled_from(["config", "other", "x-y.z"])


@st.composite
def packages(draw: st.DrawFn, values: st.SearchStrategy[str] = VALUES) -> UciPackage:
    """Sections with names, their options sorted: what comes back as it went."""
    sections = []
    items = st.lists(values, min_size=1, max_size=3).map(tuple)
    options = st.dictionaries(NAMES, st.one_of(values.filter(bool), items), max_size=3)
    for name in draw(st.lists(NAMES, unique=True, max_size=3)):
        found = tuple(UciOption(*pair) for pair in sorted(draw(options).items()))
        sections.append(UciSection(draw(TYPES), name, name, (*found, UciOption("zz", "1"))))
    return UciPackage((UciSection("other", "_g", "_g", (UciOption("a", "1"),)), *sections))


@settings(max_examples=60, deadline=None)
@given(packages())
def test_what_the_library_renders_is_the_package(package: UciPackage) -> None:
    exported = netjson_from_uci(package, "f")
    assert exported.usable
    assert openwisp.package(exported.document) == package
    assert uci_from_netjson(exported.text, "f", {}) == package


@settings(max_examples=30, deadline=None)
@given(packages(LINES.map("".join)))
def test_what_it_would_spoil_is_not_exported(package: UciPackage) -> None:
    exported = netjson_from_uci(package, "f")
    assert all("\n" not in str(loss) for loss in exported.losses)
    values = [item for s in package.sections for o in s.options for item in o.items]
    assert exported.usable == all(set(value) <= {"a", "1"} for value in values)


@settings(max_examples=60, deadline=None)
@given(clients())
def test_the_daemon_sees_no_difference(package: UciPackage) -> None:
    try:
        exported = netjson_from_uci(package, "f")
    except ConfigError:
        assume(False)
    if not exported.usable:
        return
    found = configuration_from_uci(openwisp.package(exported.document), "f")
    assert_same(found, exported.original)
    assert found.network == exported.original.network


OPTION_NAMES = st.one_of(NAMES, st.sampled_from(["name", ".x", "a b", ""]))
SCALARS = st.one_of(VALUES, st.booleans(), st.integers(), st.none(), st.just(1.5))
ODD = st.one_of(SCALARS, st.lists(SCALARS, max_size=3), st.just({"a": 1}))
BLOCKS = st.lists(
    st.builds(
        lambda head, options: {**options, **head},
        st.fixed_dictionaries(
            {"config_name": TYPES},
            optional={"config_value": st.sampled_from(["a", "b-c", "d.e", "{{ id }}", "ä", ""])},
        ),
        st.dictionaries(OPTION_NAMES, ODD, max_size=4),
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=60, deadline=None)
@given(BLOCKS)
def test_an_import_reads_what_the_library_would_render(blocks: list[dict[str, Any]]) -> None:
    document = {"fwknopd": blocks}
    try:
        read = uci_from_netjson(json.dumps(document), "f", openwisp.DEVICE)
    except ConfigError as error:
        assert error.problems
        return
    assert openwisp.package(document) == read


@given(st.one_of(st.text(), st.recursive(ODD, st.lists).map(json.dumps), BLOCKS.map(json.dumps)))
def test_no_text_makes_the_import_fail_in_another_way(text: str) -> None:
    try:
        uci_from_netjson(text, "f", {})
    except UciSyntaxError as error:
        raise AssertionError(text) from error
    except ConfigError as error:
        assert all("\n" not in str(problem) for problem in error.problems)
