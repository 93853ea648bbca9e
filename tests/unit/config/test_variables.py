"""The variable table: complete, consistent, and true to what the settings offer."""

from __future__ import annotations

from dataclasses import fields

import pytest

from fwknopd.config.invalid import Leniencies
from fwknopd.config.settings import ServerSettings
from fwknopd.config.values import parse_value
from fwknopd.config.variables import (
    ACCESS_VARIABLES,
    SERVER_VARIABLES,
    UCI_VARIABLES,
    Scope,
    Status,
    Variable,
    is_secret,
    lookup,
)
from fwknopd.keys import MAX_ENCRYPTION_KEY_LENGTH
from fwknopd.spa.digest import MAX_HMAC_KEY_LENGTH

EVERY = [*SERVER_VARIABLES, *ACCESS_VARIABLES, *UCI_VARIABLES]

# Behaviour notes 2 and 3.2, without the variables of other builds.
NAMED_SERVER = """
PCAP_INTF PCAP_FILE ENABLE_PCAP_PROMISC PCAP_FILTER PCAP_DISPATCH_COUNT PCAP_LOOP_SLEEP
ENABLE_PCAP_ANY_DIRECTION EXIT_AT_INTF_DOWN MAX_SNIFF_BYTES ENABLE_SPA_PACKET_AGING
MAX_SPA_PACKET_AGE ENABLE_DIGEST_PERSISTENCE RULES_CHECK_THRESHOLD CMD_EXEC_TIMEOUT
ENABLE_SPA_OVER_HTTP ALLOW_ANY_USER_AGENT ENABLE_TCP_SERVER TCPSERV_PORT ENABLE_UDP_SERVER
UDPSERV_PORT UDPSERV_SELECT_TIMEOUT LOCALE SYSLOG_IDENTITY SYSLOG_FACILITY
ENABLE_X_FORWARDED_FOR ENABLE_DESTINATION_RULE ENABLE_RULE_PREPEND ENABLE_NAT_DNS
ENABLE_IPT_FORWARDING ENABLE_IPT_LOCAL_NAT ENABLE_IPT_SNAT SNAT_TRANSLATE_IP ENABLE_IPT_OUTPUT
FLUSH_IPT_AT_INIT FLUSH_IPT_AT_EXIT IPT_INPUT_ACCESS IPT_OUTPUT_ACCESS IPT_FORWARD_ACCESS
IPT_DNAT_ACCESS IPT_SNAT_ACCESS IPT_MASQUERADE_ACCESS ENABLE_IPT_COMMENT_CHECK FWKNOP_RUN_DIR
FWKNOP_CONF_DIR ACCESS_FILE ACCESS_FOLDER FWKNOP_PID_FILE DIGEST_FILE DIGEST_DB_FILE
GPG_HOME_DIR GPG_EXE SUDO_EXE FIREWALL_EXE VERBOSE FAULT_INJECTION_TAG ENABLE_NFQ_CAPTURE
"""
NAMED_ACCESS = """
SOURCE DESTINATION OPEN_PORTS RESTRICT_PORTS KEY KEY_BASE64 HMAC_KEY HMAC_KEY_BASE64
HMAC_DIGEST_TYPE ENCRYPTION_MODE FW_ACCESS_TIMEOUT MAX_FW_TIMEOUT REQUIRE_USERNAME
REQUIRE_SOURCE_ADDRESS REQUIRE_SOURCE ENABLE_CMD_EXEC CMD_EXEC_USER CMD_EXEC_GROUP
ENABLE_CMD_SUDO_EXEC CMD_SUDO_EXEC_USER CMD_SUDO_EXEC_GROUP CMD_CYCLE_OPEN CMD_CYCLE_CLOSE
CMD_CYCLE_TIMER ACCESS_EXPIRE ACCESS_EXPIRE_EPOCH FORCE_NAT FORCE_SNAT FORCE_MASQUERADE
FORWARD_ALL DISABLE_DNAT GPG_HOME_DIR GPG_EXE GPG_DECRYPT_ID GPG_DECRYPT_PW GPG_ALLOW_NO_PW
GPG_REQUIRE_SIG GPG_DISABLE_SIG GPG_IGNORE_SIG_VERIFY_ERROR GPG_REMOTE_ID GPG_FINGERPRINT_ID
DATA_COLLECT_MODE name enabled note
"""


@pytest.mark.parametrize("name", NAMED_SERVER.split())
def test_every_variable_of_fwknopd_conf_is_described(name: str) -> None:
    assert lookup(Scope.SERVER, name) is not None


@pytest.mark.parametrize("name", NAMED_ACCESS.split())
def test_every_directive_of_access_conf_is_described(name: str) -> None:
    assert lookup(Scope.ACCESS, name) is not None


def test_lookup_is_exact() -> None:
    assert lookup(Scope.ACCESS, "source") is None
    assert lookup(Scope.SERVER, "SOURCE") is None


@pytest.mark.parametrize("variable", EVERY, ids=lambda v: f"{v.scope}-{v.name}")
def test_a_person_can_read_the_entry(variable: Variable) -> None:
    assert variable.help.endswith((".", ".)"))
    assert variable.group
    assert (variable.status is Status.HONOURED) == (variable.status_note == "")


def test_names_are_unique_within_their_scope() -> None:
    names = [(v.scope, name) for v in EVERY for name in (v.name, *v.aliases)]
    assert len(names) == len(set(names))


HONOURED_SERVER = [v for v in SERVER_VARIABLES if v.status is Status.HONOURED]


def test_settings_have_one_field_for_each_honoured_variable() -> None:
    assert {v.name.lower() for v in HONOURED_SERVER} == {f.name for f in fields(ServerSettings)}


@pytest.mark.parametrize("variable", HONOURED_SERVER, ids=lambda v: v.name)
def test_defaults_of_settings_and_table_agree(variable: Variable) -> None:
    default = getattr(ServerSettings(), variable.name.lower())
    # Without a device in UCI the network decides; only fwknopd.conf falls back to eth0.
    assert variable.name == "PCAP_INTF" or default == (variable.default or type(default)())


WITH_EXAMPLE = [
    v for v in EVERY if v.example and v.status is Status.HONOURED and " or " not in v.example
]


@pytest.mark.parametrize("variable", WITH_EXAMPLE, ids=lambda v: v.name)
def test_the_example_is_a_valid_value(variable: Variable) -> None:
    leniencies = Leniencies()
    parse_value(variable, variable.example, leniencies)
    assert leniencies.found == []


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("KEY", True),
        ("HMAC_KEY_BASE64", True),
        ("GPG_DECRYPT_PW", True),
        ("my_old_key", True),
        ("password", True),
        ("keytype", False),
        ("SOURCE", False),
        ("HMAC_DIGEST_TYPE", False),
    ],
)
def test_secret_names(name: str, secret: bool) -> None:
    assert is_secret(name) is secret


def test_key_lengths_are_those_keys_knows() -> None:
    maxima = {name: lookup(Scope.ACCESS, name) for name in ("KEY_BASE64", "HMAC_KEY_BASE64")}
    assert [variable.maximum for variable in maxima.values() if variable] == [
        MAX_ENCRYPTION_KEY_LENGTH,
        MAX_HMAC_KEY_LENGTH,
    ]
