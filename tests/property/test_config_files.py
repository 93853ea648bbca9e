"""fwknopd.conf, access.conf and single values: any text is understood or refused, never worse."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwknopd.config.access_conf import stanzas_from_access_conf
from fwknopd.config.addresses import parse_ipv4
from fwknopd.config.fwknopd_conf import settings_from_fwknopd_conf
from fwknopd.config.includes import IncludeError
from fwknopd.config.problems import ConfigError, Problem
from fwknopd.config.render import format_access_conf, stanza_pairs
from fwknopd.config.settings import ServerSettings
from fwknopd.config.typed_values import check_value
from fwknopd.config.uci_format import parse_uci
from fwknopd.config.variables import (
    ACCESS_VARIABLES,
    SERVER_VARIABLES,
    Variable,
)

HONEST = st.sampled_from(
    [
        "ANY", "10.1, 192.0.2.0/24", "2001:db8::/32", "tcp/22,udp/53", "tcp/22-30 # x", "Y", "N",
        "1", "30", "0", "99999999", "sha512", "legacy", "c2VjcmV0a2V5", "__CHANGEME__", "secret",
        "12/31/2030", "31/12/30", "192.168.1.1 22", "$PCAP_FILTER", "/etc/x", "eth0", "",
    ]
)  # fmt: skip
NAMES = st.sampled_from(
    [v.name for v in (*SERVER_VARIABLES, *ACCESS_VARIABLES)]
    + ["SOURCE:", "%include", "%include_folder", "%include_keys", "source", "#", ";"]
)
ANY_TEXT = st.binary(max_size=30).map(lambda data: data.decode("utf-8", "surrogateescape"))
LINES = st.tuples(NAMES, st.sampled_from([" ", "\t", "", ": "]), st.one_of(HONEST, ANY_TEXT)).map(
    "".join
)
CONF_LIKE = st.lists(st.one_of(LINES, ANY_TEXT), max_size=15).map("\n".join)
STANZA_LIKE = CONF_LIKE.map(lambda text: f"SOURCE ANY\nKEY top secret\n{text}")
ALLOWED = ServerSettings(enable_ipt_forwarding=True)


class Endless:
    """Every file exists and holds the same text."""

    def __init__(self, text: str, budget: int = 20) -> None:
        self.text = text
        self.budget = budget

    def read_file(self, path: str) -> str:
        if self.budget == 0:
            raise IncludeError("too many files", "Take some out.")
        self.budget -= 1
        return self.text

    def list_folder(self, path: str) -> Sequence[str]:
        return ["b.conf", "a.conf", "c"]


def has_sound_problems(problems: Sequence[Problem]) -> bool:
    return all(
        problem.message and problem.remedy and (problem.option + problem.message).isprintable()
        for problem in problems
    )


@given(st.one_of(CONF_LIKE, ANY_TEXT))
def test_any_fwknopd_conf(text: str) -> None:
    try:
        settings, problems = settings_from_fwknopd_conf(text, "f")
    except ConfigError as error:
        assert has_sound_problems(error.problems)
        return
    assert 1 <= settings.max_spa_packet_age <= 100000
    assert 1 <= settings.udpserv_port <= 65535
    assert settings.interfaces
    assert has_sound_problems(problems)


@given(st.one_of(CONF_LIKE, STANZA_LIKE), CONF_LIKE)
def test_any_access_conf(text: str, included: str) -> None:
    try:
        stanzas, problems = stanzas_from_access_conf(text, "f", Endless(included), ALLOWED)
    except ConfigError as error:
        assert has_sound_problems(error.problems)
        return
    assert has_sound_problems(problems)
    for stanza in stanzas:
        assert stanza.keys.encryption_key
        assert stanza.fw_access_timeout >= 1
        assert stanza.max_fw_timeout >= 1


@given(STANZA_LIKE)
def test_what_is_rendered_reads_back_as_the_same(text: str) -> None:
    try:
        stanzas, _ = stanzas_from_access_conf(text, "f", None, ALLOWED)
    except ConfigError:
        return
    rendered = format_access_conf(map(stanza_pairs, stanzas), show_keys=True)
    if stanzas and "is left out" not in rendered:
        again, _ = stanzas_from_access_conf(rendered, "g", None, ALLOWED)
        assert len(again) == len(stanzas)
        for one, other in zip(again, stanzas, strict=True):
            assert (one.keys, one.sources, one.open_ports) == (
                other.keys, other.sources, other.open_ports
            )  # fmt: skip


VARIABLES = st.sampled_from([*SERVER_VARIABLES, *ACCESS_VARIABLES])


@given(VARIABLES, st.one_of(HONEST, ANY_TEXT, st.text(max_size=30)))
def test_any_value_of_any_variable(variable: Variable, text: str) -> None:
    for problem in check_value(variable, text):
        assert "\n" not in str(problem)
        if variable.secret and len(text.strip()) > 8:
            assert text.strip() not in str(problem)


@given(st.ip_addresses(v=4))
def test_dotted_addresses_are_read_as_everywhere(address: object) -> None:
    assert str(parse_ipv4(str(address))) == str(address)


@given(st.one_of(st.text("0123456789.xaf", max_size=20), st.text(max_size=12)))
def test_addresses_agree_with_the_c_library(text: str) -> None:
    if text != text.strip() or not text.isascii() or " " in text or "\0" in text:
        return
    try:
        expected = socket.inet_ntoa(socket.inet_aton(text))
    except OSError:
        expected = "None"
    assert str(parse_ipv4(text)) == expected


@pytest.mark.parametrize("count", [1000, 100000])
def test_time_grows_with_the_file_not_faster(count: int) -> None:
    package = parse_uci("config a x\n" + "\tlist l v\n" * count, "f")
    assert len(package.sections[0].options[0].items) == count
