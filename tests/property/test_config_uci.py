"""UCI text and deltas: anything written is read back, and nothing read does harm."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from fwknopd.config.problems import ConfigError
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
)
from fwknopd.config.uci_config import configuration_from_uci
from fwknopd.config.uci_delta import format_delta, parse_delta
from fwknopd.config.uci_edit import apply_delta
from fwknopd.config.uci_format import (
    UciOption,
    UciPackage,
    UciSection,
    UciSyntaxError,
    encode_text,
    export_uci,
    format_uci,
    parse_uci,
)
from fwknopd.config.uci_model import anonymous_id, is_writable_type

NAMES = st.text("abcXYZ019_", min_size=1, max_size=8)
TYPES = st.text("".join(map(chr, range(33, 127))), min_size=1, max_size=6).filter(is_writable_type)
# Every byte but NUL: quotes, newlines, escapes, control characters, broken UTF-8.
VALUES = st.binary(max_size=40).map(
    lambda data: data.replace(b"\0", b"").decode("utf-8", "surrogateescape")
)
ITEMS = st.lists(VALUES, min_size=1, max_size=4).map(tuple)
OPTIONS = st.dictionaries(NAMES, st.one_of(VALUES.filter(bool), ITEMS), max_size=5)
UCI_LIKE = st.lists(
    st.one_of(
        st.sampled_from(
            ["config ", "option ", "list ", "package ", "\n", "'", '"', "\\", "#", ";", " ", "\t"]
        ),
        st.sampled_from(["access", "global", "SOURCE", "KEY", "ANY", "x", "a-b", "\r", "\x00"]),
        VALUES,
    ),
    max_size=30,
).map("".join)


@st.composite
def packages(draw: st.DrawFn) -> UciPackage:
    sections: list[UciSection] = []
    names = draw(st.lists(st.one_of(st.none(), NAMES), max_size=4))
    taken: set[str] = set()
    for number, name in enumerate(names, start=1):
        kind = draw(TYPES)
        section_id = name or anonymous_id(number, kind)
        if section_id in taken:
            continue
        taken.add(section_id)
        options = tuple(UciOption(*pair) for pair in draw(OPTIONS).items())
        position = len(sections) + 1
        section_id = name or anonymous_id(position, kind)
        taken.add(section_id)
        sections.append(UciSection(kind, name, section_id, options))
    return UciPackage(tuple(sections))


@given(packages())
def test_what_is_written_is_read_back(package: UciPackage) -> None:
    assert parse_uci(encode_text(format_uci(package)), "f") == package
    assert parse_uci(export_uci(package, "fwknopd"), "f") == package


@given(packages())
def test_options_as_libuci_writes_them_say_what_others_say(package: UciPackage) -> None:
    options = [option for section in package.sections for option in section.options]
    assume(not any("\n" in item for option in options for item in option.items))
    text = format_uci(package)
    usual, other = parse_uci(text, "f"), parse_uci(text.replace("\n\t", "\n  "), "f")
    assert other == usual == package
    for one, two in zip(usual.sections, other.sections, strict=True):
        assert [option.line for option in one.options] == [option.line for option in two.options]


@given(st.one_of(st.binary(max_size=200), UCI_LIKE))
def test_any_text_is_read_or_refused_with_its_line(text: bytes | str) -> None:
    newlines = text.count("\n") if isinstance(text, str) else text.count(b"\n")
    try:
        package = parse_uci(text, "f")
    except UciSyntaxError as error:
        assert 1 <= error.line <= newlines + 1
        return
    if all(is_writable_type(section.type) for section in package.sections):
        again = parse_uci(format_uci(package), "f")
        assert format_uci(again) == format_uci(package)
    for section in package.sections:
        assert section.line is not None
        assert 1 <= section.line <= newlines + 1


@given(st.one_of(UCI_LIKE, packages().map(format_uci)))
def test_any_package_is_a_configuration_or_a_list_of_problems(text: str) -> None:
    try:
        package = parse_uci(text, "f")
        configuration = configuration_from_uci(package, "f")
    except ConfigError as error:
        assert error.problems
        return
    numbers = [stanza.number for stanza in configuration.stanzas]
    assert numbers == sorted(set(numbers))
    for problem in configuration.problems:
        assert "\n" not in str(problem)


IDS = st.sampled_from(["a", "b", "cfg01b606", "cfg02b606"])
WORDS = st.sampled_from(["k", "l", "m"])
CHANGES = st.one_of(
    st.builds(AddSection, IDS, TYPES),
    st.builds(SetSection, IDS, TYPES),
    st.builds(SetOption, IDS, WORDS, st.one_of(VALUES.filter(bool), ITEMS)),
    st.builds(AddListItem, IDS, WORDS, VALUES),
    st.builds(DeleteListItem, IDS, WORDS, VALUES),
    st.builds(DeleteOption, IDS, WORDS, st.one_of(st.none(), st.integers(0, 5))),
    st.builds(DeleteSection, IDS),
    st.builds(Rename, IDS, st.one_of(st.none(), WORDS), NAMES),
    st.builds(Reorder, IDS, st.integers(0, 5)),
)
BASE = parse_uci("config a 'a'\n option k v\n list l 1\n list l 2\nconfig b 'b'\n", "f")


@given(st.lists(CHANGES, max_size=8))
def test_a_delta_file_does_what_its_changes_do(changes: list[UciChange]) -> None:
    recorded = parse_delta(format_delta(changes, "fwknopd"), "fwknopd")
    expected, _ = apply_delta(BASE, changes)
    found, _ = apply_delta(BASE, recorded)
    assert by_name(found) == by_name(expected)


def by_name(package: UciPackage) -> list[tuple[str, str, dict[str, object]]]:
    """Without the order of options: a list set as a whole moves to the end in a delta."""
    return [
        (section.id, section.type, {item.name: item.value for item in section.options})
        for section in package.sections
    ]


@given(st.lists(CHANGES, max_size=8))
def test_changes_apply_or_are_refused(changes: list[UciChange]) -> None:
    try:
        package = apply(BASE, changes)
    except ChangeError as error:
        assert str(error)
        return
    assert parse_uci(format_uci(package), "f") is not None


@given(st.one_of(UCI_LIKE, st.binary(max_size=200).map(lambda data: data.decode("latin-1"))))
def test_any_delta_file_can_be_read(text: str) -> None:
    changes = parse_delta(f"fwknopd.a.{text}", "fwknopd") + parse_delta(text, "fwknopd")
    apply_delta(BASE, changes)


@given(VALUES.filter(lambda value: len(value) > 8 and "*" not in value))
def test_no_command_shows_a_key(value: str) -> None:
    shown = as_commands([SetOption("a", "KEY", value), AddListItem("a", "HMAC_KEY", value)])
    assert not any(value in line for line in shown)
