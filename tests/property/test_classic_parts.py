"""Whatever the classic files hold, they can be taken apart, and nothing of a key gets out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fwknopd.config.classic_parts import classic_parts
from fwknopd.config.convert import same_rules
from fwknopd.config.directive import Findings
from fwknopd.config.includes import NoIncludes
from fwknopd.config.settings import ServerSettings
from fwknopd.config.stanza_names import MAX_NAME, suggested_name
from fwknopd.config.uci_config import stanza_from_section
from fwknopd.config.uci_format import UciPackage, format_uci, parse_uci
from fwknopd.config.variables import ACCESS_VARIABLES, SERVER_VARIABLES

FORWARDING = ServerSettings(enable_ipt_forwarding=True, enable_ipt_local_nat=True)
WORDS = st.sampled_from(
    ["ANY", "192.0.2.1", "tcp/22", "Y", "30", "c2VjcmV0IGtleQ==", "", ";", "# x", "\x1b", "\udc80"]
)
NAMES = st.sampled_from(
    ["SOURCE", "#", "%include", "%include_keys", *(v.name for v in ACCESS_VARIABLES)]
)
LINES = st.lists(st.tuples(NAMES, WORDS | st.text(max_size=20)).map(" ".join), max_size=12)
ACCESS = LINES.map("\n".join) | st.text(max_size=200)
SERVER = st.lists(
    st.tuples(st.sampled_from([v.name for v in SERVER_VARIABLES]), WORDS).map(" ".join), max_size=6
).map("\n".join)


@given(server=SERVER | st.text(max_size=80), access=ACCESS)
def test_any_files_can_be_taken_apart(server: str, access: str) -> None:
    found = classic_parts([(server, "s")], [(access, "a")], NoIncludes())
    for stanza in found.stanzas:
        assert stanza.name.isprintable()
        assert len(stanza.name) <= MAX_NAME
        assert stanza.section.options
    for part in found.settings:
        assert part.line


@given(access=LINES.map(lambda lines: "\n".join(["SOURCE ANY", "KEY x", *lines])))
def test_taken_stanza_means_the_same_in_a_file(access: str) -> None:
    for found in classic_parts([], [(access, "a")], NoIncludes()).stanzas:
        if not found.usable:
            continue
        text = format_uci(UciPackage((found.section,)))
        (section,) = parse_uci(text, "").sections
        stanza = stanza_from_section(section, 1, "", FORWARDING, Findings())
        assert same_rules(stanza if stanza and stanza.enabled else None, found.stanza)


@given(key=st.from_regex(r"[A-Za-z0-9+/]{22,88}={0,2}", fullmatch=True), lead=st.sampled_from("#;"))
def test_no_key_becomes_a_name(key: str, lead: str) -> None:
    for line in (key, f"KEY {key}", f"KEY_BASE64: {key}", f"her key {key}", f"x={key}"):
        assert suggested_name([f"{lead} {line}", "SOURCE ANY"], 2) == ""
        assert suggested_name([f"SOURCE ANY; {lead}{line}"], 1) == ""
