"""Changes to a package: what they do, what is refused, and how they are shown."""

from __future__ import annotations

import pytest

from fwknopd.config.uci_changes import (
    AddListItem,
    AddSection,
    ChangeError,
    DeleteListItem,
    DeleteOption,
    DeleteSection,
    Rename,
    Reorder,
    SetOption,
    SetSection,
    UciChange,
    apply,
    as_commands,
    new_section_id,
)
from fwknopd.config.uci_format import format_uci, parse_uci

BASE = parse_uci(
    "config a 'x'\n\toption k v\n\tlist l 1\n\tlist l 2\n\toption m z\nconfig b\n", "f"
)


def after(*changes: UciChange) -> list[str]:
    return format_uci(apply(BASE, changes)).strip().splitlines()


def test_an_option_keeps_its_place_when_it_is_set() -> None:
    assert after(SetOption("x", "k", "w"))[1] == "\toption k 'w'"
    assert after(SetOption("x", "l", ("3",)))[2] == "\tlist l '3'"


@pytest.mark.parametrize("empty", ["", ()])
def test_setting_nothing_deletes(empty: str | tuple[str, ...]) -> None:
    assert not any(" l " in line for line in after(SetOption("x", "l", empty)))
    assert apply(BASE, [SetOption("x", "none", empty)]) == BASE


def test_sections() -> None:
    assert after(SetSection("y", "c"))[-1] == "config c 'y'"
    assert after(SetSection("x", "c"))[0] == "config c 'x'"
    assert after(AddSection("cfg03b608", "c"))[-1] == "config c"
    assert after(SetSection("x", ""), SetSection("gone", "")) == ["config b"]
    assert after(Rename("x", None, "y"))[0] == "config a 'y'"
    assert after(Rename("x", "m", "n"))[4] == "\toption n 'z'"
    assert after(Reorder("x", 9))[0] == "config b"


def test_lists() -> None:
    assert after(AddListItem("x", "k", "w"))[1:3] == ["\tlist k 'v'", "\tlist k 'w'"]
    assert after(DeleteListItem("x", "l", "1"))[2:4] == ["\tlist l '2'", "\toption m 'z'"]
    assert apply(BASE, [DeleteListItem("x", "k", "v")]) == BASE
    assert after(DeleteOption("x", "l", 1))[2:4] == ["\tlist l '1'", "\toption m 'z'"]


def test_the_id_of_a_new_section_is_free() -> None:
    shrunk = apply(BASE, [AddSection("cfg03b607", "b"), DeleteSection("x")])
    assert new_section_id(BASE, "b") == "cfg03b607"
    assert new_section_id(shrunk, "b") == "cfg04b607"


@pytest.mark.parametrize(
    "change",
    [
        SetOption("gone", "k", "v"),
        SetOption("x", "k-b", "v"),
        SetOption("x", "k", "a\x00b"),
        SetOption("x", "k", ("fine", "a\x1bb")),
        SetOption("x", "k", "\ud800"),
        SetSection("y", "a b"),
        SetSection("y-z", "a"),
        SetSection("y", "a;b"),
        Rename("cfg02b607", None, "x"),
        Rename("x", "k", "l"),
        DeleteOption("x", "gone"),
        DeleteSection("gone"),
        Rename("x", "gone", "n"),
        Rename("x", None, "a b"),
        Reorder("gone", 0),
    ],
    ids=repr,
)
def test_what_does_not_fit_is_refused(change: UciChange) -> None:
    with pytest.raises(ChangeError):
        apply(BASE, [change])


def test_changes_as_commands_show_no_key() -> None:
    changes: list[UciChange] = [
        AddSection("cfg02ea17", "access"),
        SetOption("cfg02ea17", "KEY_BASE64", "c2VjcmV0"),
        SetOption("cfg02ea17", "name", "it's"),
        SetOption("cfg02ea17", "SOURCE", ("10.0.0.1", "10.0.0.2")),
        AddListItem("x", "l", "1"),
        DeleteListItem("x", "HMAC_KEY", "c2VjcmV0"),
        DeleteOption("x", "l", 0),
        DeleteOption("x", "l"),
        Rename("x", None, "y"),
        Reorder("y", 2),
        SetSection("z", "access"),
        DeleteSection("z"),
    ]
    assert as_commands(changes) == [
        "uci add fwknopd access # cfg02ea17",
        "uci set fwknopd.cfg02ea17.KEY_BASE64='********'",
        "uci set fwknopd.cfg02ea17.name='it'\\''s'",
        "uci delete fwknopd.cfg02ea17.SOURCE",
        "uci add_list fwknopd.cfg02ea17.SOURCE='10.0.0.1'",
        "uci add_list fwknopd.cfg02ea17.SOURCE='10.0.0.2'",
        "uci add_list fwknopd.x.l='1'",
        "uci del_list fwknopd.x.HMAC_KEY='********'",
        "uci delete fwknopd.x.l=0",
        "uci delete fwknopd.x.l",
        "uci rename fwknopd.x='y'",
        "uci reorder fwknopd.y=2",
        "uci set fwknopd.z='access'",
        "uci delete fwknopd.z",
    ]
