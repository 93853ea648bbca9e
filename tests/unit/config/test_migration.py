"""Configurations found in the field, made ready for this program with their meaning intact."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwknopd.config.convert import same_rules
from fwknopd.config.migration import FIRST_CLIENT, migrate
from fwknopd.config.uci_changes import apply
from fwknopd.config.uci_config import configuration_from_uci
from fwknopd.config.uci_format import parse_uci
from fwknopd.config.uci_model import UciPackage, UciSection

FRESH = ("RlJFU0hFTkM=", "RlJFU0hITUFD")
REAL = "Sz80RjpXOlhH2olGuKBUamHKcqyMBsS9BTgLaMugUsg="
HMAC = "c0TOaMJ2aVPdYTh4Aa25Dwxni7PrLo2zLAtBoVwSepkvH6nLcW45Cjb9zaEC2SQd"

STOCK = """
config global

config network

config access
	option SOURCE 'ANY'
	option HMAC_KEY '__CHANGEME__'
	option KEY '__CHANGEME__'

config config
	option ENABLE_IPT_FORWARDING 'Y'
	option ENABLE_NAT_DNS 'Y'
"""

STOCK_OF_2015 = """
config global

config access
	option SOURCE 'ANY'
	option HMAC_KEY 'CHANGEME'
	option KEY 'CHANGEME'

config config
"""

LUCI_OF_2015 = f"""
config global
	option uci_enabled '1'

config network
	option network 'wan'

config access
	option SOURCE 'ANY'
	option keytype 'Base 64 key'
	option hkeytype 'Base 64 key'
	option KEY_BASE64 '{REAL}'
	option HMAC_KEY_BASE64 '{HMAC}'
	option OPEN_PORTS 'tcp/22'

config config
	option ENABLE_IPT_FORWARDING 'y'
	option ENABLE_NAT_DNS 'y'
"""

WITH_THE_CLIENT = f"""
config global
	option uci_enabled '1'

config access
	option SOURCE 'ANY'
	option HMAC_KEY 'CHANGEME'
	option KEY 'CHANGEME'
	option keytype 'Base 64 key'
	option hkeytype 'Base 64 key'
	option KEY_BASE64 '{REAL}'
	option HMAC_KEY_BASE64 '{HMAC}'

config config
	option PCAP_INTF 'pppoe-wan'
"""

WRONG_TYPES = f"""
config global
	option uci_enabled '1'

config network
	option network 'wan'

config access
	option SOURCE 'ANY'
	option keytype 'Normal Key'
	option hkeytype 'Schlüssel'
	option KEY '__CHANGEME__'
	option KEY_BASE64 '{REAL}'
	option HMAC_KEY 'a passphrase'
	option HMAC_KEY_BASE64 'CHANGEME'
"""

TWO_OF_A_KIND = f"""
config global
	option uci_enabled '1'

config network
	option network 'wan'

config access
	option SOURCE 'ANY'
	option KEY_BASE64 '{REAL}'
	option KEY 'the later one counts'
	option HMAC_KEY_BASE64 '{HMAC}'
	option HMAC_KEY 'as it always did'
"""

UPSIDE_DOWN = f"""
config config
	option MAX_SPA_PACKET_AGE '60'

config access
	option KEY '__CHANGEME__'
	option KEY_BASE64 '{REAL}'
	option SOURCE '192.0.2.0/24'

config network
	option network 'wwan'

config global
	option uci_enabled '1'
"""

FAILED_KEY_GEN = """
config global
	option uci_enabled '1'

config network
	option network 'wan'

config access
	option SOURCE 'ANY'
	option keytype 'Base 64 key'
	option hkeytype 'Base 64 key'
	option KEY_BASE64 ''
	option HMAC_KEY_BASE64 ''

config config
	option ENABLE_IPT_FORWARDING 'y'
"""

MANY_CLIENTS = f"""
config global
	option uci_enabled '1'

config network
	option network 'wan'

config access
	option SOURCE 'ANY'
	option KEY 'correct horse'
	option HMAC_KEY 'battery staple'
	option FUTURE_DIRECTIVE 'kept'

config access
	option SOURCE 'ANY'
	option KEY '__CHANGEME__'
	option HMAC_KEY '__CHANGEME__'

config access 'laptop'
	option SOURCE '10.0.0.0/8'
	option KEY_BASE64 '{REAL}'
	list notes 'one'
	list notes 'two'
"""

GPG_ONLY = """
config global
	option uci_enabled '1'

config network
	option network 'wan'

config access
	option SOURCE 'ANY'
	option KEY '__CHANGEME__'
	option GPG_DECRYPT_ID 'ABCD1234'
	option GPG_DECRYPT_PW 'secret'
	option GPG_REMOTE_ID '1234ABCD'
"""

EMPTY = "\n"

FIELD = {
    "stock": STOCK,
    "stock of 2015": STOCK_OF_2015,
    "LuCI of 2015": LUCI_OF_2015,
    "2015 with the client": WITH_THE_CLIENT,
    "wrong key types": WRONG_TYPES,
    "two of a kind": TWO_OF_A_KIND,
    "upside down": UPSIDE_DOWN,
    "failed key-gen": FAILED_KEY_GEN,
    "many clients": MANY_CLIENTS,
    "GPG only": GPG_ONLY,
    "empty": EMPTY,
}
KEYLESS = ("stock", "stock of 2015", "failed key-gen", "empty")
every_one = pytest.mark.parametrize("text", FIELD.values(), ids=FIELD.keys())
keyless = pytest.mark.parametrize("text", [FIELD[name] for name in KEYLESS], ids=KEYLESS)
keyed = pytest.mark.parametrize(
    "text",
    [pytest.param(text, id=name) for name, text in FIELD.items() if name not in KEYLESS],
)


def never() -> tuple[str, str]:
    raise AssertionError("keys were made although there are some")


def migrated(text: str) -> UciPackage:
    package = parse_uci(text, "u")
    return apply(package, migrate(package, lambda: FRESH).changes)


def client(package: UciPackage, number: int = 0) -> UciSection:
    return package.of_type("access")[number]


@every_one
def test_running_it_again_changes_nothing(text: str) -> None:
    again = migrate(migrated(text), never)
    assert (again.changes, again.told) == ((), ())


@keyed
def test_the_clients_are_the_same_and_no_key_is_made(text: str) -> None:
    package = parse_uci(text, "u")
    done = migrate(package, never)
    before = configuration_from_uci(package, "u")
    after = configuration_from_uci(apply(package, done.changes), "u")
    assert len(before.stanzas) == len(after.stanzas)
    assert all(map(same_rules, before.stanzas, after.stanzas))
    assert before.settings == after.settings
    assert before.networks == after.networks


@keyless
def test_without_any_key_one_client_gets_fresh_ones(text: str) -> None:
    package = migrated(text)
    first = client(package)
    assert (first.get("KEY_BASE64"), first.get("HMAC_KEY_BASE64")) == FRESH
    assert (first.get("name"), first.get("SOURCE")) == (FIRST_CLIENT, "ANY")
    assert first.option("KEY") is None
    assert first.option("HMAC_KEY") is None
    (stanza,) = configuration_from_uci(package, "u").stanzas
    assert stanza.name == FIRST_CLIENT


@every_one
def test_overwrite_is_left_as_it_is(text: str) -> None:
    package = parse_uci(text, "u")
    before = [section.get("uci_enabled") for section in package.of_type("global")]
    after = [section.get("uci_enabled") for section in migrated(text).of_type("global")]
    assert before == after


@every_one
def test_nothing_stale_is_left(text: str) -> None:
    for section in migrated(text).of_type("access"):
        assert section.option("keytype") is None
        assert section.option("hkeytype") is None


def test_a_network_is_named_unless_a_device_is() -> None:
    assert [s.get("network") for s in migrated(STOCK).of_type("network")] == ["wan"]
    assert [s.get("network") for s in migrated(EMPTY).of_type("network")] == ["wan"]
    assert [s.get("network") for s in migrated(UPSIDE_DOWN).of_type("network")] == ["wwan"]
    assert migrated(WITH_THE_CLIENT).of_type("network") == ()


def test_small_letters_become_what_later_pages_show() -> None:
    (config,) = migrated(LUCI_OF_2015).of_type("config")
    assert (config.get("ENABLE_IPT_FORWARDING"), config.get("ENABLE_NAT_DNS")) == ("Y", "Y")


def test_the_placeholder_beside_a_key_goes() -> None:
    section = client(migrated(WRONG_TYPES))
    assert section.option("KEY") is None
    assert section.option("HMAC_KEY_BASE64") is None
    assert (section.get("KEY_BASE64"), section.get("HMAC_KEY")) == (REAL, "a passphrase")


def test_two_real_keys_stay_both() -> None:
    section = client(migrated(TWO_OF_A_KIND))
    assert section.get("KEY_BASE64") == REAL
    assert section.get("KEY") == "the later one counts"


def test_a_client_without_keys_among_others_stays_without() -> None:
    section = client(migrated(MANY_CLIENTS), 1)
    assert section.get("KEY") == "__CHANGEME__"
    assert client(migrated(MANY_CLIENTS)).get("FUTURE_DIRECTIVE") == "kept"
    assert client(migrated(MANY_CLIENTS), 2).get("notes") == "one two"


def test_what_was_done_is_told_in_words() -> None:
    done = migrate(parse_uci(LUCI_OF_2015, "u"), never)
    assert done.told == (
        "options of old LuCI pages that mean nothing are removed",
        "y and n are written as Y and N",
    )


KEY_OPTIONS = ("KEY", "KEY_BASE64", "HMAC_KEY", "HMAC_KEY_BASE64")
OTHER_OPTIONS = ("keytype", "hkeytype", "SOURCE", "network", "PCAP_INTF", "ENABLE_IPT_FORWARDING")
VALUES = ("__CHANGEME__", "CHANGEME", "y", "n", "Y", REAL, "wan", "secret", "", "ANY")
OPTIONS = st.tuples(
    st.sampled_from([*KEY_OPTIONS, *OTHER_OPTIONS, "GPG_DECRYPT_PW"]), st.sampled_from(VALUES)
)
SECTIONS = st.tuples(
    st.sampled_from(["global", "network", "access", "config", "other"]),
    st.lists(OPTIONS, max_size=5),
)


@given(st.lists(SECTIONS, max_size=5))
def test_no_real_key_is_ever_touched(sections: list[tuple[str, list[tuple[str, str]]]]) -> None:
    text = "".join(
        f"config {kind}\n" + "".join(f"\toption {name} '{value}'\n" for name, value in options)
        for kind, options in sections
    )
    package = parse_uci(text, "u")
    done = migrate(package, lambda: FRESH)
    result = apply(package, done.changes)
    for before, after in zip(package.of_type("access"), result.of_type("access"), strict=False):
        for name in KEY_OPTIONS:
            if before.get(name).strip() not in ("", "__CHANGEME__", "CHANGEME"):
                assert after.get(name) == before.get(name)
    assert migrate(result, never).changes == ()
