"""Putting two people's changes together: nothing is lost, and nothing comes from nowhere."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fwknop_webui.matching import matched
from fwknop_webui.merge import merge
from fwknopd.config.uci_changes import apply
from fwknopd.config.uci_differences import differences
from fwknopd.config.uci_format import UciOption, UciPackage, UciSection, format_uci, parse_uci

VALUES = st.sampled_from(["1", "2", "3"]) | st.tuples(st.sampled_from("ab"), st.sampled_from("ab"))
OPTIONS = st.dictionaries(st.sampled_from(["name", "KEY", "SOURCE", "x"]), VALUES, max_size=4)
SECTIONS = st.tuples(
    st.sampled_from(["access", "config", "global"]),
    st.sampled_from([None, "anna", "bert"]),
    OPTIONS,
)


def reread(package: UciPackage) -> UciPackage:
    """As it is after a commit: anonymous sections are named by their place."""
    return parse_uci(format_uci(package), "f")


@st.composite
def packages(draw: st.DrawFn) -> UciPackage:
    drawn = draw(st.lists(SECTIONS, max_size=5))
    names = [name for _type, name, _options in drawn if name]
    return reread(
        UciPackage(
            tuple(
                UciSection(
                    kind,
                    name if names.count(name or "") == 1 else None,
                    "",
                    tuple(UciOption(key, value) for key, value in options.items()),
                )
                for kind, name, options in drawn
            )
        )
    )


def content(package: UciPackage) -> list[object]:
    return [(s.type, s.name, {o.name: o.value for o in s.options}) for s in package.sections]


@given(packages(), packages())
def test_what_only_one_did_is_all_that_is_done(base: UciPackage, changed: UciPackage) -> None:
    mine = apply(base, differences(base, changed))
    found = merge(base, mine, base)
    assert not found.conflicts
    assert content(found.package) == content(mine)
    found = merge(base, base, changed)
    assert not found.conflicts
    assert found.package == changed


@given(packages(), packages(), packages(), st.booleans())
def test_result_is_a_package_with_everything_nobody_touched(
    base: UciPackage, mine: UciPackage, theirs: UciPackage, prefer: bool
) -> None:
    found = merge(base, mine, theirs, prefer_mine=prefer)
    assert content(reread(found.package)) == content(found.package)
    known = {o.value for p in (base, mine, theirs) for s in p.sections for o in s.options}
    assert {o.value for s in found.package.sections for o in s.options} <= known


@given(packages(), packages(), packages())
def test_without_a_conflict_it_does_not_matter_who_is_preferred(
    base: UciPackage, mine: UciPackage, theirs: UciPackage
) -> None:
    found = merge(base, mine, theirs)
    if not found.conflicts:
        assert found == merge(base, mine, theirs, prefer_mine=False)


@given(packages(), packages())
def test_sections_are_matched_one_to_one(before: UciPackage, after: UciPackage) -> None:
    found = matched(before, after)
    assert len(set(found.values())) == len(found)
    for old, new in found.items():
        one, other = before.section(old), after.section(new)
        assert one and other and (one.type, one.name) == (other.type, other.name)
    # Only clients are looked at closely, and those that are the same are always found.
    assert matched(before, before) == {item.id: item.id for item in before.sections}
