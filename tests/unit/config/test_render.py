"""Clients as access.conf text."""

from __future__ import annotations

import pytest

from fwknopd.config.access_conf import stanzas_from_access_conf
from fwknopd.config.render import MASK, format_access_conf, section_pairs, stanza_pairs
from fwknopd.config.settings import ServerSettings
from fwknopd.config.uci_format import parse_uci

FULL = """\
SOURCE 192.0.2.0/24, 2001:db8::7
DESTINATION 198.51.100.1
KEY top secret
HMAC_KEY very secret
HMAC_DIGEST_TYPE sha512
ENCRYPTION_MODE CTR
OPEN_PORTS tcp/22, udp/53
RESTRICT_PORTS tcp/80
FW_ACCESS_TIMEOUT 60
MAX_FW_TIMEOUT 90
REQUIRE_USERNAME anna
REQUIRE_SOURCE_ADDRESS Y
FORCE_NAT 192.168.1.10 22
DISABLE_DNAT Y
ACCESS_EXPIRE_EPOCH 1924902000
"""
NAT = ServerSettings(enable_ipt_forwarding=True)


def test_a_rendered_stanza_reads_back_as_the_same() -> None:
    stanzas, _ = stanzas_from_access_conf(FULL, "a", None, NAT)
    text = format_access_conf(map(stanza_pairs, stanzas), show_keys=True)
    assert stanzas_from_access_conf(text, "b", None, NAT) == (stanzas, ())


def test_keys_are_masked_unless_asked_for() -> None:
    stanzas, _ = stanzas_from_access_conf(FULL, "a", None, NAT)
    text = format_access_conf(map(stanza_pairs, stanzas))
    assert text.count(MASK) == 2
    assert "dG9wIHNlY3JldA" not in text


def test_a_section_keeps_what_it_says_with_source_first() -> None:
    package = parse_uci(
        "config access 'phone'\n\toption keytype 'x'\n\toption KEY 'a'\n\toption FUTURE 'b c'\n"
        "\toption name 'Anna'\n\tlist SOURCE '10.0.0.1'\n\tlist SOURCE '10.0.0.2'\n",
        "f",
    )
    text = format_access_conf([section_pairs(package.sections[0])], show_keys=True)
    assert [line.split() for line in text.splitlines()] == [
        ["#", "name:", "Anna"],
        ["SOURCE", "10.0.0.1,", "10.0.0.2"],
        ["KEY", "a"],
        ["FUTURE", "b", "c"],
    ]


@pytest.mark.parametrize("value", ["a;b", "a\nSOURCE ANY", "a\rb"])
def test_no_value_can_smuggle_a_line_in(value: str) -> None:
    quoted = value.replace("'", "")
    package = parse_uci(
        f"config access\n\toption SOURCE 'ANY'\n\toption KEY 'x;y'\n"
        f"\toption REQUIRE_USERNAME '{quoted}'\n\toption name '{quoted}'\n",
        "f",
    )
    text = format_access_conf([section_pairs(package.sections[0])], show_keys=True)
    [stanza], told = stanzas_from_access_conf(text, "f")
    assert stanza.keys.encryption_key == b"x;y"
    assert stanza.require_username is None
    assert told == ()
    assert "REQUIRE_USERNAME is left out" in text
