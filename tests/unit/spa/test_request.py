"""Message texts to typed requests."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from fwknopd.spa.errors import SpaError, SpaErrorCode
from fwknopd.spa.request import (
    AccessRequest,
    CommandRequest,
    NatRequest,
    PortSpec,
    Protocol,
    parse_access,
    parse_command,
    parse_nat,
)

TCP_22 = PortSpec(Protocol.TCP, 22)


def test_an_access_request_keeps_the_order_of_its_ports() -> None:
    request = parse_access(b"192.0.2.7,udp/53,tcp/22,tcp/22")
    udp_53 = PortSpec(Protocol.UDP, 53)
    assert request == AccessRequest(IPv4Address("192.0.2.7"), (udp_53, TCP_22, TCP_22))
    assert [str(port) for port in request.ports] == ["udp/53", "tcp/22", "tcp/22"]
    assert [port.protocol.number for port in request.ports] == [17, 6, 6]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (b"0.0.0.0", "0.0.0.0"),
        (b"255.255.255.255", "255.255.255.255"),
        (b"010.0.0.1", "8.0.0.1"),
        (b"192.168.001.001", "192.168.1.1"),
        (b"0377.0.0.00", "255.0.0.0"),
        (b"1.2.3.00000004", "1.2.3.4"),
    ],
)
def test_addresses_mean_what_they_mean_to_inet_aton(text: bytes, address: str) -> None:
    assert parse_access(text + b",tcp/22").address == IPv4Address(address)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"1.2.3",
        b"1.2.3.4.5",
        b"1.2.3.256",
        b"1.2.3.08",
        b"0400.1.1.1",
        b"1..2.3",
        b"1.2.3.",
        b".1.2.3.4",
        b"1.2.3.4 ",
        b"+1.2.3.4",
        b"1.2.3.4\n",
        b"0x1.2.3.4",
        b"16909060",
        b"::1",
        b"fe80::1.2.3.4",
        b"localhost",
        "1.2.3.\u0664".encode(),
        b"1.2.3.0000000004",
    ],
)
def test_what_is_no_ipv4_address_is_refused(text: bytes) -> None:
    with pytest.raises(SpaError) as access:
        parse_access(text + b",tcp/22")
    assert access.value.code is SpaErrorCode.DECODE_ACCESS_VALIDFAIL
    with pytest.raises(SpaError) as command:
        parse_command(text + b",id")
    assert command.value.code is SpaErrorCode.DECODE_MESSAGE_VALIDFAIL


@pytest.mark.parametrize("text", [b"tcp/1", b"udp/65535", b"tcp/00022"])
def test_ports_may_be_tcp_and_udp_of_one_to_five_digits(text: bytes) -> None:
    port = parse_access(b"1.2.3.4," + text).ports[0]
    assert (port.protocol, port.port) == (text[:3].decode(), int(text[4:]))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"tcp",
        b"tcp/",
        b"tcp/0",
        b"tcp/65536",
        b"tcp/000022",
        b"tcp/-1",
        b"tcp/ 22",
        b"tcp/22 ",
        b"TCP/22",
        b"icmp/8",
        b"none/0",
        b"sctp/22",
        b"tcp22",
        b"tcp/22/23",
        b"tcp/22-25",
        b"/22",
        b"tcp/22\0",
        b"tcp/22\n",
        b"tcp/22,",
        b",tcp/22",
        b"tcp/22,,udp/53",
        b"tcp/\xb2",
    ],
)
def test_what_is_no_port_is_refused(text: bytes) -> None:
    with pytest.raises(SpaError) as caught:
        parse_access(b"1.2.3.4," + text)
    assert caught.value.code is SpaErrorCode.DECODE_ACCESS_VALIDFAIL


def test_an_address_alone_is_no_request() -> None:
    with pytest.raises(SpaError) as caught:
        parse_access(b"1.2.3.4")
    assert caught.value.code is SpaErrorCode.DECODE_ACCESS_VALIDFAIL


def test_a_command_is_all_behind_the_first_comma() -> None:
    request = parse_command(b"1.2.3.4,echo a,b\n\xff")
    assert request == CommandRequest(IPv4Address("1.2.3.4"), b"echo a,b\n\xff")


@pytest.mark.parametrize("text", [b"1.2.3.4", b"1.2.3.4,", b"id", b"1.2.3.4,id\0rm", b"1.2.3.4,\0"])
def test_what_holds_no_whole_command_is_refused(text: bytes) -> None:
    with pytest.raises(SpaError) as caught:
        parse_command(text)
    assert caught.value.code is SpaErrorCode.DECODE_MESSAGE_VALIDFAIL


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        (b"10.0.0.5,22", "10.0.0.5", 22),
        (b"host.lan,00022", "host.lan", 22),
        (b",65535", "", 65535),
        (b"h" * 70 + b",1", "h" * 70, 1),
        # libfko lets these pass; whoever uses the host must check it.
        (b"fd00::1,22", "fd00::1", 22),
        (b"10.0.0.1;id\n,22", "10.0.0.1;id\n", 22),
        (b"\xff,22", "\xff", 22),
    ],
)
def test_a_nat_target_is_host_and_port(text: bytes, host: str, port: int) -> None:
    assert parse_nat(text) == NatRequest(host, port)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"10.0.0.5",
        b"10.0.0.5,",
        b"10.0.0.5,0",
        b"10.0.0.5,65536",
        b"10.0.0.5,000022",
        b"10.0.0.5,22,23",
        b"10.0.0.5,ssh",
        b"10.0.0.5, 22",
        b"h" * 71 + b",1",
        b"10.0.0.5,22\0",
        *(b"a%cb,22" % character for character in b" /?\"'\\\0"),
    ],
)
def test_what_is_no_nat_target_is_refused(text: bytes) -> None:
    with pytest.raises(SpaError) as caught:
        parse_nat(text)
    assert caught.value.code is SpaErrorCode.DECODE_NATACCESS_VALIDFAIL
