"""What a fleet's tools want: made once it is so, whatever was there; and no text does harm."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fwknopd.config.old_key_sections import name_of, owners
from fwknopd.config.problems import ConfigError
from fwknopd.config.uci_differences import differences
from fwknopd.config.uci_edit import apply
from fwknopd.config.uci_format import format_uci, parse_uci
from fwknopd.config.uci_model import UciPackage, UciValue
from fwknopd.config.wanted import State, Wanted, WantedClient, wanted_from_json
from fwknopd.config.wanted_package import Moment, as_wanted

NAMES = st.sampled_from(["anna", "bob", "eve"])
KEYS = st.sampled_from([{"KEY": "abcdefgh"}, {"KEY_BASE64": "QUJDREVGR0g="}, {}])
RULES = st.dictionaries(
    st.sampled_from(["OPEN_PORTS", "RESTRICT_PORTS"]),
    st.sampled_from(["tcp/22", ("tcp/22", "udp/53")]),
)
CLIENTS = st.builds(
    WantedClient,
    NAMES,
    st.sampled_from([None, *State]),
    st.one_of(st.none(), RULES),
    KEYS,
    st.sampled_from([0, 5]),
    st.booleans(),
)
WANTED = st.builds(
    Wanted,
    st.one_of(st.none(), st.booleans()),
    st.one_of(st.none(), st.just("uplink")),
    st.dictionaries(st.just("MAX_SPA_PACKET_AGE"), st.sampled_from(["60", ""])),
    st.lists(CLIENTS, max_size=3, unique_by=lambda client: client.name).map(tuple),
    st.booleans(),
)
START = parse_uci(
    "config access\n option name bob\n option SOURCE ANY\n option KEY 'first one'\n"
    "config config\n option ENABLE_IPT_FORWARDING Y\n",
    "f",
)


def made(package: UciPackage, wanted: Wanted, number: int = 0) -> UciPackage:
    return as_wanted(package, wanted, Moment(1_800_000_000, lambda: f"old_{number}"), "f")


@settings(max_examples=60, deadline=None)
@given(st.lists(WANTED, min_size=1, max_size=4))
def test_wanting_it_twice_changes_nothing_and_what_is_said_holds(steps: list[Wanted]) -> None:
    package = START
    for number, wanted in enumerate(steps):
        try:
            after = made(package, wanted, number)
        except ConfigError as error:
            assert error.problems
            assume(False)
        assert made(after, wanted, number + 100) == after
        assert written(apply(package, differences(package, after))) == written(after)
        holds(after, wanted)
        package = after


def written(package: UciPackage) -> list[tuple[str, str | None, dict[str, UciValue]]]:
    """The file, but for the order of options within a section, which means nothing."""
    sections = parse_uci(format_uci(package), "f").sections
    return [(s.type, s.name, {o.name: o.value for o in s.options}) for s in sections]


def holds(package: UciPackage, wanted: Wanted) -> None:
    sections = {name_of(s): s for s in package.of_type("access")}
    for client in wanted.clients:
        found = sections.get(client.name)
        if client.state in (None, State.PRESENT):
            assert found is not None
            assert client.state is None or found.option("enabled") is None
            assert all(found.get(name) == key for name, key in client.keys.items())
        else:
            assert found is None or found.get("enabled") == "0"
            assert not owners(package).get(client.name)
    if wanted.exclusive:
        named = {client.name for client in wanted.clients}
        assert {name for name in sections if "old keys" not in name} <= named


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.just(1.5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner)),
    max_leaves=5,
)
MEMBERS = ["enabled", "network", "settings", "clients", "exclusive"]
CLIENT = ["name", "state", "options", "keys", "overlap_hours", "end_at_first_use"]
SHAPED = st.dictionaries(
    st.sampled_from(MEMBERS),
    st.one_of(JSON, st.lists(st.dictionaries(st.sampled_from(CLIENT), JSON), max_size=2)),
)


@given(st.one_of(st.text(), JSON.map(json.dumps), SHAPED.map(json.dumps)))
def test_any_document_is_something_wanted_or_a_list_of_problems(text: str) -> None:
    try:
        wanted: Any = wanted_from_json(text, "f")
    except ConfigError as error:
        assert error.problems and all("\n" not in str(problem) for problem in error.problems)
        return
    assert isinstance(wanted, Wanted)
