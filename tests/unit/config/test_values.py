"""Reading values: what is accepted, what is named as odd, what is refused and how."""

from __future__ import annotations

import time
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import pytest

from fwknopd.config.invalid import InvalidValue, Leniencies
from fwknopd.config.problems import Severity
from fwknopd.config.typed_values import check_value
from fwknopd.config.values import parse_value
from fwknopd.config.variables import Scope, Variable, lookup
from fwknopd.policy.stanza import NatTarget
from fwknopd.spa.request import PortSpec, Protocol


def variable(scope: Scope, name: str) -> Variable:
    found = lookup(scope, name)
    assert found is not None
    return found


def access(name: str, text: str) -> tuple[Any, list[tuple[str, str]]]:
    leniencies = Leniencies()
    return parse_value(variable(Scope.ACCESS, name), text, leniencies), leniencies.found


def server(name: str, text: str) -> tuple[Any, list[tuple[str, str]]]:
    leniencies = Leniencies()
    return parse_value(variable(Scope.SERVER, name), text, leniencies), leniencies.found


@pytest.mark.parametrize("text", ["Y", "y", "Yes", "yes", "yup"])
def test_words_beginning_with_y_are_yes(text: str) -> None:
    assert access("REQUIRE_SOURCE_ADDRESS", text) == (True, [])


@pytest.mark.parametrize("text", ["N", "no", "Never"])
def test_words_beginning_with_n_are_no(text: str) -> None:
    assert access("REQUIRE_SOURCE_ADDRESS", text) == (False, [])


@pytest.mark.parametrize("text", ["1", "true", "on", "enabled", "0"])
def test_words_of_other_programs_mean_no_and_that_is_said(text: str) -> None:
    value, [(message, remedy)] = access("REQUIRE_SOURCE_ADDRESS", text)
    assert value is False
    assert "means No" in message
    assert "REQUIRE_SOURCE_ADDRESS Y" in remedy


@pytest.mark.parametrize("text", ["30", " 30 ", "0", "8388608"])
def test_numbers(text: str) -> None:
    assert access("FW_ACCESS_TIMEOUT", text) == (int(text), [])


@pytest.mark.parametrize(
    "text", ["30s", "abc", "-1", "+5", "8388609", "1e3", "0x10", "٣", "9" * 50]
)
def test_numbers_are_plain_digits_in_range(text: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        access("FW_ACCESS_TIMEOUT", text)
    assert "from 0 to 8388608 (seconds)" in refused.value.message
    assert "for example 30" in refused.value.remedy


def test_a_comment_after_a_value_is_left_out_and_named() -> None:
    value, [(message, _)] = access("OPEN_PORTS", "tcp/22 # ssh, tcp/80")
    assert value == {PortSpec(Protocol.TCP, 22)}
    assert "does not start a comment" in message


def test_hash_in_a_passphrase_is_no_comment() -> None:
    assert access("KEY", "pass #word") == (b"pass #word", [])


@pytest.mark.parametrize(
    "text", ["tcp/22,udp/53", "tcp/22, udp/53,", " TCP/22 , Udp / 53", "tcp/22,tcp/22,udp/53"]
)
def test_port_lists(text: str) -> None:
    expected = {PortSpec(Protocol.TCP, 22), PortSpec(Protocol.UDP, 53)}
    assert access("OPEN_PORTS", text) == (expected, [])


@pytest.mark.parametrize(
    "text", ["22", "tcp", "tcp/", "tcp/ssh", "icmp/8", "tcp/65536", "tcp/222222", ","]
)
def test_what_is_no_port(text: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        access("OPEN_PORTS", text)
    assert "tcp/22" in refused.value.remedy


def test_everything_that_is_no_port_is_named_at_once() -> None:
    for name in ("OPEN_PORTS", "RESTRICT_PORTS"):
        with pytest.raises(InvalidValue) as refused:
            access(name, "tcp/ssh, tcp/22, UDP/70000")
        assert refused.value.message.startswith("'tcp/ssh', 'UDP/70000' are no ports;")
        assert "one entry for each port" in refused.value.remedy


def test_a_range_opens_its_first_port_only_as_in_fwknopd() -> None:
    value, [(message, _)] = access("OPEN_PORTS", "tcp/22-30")
    assert value == {PortSpec(Protocol.TCP, 22)}
    assert "only tcp/22 counts" in message


def test_a_range_of_forbidden_ports_is_refused_rather_than_half_forbidden() -> None:
    with pytest.raises(InvalidValue):
        access("RESTRICT_PORTS", "tcp/22-30")


@pytest.mark.parametrize("text", ["ANY", "any", "Any"])
def test_any_source(text: str) -> None:
    assert access("SOURCE", text) == (None, [])


def test_any_in_a_list_means_everywhere_as_in_fwknopd() -> None:
    value, [(message, _)] = access("SOURCE", "10.0.0.1, any")
    assert value is None
    assert "everywhere" in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.7", ["192.0.2.7/32"]),
        ("192.0.2.7/24", ["192.0.2.0/24"]),
        ("192.0.2.0/255.255.255.0, 10.0.0.0/8", ["192.0.2.0/24", "10.0.0.0/8"]),
        ("2001:db8::7", ["2001:db8::7/128"]),
        ("2001:db8::/32", ["2001:db8::/32"]),
    ],
)
def test_networks(text: str, expected: list[str]) -> None:
    assert access("SOURCE", text) == (tuple(ip_network(item) for item in expected), [])


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("10.1", "10.0.0.1"),
        ("10.1.258", "10.1.1.2"),
        ("3221226244", "192.0.3.4"),
        ("010.0.0.1", "8.0.0.1"),
        ("0x0a.0.0.1", "10.0.0.1"),
    ],
)
def test_short_and_octal_addresses_are_read_as_c_does_and_named(text: str, meaning: str) -> None:
    value, [(message, remedy)] = access("SOURCE", text)
    assert value == (ip_network(meaning),)
    assert meaning in message
    assert meaning in remedy


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0/0",
        "::/0",
        "10.0.0.0/0.0.0.0",
        "10.0.0.0/33",
        "10.0.0.0/255.0.255.0",
        "10.0.0.0/",
        "256.1.1.1",
        "1.2.3.4.5",
        "09.1.1.1",
        "example.org",
        "10.0.0.0/8 ANY",
        "2001:db8::/129",
        "fe80::1%eth0/x",
        "",
        ",",
    ],
)
def test_what_is_no_network(text: str) -> None:
    with pytest.raises(InvalidValue):
        access("SOURCE", text)


@pytest.mark.parametrize("text", ["SHA512", "sha512"])
def test_choices_in_any_case(text: str) -> None:
    assert access("HMAC_DIGEST_TYPE", text) == ("sha512", [])


def test_a_wrong_choice_is_answered_with_the_right_ones() -> None:
    with pytest.raises(InvalidValue) as refused:
        access("ENCRYPTION_MODE", "PCBC")
    assert "CBC, ECB" in refused.value.remedy


def test_keys() -> None:
    assert access("KEY_BASE64", "c2VjcmV0") == (b"secret", [])
    assert access("KEY", " secret ") == (b"secret", [])
    assert access("KEY", "gehe\udce9im") == (b"gehe\xe9im", [])


def test_a_bad_key_is_never_shown() -> None:
    for name, text in (("KEY_BASE64", "hidden!!"), ("KEY", "hidden\x01")):
        with pytest.raises(InvalidValue) as refused:
            access(name, text)
        assert "hidden" not in refused.value.message + refused.value.remedy


def test_expiry_is_local_midnight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        assert access("ACCESS_EXPIRE", "7/12/2032") == (1973196000, [])
        assert access("ACCESS_EXPIRE", "07/12/32") == (1973196000, [])
        value, [(message, _)] = access("ACCESS_EXPIRE", "31/12/2030")
        assert value == 1973196000
        assert "7/12/2032" in message
        value, [(message, _)] = access("ACCESS_EXPIRE", "7/12/2032 18:00")
        assert (value, "first minute" in message) == (1973196000, True)
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    "text", ["2030-12-31", "12/31", "a/b/c", "12/31/030", "1/1/1900", "1/1/20300"]
)
def test_what_is_no_date(text: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        access("ACCESS_EXPIRE", text)
    assert "12/31/2030" in refused.value.remedy


def test_nat_targets() -> None:
    assert access("FORCE_NAT", "192.168.1.10 22") == (
        NatTarget(IPv4Address("192.168.1.10"), 22),
        [],
    )
    assert access("FORCE_NAT", "fd00::10 22") == (NatTarget(IPv6Address("fd00::10"), 22), [])
    for text in ("192.168.1.10", "host 22", "192.168.1.10:22", "1.2.3.4 65536", "fe80::1%eth0 22"):
        with pytest.raises(InvalidValue):
            access("FORCE_NAT", text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("192.168.1.10", "192.168.1.10"),
        ("192.168.1.10:22", "192.168.1.10:22"),
        ("192.168.1.10:22, 192.168.2.0/24", "192.168.1.10:22, 192.168.2.0/24"),
        ("192.168.2.9/24:80", "192.168.2.0/24:80"),
        ("fd00::10", "fd00::10"),
        ("[fd00::10]:22, fd00:1::/64", "[fd00::10]:22, fd00:1::/64"),
        ("[fd00:1::/64]:443", "[fd00:1::/64]:443"),
    ],
)
def test_inside_computers(text: str, shown: str) -> None:
    ranges, leniencies = access("nat_targets", text)
    assert (", ".join(map(str, ranges)), leniencies) == (shown, [])


@pytest.mark.parametrize(
    "text",
    [
        *("nas.lan", "192.168.1.10:0", "192.168.1.10:65536", "192.168.1.10:", ",", "fd00::10:22:"),
        *("0.0.0.0/0", "[fd00::10]:", "[192.168.1.10", "192.168.1.10:22:33", "fe80::1%eth0"),
    ],
)
def test_what_is_no_inside_computer(text: str) -> None:
    with pytest.raises(InvalidValue):
        access("nat_targets", text)


@pytest.mark.parametrize("text", ["192.0.2.7", "fd00::7"])
def test_addresses_are_of_either_family(text: str) -> None:
    assert access("FORCE_SNAT", text) == (ip_address(text), [])


@pytest.mark.parametrize("text", ["192.0.2", "router.lan", "fe80::1%eth0", "192.0.2.7/32"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(InvalidValue):
        access("FORCE_SNAT", text)


@pytest.mark.parametrize(("text", "mark"), [("0x40000000", 1 << 30), ("16", 16), ("0X1", 1)])
def test_marks(text: str, mark: int) -> None:
    assert server("mark", text) == (mark, [])


@pytest.mark.parametrize("text", ["0", "3", "0x100000000", "-1", "0x", "1_6", "bit"])
def test_a_mark_is_one_bit(text: str) -> None:
    with pytest.raises(InvalidValue):
        server("mark", text)


def test_devices() -> None:
    assert server("PCAP_INTF", "eth0, wan") == ("eth0 wan", [])
    for text in ("a/b", "averyverylongname", "eth0; reboot", ",", "eth0:1", "-i", "eth0.2@eth0"):
        with pytest.raises(InvalidValue):
            server("PCAP_INTF", text)


def test_the_run_folder_needs_a_full_path() -> None:
    assert server("FWKNOP_RUN_DIR", "/run/x") == ("/run/x", [])
    with pytest.raises(InvalidValue):
        server("FWKNOP_RUN_DIR", "run/x")


def test_check_value_is_what_a_form_needs() -> None:
    ports = variable(Scope.ACCESS, "OPEN_PORTS")
    assert check_value(ports, "tcp/22") == ()
    assert check_value(ports, "  ") == ()
    assert [p.severity for p in check_value(ports, "tcp/22-30")] == [Severity.WARNING]
    [problem] = check_value(ports, "22")
    assert problem.severity is Severity.ERROR
    assert problem.option == "OPEN_PORTS"
