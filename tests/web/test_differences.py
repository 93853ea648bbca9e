"""Staged changes are the shortest list that leads from the file to what was wanted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fwknopd.config.uci_changes import (
    AddSection,
    DeleteOption,
    DeleteSection,
    Reorder,
    SetOption,
    SetSection,
    UciChange,
    apply,
    new_section_id,
)
from fwknopd.config.uci_differences import differences
from fwknopd.config.uci_format import UciPackage, parse_uci

STOCK = """
config global
config network
config access
	option SOURCE 'ANY'
	option KEY '__CHANGEME__'
config access 'anna'
	option SOURCE '192.0.2.0/24'
	list OPEN_PORTS 'tcp/22'
config config
	option ENABLE_NAT_DNS 'Y'
"""


def package() -> UciPackage:
    return parse_uci(STOCK, "fwknopd")


def content(found: UciPackage) -> list[tuple[str, str, dict[str, object]]]:
    return [(s.id, s.type, {o.name: o.value for o in s.options}) for s in found.sections]


def test_nothing_changed_is_no_change() -> None:
    assert differences(package(), package()) == ()


def test_typing_twice_is_one_change_and_the_old_value_is_none() -> None:
    before = package()
    once = apply(before, [SetOption("anna", "SOURCE", "10.0.0.0/8")])
    twice = apply(once, [SetOption("anna", "SOURCE", "ANY")])
    assert differences(before, twice) == (SetOption("anna", "SOURCE", "ANY"),)
    back = apply(twice, [SetOption("anna", "SOURCE", "192.0.2.0/24")])
    assert differences(before, back) == ()


def test_adding_and_deleting_a_client_leaves_nothing() -> None:
    before = package()
    name = new_section_id(before, "access")
    added = apply(before, [AddSection(name, "access"), SetOption(name, "SOURCE", "ANY")])
    assert differences(before, apply(added, [DeleteSection(name)])) == ()


operation = st.sampled_from(["set", "unset", "add", "name", "delete", "move"])


@st.composite
def edits(draw: st.DrawFn) -> UciPackage:
    found = package()
    for kind in draw(st.lists(operation, max_size=12)):
        change = one_edit(draw, found, kind)
        found = apply(found, [change]) if change else found
    return found


def one_edit(draw: st.DrawFn, found: UciPackage, kind: str) -> UciChange | None:
    if kind == "add":
        return AddSection(new_section_id(found, "access"), "access")
    if kind == "name":
        return SetSection(draw(st.sampled_from(["bert", "carla"])), "access")
    if not found.sections:
        return None
    section = draw(st.sampled_from(found.sections))
    if kind == "delete":
        return DeleteSection(section.id)
    if kind == "move":
        return Reorder(section.id, draw(st.integers(0, len(found.sections) - 1)))
    if kind == "unset" and section.options:
        return DeleteOption(section.id, draw(st.sampled_from(section.options)).name)
    values: list[str | tuple[str, ...]] = ["ANY", "10.0.0.1", ("a", "b")]
    value = draw(st.sampled_from(values))
    return SetOption(section.id, draw(st.sampled_from(["SOURCE", "KEY", "name"])), value)


@given(edits())
def test_changes_lead_exactly_there(wanted: UciPackage) -> None:
    assert content(apply(package(), differences(package(), wanted))) == content(wanted)


@given(edits(), edits())
def test_and_from_anywhere_to_anywhere(start: UciPackage, wanted: UciPackage) -> None:
    assert content(apply(start, differences(start, wanted))) == content(wanted)
