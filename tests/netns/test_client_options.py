"""The real client, live: every way it can ask ends in a connection through a real firewall."""

from __future__ import annotations

import re
import secrets
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from fwknopd.spa.digest import DigestType
from fwknopd.spa.mode import EncryptionMode
from tests.interop.program import Running
from tests.netns.conftest import CLIENT, HOST, ROUTER, ROUTER_LAN, STRANGER
from tests.netns.guarded_host import GuardedHost, guarded_host
from tests.netns.namespaces import End, Machine, Machines
from tests.netns.probes import Outcome, closing_time, greeter, listen_tcp
from tests.netns.serving import ask, greeting, knock, serving

pytestmark = [pytest.mark.root, pytest.mark.client, pytest.mark.nft, pytest.mark.iptables]

# 80 and 62201 are services for everybody: a knock over TCP needs one that takes the connection.
NFT_RULES = """\
table inet filter {
    chain input {
        type filter hook input priority filter; policy drop;
        meta mark & 0x40000000 != 0 accept
        ct state established,related accept
        tcp dport { 80, 62201 } accept
    }
    chain forward {
        type filter hook forward priority filter; policy drop;
        meta mark & 0x40000000 != 0 accept
        ct state established,related accept
    }
}
"""
IPTABLES_RULES = """\
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A INPUT -p tcp -m multiport --dports 80,62201 -j ACCEPT
-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
COMMIT
"""
FWKNOPD_CONF = """\
PCAP_FILTER             udp or tcp or icmp;
ENABLE_IPT_FORWARDING   Y;
ENABLE_IPT_LOCAL_NAT    Y;
ENABLE_SPA_OVER_HTTP    Y;
"""


@dataclass(frozen=True, slots=True)
class Case:
    """Options of the client, who is to get in by which port, and what answers there."""

    options: str
    port: int | None = 22
    answer: str = "host"

    def __str__(self) -> str:
        return self.options


BOTH = pytest.mark.parametrize("site", ["nftables", "iptables"], indirect=True)
NFTABLES = pytest.mark.parametrize("site", ["nftables"], indirect=True)

# -s lets the host look where the packet comes from. Without a port: the client draws one.
DOORS = [
    Case(f"-a {CLIENT}"),
    Case(f"-a {CLIENT} -A tcp/8000 -N {HOST}:22", 8000, "lan"),
    Case(f"-a {CLIENT} -A tcp/8000 -N {HOST}:22 --nat-rand-port", None, "lan"),
    Case(f"-a {CLIENT} --nat-local --nat-port 40022", 40022),
    Case(f"-a {CLIENT} --nat-local --nat-rand-port", None),
]
PACKETS = [
    Case("-s"),
    Case(f"-a {CLIENT} --server-port 40000"),
    Case(f"-a {CLIENT} -r"),
    Case(f"-a {CLIENT} -S 40000 -U bob -m sha512"),
    Case(f"-a {CLIENT} -A tcp/22,udp/53"),
    Case(f"-a {CLIENT} -P tcp"),
    Case(f"-a {CLIENT} -P http"),
    Case(f"-a {CLIENT} -P http -p 62201"),
    Case(f"-a {CLIENT} -P tcpraw"),
    Case(f"-a {CLIENT} -P udpraw"),
    Case(f"-a {CLIENT} -P udpraw -Q {STRANGER}"),
    Case(f"-a {CLIENT} -P icmp"),
]


@pytest.fixture(scope="module")
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GuardedHost]:
    """The host with a LAN machine behind it, under rules made with either program."""
    folder = tmp_path_factory.mktemp(request.param)
    with guarded_host(folder) as made, Machines() as machines, ExitStack() as services:
        lan = machines.add("lan")
        lay_the_lan_cable(machines, made.host.machine, lan)
        if request.param == "nftables":
            made.host.machine.nft(NFT_RULES)
        else:
            made.host.machine.run("iptables-restore", script=IPTABLES_RULES)
        services.enter_context(greeter(made.host.machine, 22, "host"))
        services.enter_context(greeter(lan, 22, "lan"))
        for port in (80, 62201):
            services.enter_context(closing(listen_tcp(made.host.machine, port)))
        yield made


def lay_the_lan_cable(machines: Machines, host: Machine, lan: Machine) -> None:
    machines.join(End(host, "eth1", (f"{ROUTER_LAN}/24",)), End(lan, "eth0", (f"{HOST}/24",)))
    lan.ip("route", "add", "default", "via", ROUTER_LAN)
    host.sysctl(net__ipv4__ip_forward=1)


@pytest.fixture(scope="module")
def daemon(site: GuardedHost) -> Iterator[Running]:
    """The daemon, which is to find out by itself which firewall rules here."""
    with serving(site, FWKNOPD_CONF) as running:
        yield running


@NFTABLES
@pytest.mark.parametrize("case", PACKETS, ids=str)
def test_every_packet_opens_the_door(site: GuardedHost, daemon: Running, case: Case) -> None:
    assert_it_opens(site, daemon, case)


@BOTH
@pytest.mark.parametrize("case", DOORS, ids=str)
def test_every_door_leads_where_it_should(site: GuardedHost, daemon: Running, case: Case) -> None:
    assert_it_opens(site, daemon, case)


def assert_it_opens(site: GuardedHost, daemon: Running, case: Case) -> None:
    """The client gets to what it asked for, and no longer once its door is closed again."""
    output = knock(site, daemon, case.options)
    drawn = re.search(r"Randomly assigned port '(\d+)'", output)
    port = int(drawn[1]) if drawn else case.port
    assert port
    assert greeting(site, port) == case.answer
    ask(site, "revoke", all=True)
    assert site.tries(port) is Outcome.SILENT


@BOTH
def test_the_client_says_for_how_long(site: GuardedHost, daemon: Running) -> None:
    before = time.monotonic()
    knock(site, daemon, f"-a {CLIENT} -f 2")
    opened = time.monotonic()
    assert site.tries(22, STRANGER) is Outcome.SILENT
    last_open, first_shut = closing_time(site.outside.machine, CLIENT, ROUTER, 22)
    assert last_open - opened < 2.5
    assert first_shut - before > 1.5


# What the client makes of legacy mode with an HMAC no server can read; protocol notes.
COMBINATIONS = [
    (mode, hmac_type)
    for mode in EncryptionMode
    for hmac_type in (None, *DigestType)
    if mode is not EncryptionMode.ASYMMETRIC
    and (mode is not EncryptionMode.LEGACY or hmac_type is None)
]
FIRST_PORT = 2000


def stanza(mode: EncryptionMode, hmac_type: DigestType | None) -> str:
    """Lines with fresh keys, which client and server write alike."""
    lines = [f"KEY_BASE64 {fresh_key(16)}", f"ENCRYPTION_MODE {mode}"]
    if hmac_type is not None:
        lines += [f"HMAC_KEY_BASE64 {fresh_key(64)}", f"HMAC_DIGEST_TYPE {hmac_type}"]
    return "\n".join([*lines, ""])


def fresh_key(length: int) -> str:
    return b64encode(secrets.token_bytes(length)).decode()


def test_every_mode_with_every_hmac(tmp_path: Path) -> None:
    access = fwknoprc = ""
    for port, combination in enumerate(COMBINATIONS, FIRST_PORT):
        lines = stanza(*combination)
        access += f"SOURCE ANY\nOPEN_PORTS tcp/{port}\n{lines}"
        fwknoprc += f"[it-{port}]\n{lines}\n"
    with guarded_host(tmp_path) as site, ExitStack() as services:
        site.host.machine.nft(NFT_RULES)
        daemon = services.enter_context(serving(site, FWKNOPD_CONF, access, fwknoprc))
        for port in range(FIRST_PORT, FIRST_PORT + len(COMBINATIONS)):
            services.enter_context(closing(listen_tcp(site.host.machine, port)))
            site.outside.type(f"fwknop -n it-{port} -A tcp/{port} -a {CLIENT} -D {ROUTER}")
            daemon.wait_for(f"Added access rule to nftables for {CLIENT} -> 0.0.0.0/0 tcp/{port},")
            assert site.tries(port) is Outcome.CONNECTED
