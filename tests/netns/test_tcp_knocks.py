"""Knocks over TCP and HTTP, live: the real client, our listener, and only what the admin opened.

client 198.51.100.7, proxy 198.51.100.8 --- eth0 host 198.51.100.1
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.interop.program import Running, make_packet
from tests.netns.conftest import CLIENT, CLIENT6, ROUTER, ROUTER6, STRANGER
from tests.netns.guarded_host import GuardedHost, guarded_host
from tests.netns.probes import Outcome, connect, greeter
from tests.netns.serving import KEYS, ask, greeting, knock, send_knock, serving

pytestmark = [pytest.mark.root, pytest.mark.client, pytest.mark.nft]

PROXY = STRANGER
PORT = 62201
RULES = """\
table inet filter {
    chain input {
        type filter hook input priority filter; policy drop;
        meta mark & 0x40000000 != 0 accept
        ct state established,related accept
        meta l4proto ipv6-icmp accept
        tcp dport 62201 accept comment "the listener"
    }
}
"""
LISTENING = "PCAP_INTF eth0;\nENABLE_TCP_SERVER Y;\n"
WEB = f"{LISTENING}ENABLE_SPA_OVER_HTTP Y;\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedHost]:
    """A host with a service behind a closed door, and nothing open but the listener's port."""
    with guarded_host(tmp_path_factory.mktemp("tcp")) as made:
        made.outside.machine.ip("address", "add", f"{CLIENT6}/64", "dev", "eth0")
        made.host.machine.ip("address", "add", f"{ROUTER6}/64", "dev", "eth0")
        made.host.machine.nft(RULES)
        with greeter(made.host.machine, 22, "host"):
            yield made


@pytest.fixture
def closed(site: GuardedHost) -> Iterator[None]:
    """No door is left open for the next test."""
    yield
    site.host.machine.nft("flush ruleset\n" + RULES)


@pytest.fixture
def daemon(site: GuardedHost, closed: None) -> Iterator[Running]:
    """A daemon that was told of the listener and of nothing else."""
    with serving(site, LISTENING) as running:
        yield running


def verdicts(site: GuardedHost) -> dict[str, int]:
    """How many packets got which verdict."""
    counters: dict[str, int] = ask(site, "status")["counters"]
    return counters


def test_a_knock_over_tcp_needs_no_filter(site: GuardedHost, daemon: Running) -> None:
    daemon.wait_for(f"Listening on tcp:{PORT}")
    knock(site, daemon, f"-a {CLIENT} -P tcp")
    assert greeting(site, 22) == "host"
    assert site.tries(22, STRANGER) is Outcome.SILENT
    knock(site, daemon, "-s -P tcp -A tcp/23")
    assert f"{CLIENT} -> 0.0.0.0/0 tcp/23" in daemon.lines[-1]
    assert verdicts(site) == {"accepted": 2}


def test_what_the_sniffer_sees_as_well_is_one_knock(site: GuardedHost, closed: None) -> None:
    with serving(site, f"{LISTENING}PCAP_FILTER port {PORT};\n") as daemon:
        knock(site, daemon, f"-a {CLIENT} -P tcp")
        knock(site, daemon, f"-a {CLIENT} -P tcpraw -A tcp/23")
        assert verdicts(site) == {"accepted": 2}
        assert not any("Replay" in line for line in daemon.lines)


def test_over_ipv6_in_pieces_while_others_dawdle(site: GuardedHost, daemon: Running) -> None:
    idlers = [connect(site.outside.machine, STRANGER, ROUTER, PORT) for _ in range(100)]
    for idler in idlers[:50]:
        idler.sendall(b"A")
    text = make_packet("tcp/22")
    with closing(connect(site.outside.machine, CLIENT6, ROUTER6, PORT)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(text), 40):
            client.sendall(text[start : start + 40])
    daemon.wait_for("Added access rule to nftables for 192.0.2.7 -> 0.0.0.0/0 tcp/22")
    assert verdicts(site) == {"accepted": 1}
    for idler in idlers:
        idler.close()


def test_nobody_gets_to_a_port_the_admin_left_closed(site: GuardedHost, closed: None) -> None:
    with serving(site, f"{LISTENING}TCPSERV_PORT 62202;\n"):
        assert site.tries(62202) is Outcome.SILENT
        assert site.tries(PORT) is Outcome.REFUSED


def test_a_reload_moves_the_listener(site: GuardedHost, daemon: Running) -> None:
    site.host.machine.nft("add rule inet filter input tcp dport 62202 accept\n")
    site.host.write("/etc/fwknop/fwknopd.conf", f"{LISTENING}TCPSERV_PORT 62202;\n")
    assert ask(site, "reload")["reloaded"] is True
    assert site.tries(PORT) is Outcome.REFUSED
    knock(site, daemon, f"-a {CLIENT} -P tcp -p 62202")
    assert greeting(site, 22) == "host"
    site.host.write("/etc/fwknop/fwknopd.conf", "PCAP_INTF eth0;\n")
    ask(site, "reload")
    assert site.tries(62202) is Outcome.REFUSED
    assert greeting(site, 22) == "host", "the door is still open"


def test_a_port_in_use_is_named(site: GuardedHost, daemon: Running) -> None:
    site.host.write("/etc/fwknop/fwknopd.conf", f"{LISTENING}TCPSERV_PORT 22;\n")
    answer = ask(site, "reload")
    assert answer["reloaded"] is False
    assert [problem["option"] for problem in answer["problems"]] == ["TCPSERV_PORT"]
    knock(site, daemon, f"-a {CLIENT} -P tcp")


# Web requests


def test_a_web_knock(site: GuardedHost, closed: None) -> None:
    with serving(site, WEB) as daemon:
        knock(site, daemon, f"-s -P http -p {PORT}")
        assert greeting(site, 22) == "host"
        assert verdicts(site) == {"accepted": 1}


def test_a_web_knock_by_another_program_is_taken_if_allowed(
    site: GuardedHost, closed: None
) -> None:
    options = f"-s -P http -p {PORT} -u curl/8.14"
    with serving(site, WEB) as daemon:
        send_knock(site, options)
        knock(site, daemon, f"-s -P http -p {PORT} -A tcp/23")
        assert verdicts(site) == {"not-spa": 1, "accepted": 1}
    with serving(site, f"{WEB}ALLOW_ANY_USER_AGENT Y;\n") as daemon:
        knock(site, daemon, options)
        assert greeting(site, 22) == "host"


@contextmanager
def proxy(site: GuardedHost, forwarded_for: str) -> Iterator[int]:
    """A reverse proxy for one request, which says for whom; its port."""
    with site.outside.machine.entered():
        listener = socket.create_server((PROXY, 0))
    listener.settimeout(20)
    thread = threading.Thread(target=_forward, args=(site, listener, forwarded_for))
    thread.start()
    with closing(listener):
        yield listener.getsockname()[1]
        thread.join()


def _forward(site: GuardedHost, listener: socket.socket, forwarded_for: str) -> None:
    client, _ = listener.accept()
    request = b""
    with client:
        while b"\r\n\r\n" not in request:
            request += client.recv(2000)
    path = re.match(rb"GET http://[^/ ]+(/\S+) ", request)
    assert path, request
    _, _, headers = request.partition(b"\r\n")
    line = b"GET " + path[1] + b" HTTP/1.1\r\nX-Forwarded-For: " + forwarded_for.encode()
    with closing(connect(site.outside.machine, PROXY, ROUTER, PORT)) as server:
        server.sendall(line + b"\r\n" + headers)


@pytest.mark.parametrize(
    ("believed", "header", "granted"),
    [
        ("Y", CLIENT, CLIENT),
        ("N", CLIENT, PROXY),
        # As in the C daemon: only one plain address counts.
        ("Y", f"{CLIENT}, 192.0.2.1", PROXY),
    ],
)
def test_behind_a_proxy(
    site: GuardedHost, closed: None, believed: str, header: str, granted: str
) -> None:
    config = f"{WEB}ENABLE_X_FORWARDED_FOR {believed};\n"
    with serving(site, config) as daemon, proxy(site, header) as port:
        knock(site, daemon, f"-s -P http -p {PORT} -H {PROXY}:{port}")
        daemon.wait_for(f"Added access rule to nftables for {granted} -> 0.0.0.0/0 tcp/22")
        other = PROXY if granted == CLIENT else CLIENT
        assert (site.tries(22, granted), site.tries(22, other)) == (
            Outcome.CONNECTED,
            Outcome.SILENT,
        )


def test_the_header_is_no_way_around_the_source(site: GuardedHost, closed: None) -> None:
    access = f"SOURCE {CLIENT}\n{KEYS}"
    config = f"{WEB}ENABLE_X_FORWARDED_FOR Y;\n"
    with serving(site, config, access) as daemon, proxy(site, CLIENT) as port:
        send_knock(site, f"-s -P http -p {PORT} -H {PROXY}:{port} -A tcp/23")
        knock(site, daemon, f"-s -P http -p {PORT}")
        assert verdicts(site) == {"source-not-allowed": 1, "accepted": 1}


# Any port


def test_a_random_port_within_the_filter(site: GuardedHost, closed: None) -> None:
    config = "PCAP_INTF eth0;\nPCAP_FILTER udp dst portrange 10000-65535;\n"
    with serving(site, config) as daemon:
        for port in (22, 23, 24):
            knock(site, daemon, f"-r -a {CLIENT} -A tcp/{port}")
        assert verdicts(site) == {"accepted": 3}
