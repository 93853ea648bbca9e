"""Putting two people's changes together: nothing is lost, and nothing comes from nowhere."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fwknop_webui.matching import aligned, matched
from fwknop_webui.merge import Conflict, Merged, merge
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


@given(packages(), packages())
def test_aligned_package_says_the_same(package: UciPackage, to: UciPackage) -> None:
    found = aligned(package, to)
    assert content(found) == content(package)
    assert len({item.id for item in found.sections}) == len(found.sections)
    assert set(matched(to, package, certain=True)) <= {item.id for item in found.sections}
    assert content(apply(to, differences(to, found))) == content(package)


def options(package: UciPackage, section_id: str) -> dict[str, object]:
    section = package.section(section_id)
    return {item.name: item.value for item in section.options} if section else {}


def told(found: Merged, section: str, option: str) -> bool:
    """Whether a person is asked about it."""
    names = {option, ""} | ({"KEY_BASE64", "KEY"} if "KEY" in option else set())
    return any(c.section == section and c.option in names for c in found.conflicts)


@given(packages(), packages(), packages())
def test_nothing_of_theirs_is_overwritten_unseen(
    base: UciPackage, mine: UciPackage, theirs: UciPackage
) -> None:
    found = merge(base, mine, theirs)
    origin = {new: old for old, new in matched(base, theirs).items()}
    for section in theirs.sections:
        before = options(base, origin.get(section.id, ""))
        now = options(found.package, section.id)
        if found.package.section(section.id) is None:
            # Mine deleted it: that is told unless theirs had left it as it was.
            assert options(theirs, section.id) == before or told(found, section.id, "")
            continue
        for name, value in options(theirs, section.id).items():
            if value != before.get(name):
                assert now.get(name) == value or told(found, section.id, name)


@given(packages(), packages(), packages())
def test_nothing_of_mine_is_lost_unseen(
    base: UciPackage, mine: UciPackage, theirs: UciPackage
) -> None:
    found = merge(base, mine, theirs, prefer_mine=False)
    for section in mine.sections:
        before = options(base, section.id)
        known = base.section(section.id)
        place = found.sections.get(section.id, "")
        for name, value in options(mine, section.id).items():
            if value == before.get(name) and known and known.type == section.type:
                continue
            seen = options(found.package, place).get(name) == value
            assert seen or told(found, place, name) or told(found, section.id, "")


NEW_CLIENTS = st.lists(
    st.fixed_dictionaries(
        {"SOURCE": st.just("ANY")},
        optional={
            "name": st.sampled_from(["Anna", "Bert", "Carla"]),
            "KEY_BASE64": st.sampled_from(["a2V5IDE=", "a2V5IDI=", "a2V5IDM="]),
            "note": st.sampled_from(["x", "y"]),
        },
    ),
    max_size=3,
    unique_by=lambda options: options.get("name", ""),
).filter(lambda found: all("name" in options for options in found))


def with_clients(base: UciPackage, clients: list[dict[str, str]]) -> UciPackage:
    text = "".join(
        "\nconfig access\n" + "".join(f"\toption {k} '{v}'\n" for k, v in options.items())
        for options in clients
    )
    return parse_uci(format_uci(base) + text, "f")


@given(NEW_CLIENTS, NEW_CLIENTS, st.booleans(), st.booleans())
def test_client_two_people_added_is_there_once(
    ours: list[dict[str, str]], others: list[dict[str, str]], prefer: bool, restored: bool
) -> None:
    base = parse_uci("config access\n\toption SOURCE 'ANY'\n\toption name 'Zoe'\n", "f")
    mine, theirs = with_clients(base, ours), with_clients(base, others)
    if restored:
        mine = aligned(parse_uci(format_uci(mine), "f"), base)
    found = merge(base, mine, theirs, prefer_mine=prefer)
    names = [section.get("name") for section in found.package.of_type("access")]
    assert sorted(names) == sorted(set(names))
    wanted = [options["name"] for options in ours + others]
    assert set(names) <= {"Zoe", *wanted}
    same = [options for options in ours if options in others]
    for options_ in same:
        assert content(found.package).count(("access", None, options_)) <= 1
    if not found.conflicts:
        assert set(names) == {"Zoe", *wanted}


def test_same_keys_under_another_name_are_one_client_and_a_person_is_asked() -> None:
    base = parse_uci("", "f")
    mine = with_clients(base, [{"name": "Anna", "KEY_BASE64": "a2V5"}])
    theirs = with_clients(base, [{"name": "Anja", "KEY_BASE64": "a2V5", "note": "x"}])
    for prefer, name in ((True, "Anna"), (False, "Anja")):
        found = merge(base, mine, theirs, prefer_mine=prefer)
        wanted = {"name": name, "KEY_BASE64": "a2V5", "note": "x"}
        assert content(found.package) == [("access", None, wanted)]
        (place,) = (section.id for section in theirs.sections)
        assert found.conflicts == (Conflict(place, "name", "Anna", "Anja"),)


def test_other_spelling_of_a_key_is_the_same_key() -> None:
    base = parse_uci("config access\n\toption name 'Anna'\n\toption KEY 'old'\n", "f")
    (anna,) = base.sections

    def edited(*options: tuple[str, str]) -> UciPackage:
        given_ = tuple(UciOption(*item) for item in (("name", "Anna"), *options))
        return UciPackage((UciSection("access", None, anna.id, given_),))

    one, two = edited(("KEY", "new")), edited(("KEY_BASE64", "bmV3"))
    for mine, theirs in ((one, two), (two, one)):
        for prefer, kept in ((True, mine), (False, theirs)):
            found = merge(base, mine, theirs, prefer_mine=prefer)
            assert content(found.package) == content(kept)
            assert found.conflicts
    assert Conflict(anna.id, "KEY_BASE64", "bmV3", "new") in merge(base, two, one).conflicts
