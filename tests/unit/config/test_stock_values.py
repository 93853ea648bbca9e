"""Values with a `;`, of which fwknop's server got the part before from its init script."""

from __future__ import annotations

import pytest

from fwknopd.config.migration import migrate
from fwknopd.config.problems import ConfigError, Severity
from fwknopd.config.settings import Configuration
from fwknopd.config.uci_changes import apply
from fwknopd.config.uci_config import configuration_from_uci
from fwknopd.config.uci_format import parse_uci, quote
from fwknopd.config.uci_model import UciPackage

KEY, HMAC = "a2V5MTIzNDU2Nzg=", "aG1hYzEyMzQ1Njc4"
PLAIN = {
    "SOURCE": "192.0.2.1, 198.51.100.0/24",
    "DESTINATION": "192.0.2.9",
    "OPEN_PORTS": "tcp/22, udp/53",
    "RESTRICT_PORTS": "tcp/23",
    "FW_ACCESS_TIMEOUT": "40",
    "MAX_FW_TIMEOUT": "60",
    "REQUIRE_SOURCE_ADDRESS": "Y",
    "REQUIRE_USERNAME": "bob",
    "ACCESS_EXPIRE": "12/31/2030",
    "KEY_BASE64": KEY,
    "HMAC_KEY_BASE64": HMAC,
    "HMAC_DIGEST_TYPE": "SHA512",
    "ENCRYPTION_MODE": "CBC",
}
SERVER = {
    "PCAP_INTF": "eth0",
    "PCAP_FILTER": "udp port 62201",
    "MAX_SPA_PACKET_AGE": "60",
    "ENABLE_IPT_FORWARDING": "Y",
    "SYSLOG_IDENTITY": "knocks",
    "SYSLOG_FACILITY": "LOG_LOCAL0",
}


def package(tail: str = "", **more: str) -> UciPackage:
    """A configuration, each value of which is followed by ``tail``."""

    def lines(options: dict[str, str]) -> str:
        return "".join(f"\toption {name} {quote(v + tail)}\n" for name, v in options.items())

    kept = "".join(f"\toption {name} {quote(value)}\n" for name, value in more.items())
    return parse_uci(f"config config\n{lines(SERVER)}config access\n{lines(PLAIN)}{kept}", "u")


def read(what: UciPackage) -> Configuration:
    return configuration_from_uci(what, "u")


def warned(what: Configuration) -> set[str]:
    return {found.option for found in what.problems if found.severity is Severity.WARNING}


@pytest.mark.parametrize("tail", [";", " ; ", "; for all", ";;", "; a, tcp/1 ; b"])
def test_what_stands_before_counts_as_it_did(tail: str) -> None:
    plain, found = read(package()), read(package(tail))
    assert found.stanzas == plain.stanzas
    assert found.settings == plain.settings
    assert warned(found) - warned(plain) == {*PLAIN, *SERVER}


@pytest.mark.parametrize("name", ["OPEN_PORTS", "REQUIRE_USERNAME", "RESTRICT_PORTS", "KEY_BASE64"])
def test_nothing_before_it_is_no_value(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"{name}: nothing stands before its ;"):
        read(package(**{name: " ; x"}))


def test_a_list_is_of_this_package_and_each_item_whole() -> None:
    """Cutting the text they are joined to would let in what the second item forbids."""
    text = f"config access\n\toption SOURCE ANY\n\toption KEY_BASE64 {KEY}\n"
    lists = "\tlist RESTRICT_PORTS 'tcp/23;'\n\tlist RESTRICT_PORTS 'tcp/24'\n"
    with pytest.raises(ConfigError, match="RESTRICT_PORTS: 'tcp/23;' is no port"):
        read(parse_uci(text + lists, "u"))


def test_a_passphrase_is_whole_and_told_of() -> None:
    text = "config access\n\toption SOURCE ANY\n\toption KEY 'pass;word'\n"
    found = read(parse_uci(text, "u"))
    assert found.stanzas[0].keys.encryption_key == b"pass;word"
    assert warned(found) == {"KEY"}


def test_what_only_this_server_knows_may_have_one() -> None:
    found = read(package(name="Smith; phone"))
    assert found.stanzas[0].name == "Smith; phone"
    assert "name" not in warned(found)


def test_a_take_over_leaves_what_counts() -> None:
    done = migrate(package("; x", name="Smith; phone"), lambda: ("", ""))
    after = apply(package("; x", name="Smith; phone"), done.changes)
    assert after == package(name="Smith; phone")
    assert "what the C server passed over, from a ; on, is removed" in done.told


def test_a_take_over_leaves_passphrases_and_mistakes() -> None:
    text = "config access\n\toption SOURCE ';'\n\toption KEY 'pass;word'\n"
    assert "from a ; on" not in str(migrate(parse_uci(text, "u"), lambda: ("", "")).told)
