"""The set-ups of guides in circulation, pasted as they are: the real client gets in.

Each story starts from a guide's files and command lines, with its example keys. The
stories run side by side, because each waits out the 30 seconds its door is open.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.netns.computers import Computer
from tests.netns.conftest import CLIENT, ROUTER
from tests.netns.fw4_rulesets import router_ruleset
from tests.netns.gpg_rings import gpg_rings
from tests.netns.guarded_host import (
    GuardedHost,
    assert_one_knock_does_what_it_should,
    guarded_host,
)

pytestmark = [pytest.mark.root, pytest.mark.client, pytest.mark.nft, pytest.mark.iptables]
pytestmark += [pytest.mark.gpg]

# Keys of the guides; whoever copies them has been warned there.
KEY = "Sz80RjpXOlhH2olGuKBUamHKcqyMBsS9BTgLaMugUsg="
HMAC = "c0TOaMJ2aVPdYTh4Aa25Dwxni7PrLo2zLAtBoVwSepkvH6nLcW45Cjb9zaEC2SQd03kaaV+Ckx3FhCh5ohNM5Q=="

DROP_ALL = (
    "iptables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
    "iptables -P INPUT DROP",
)
NFT_DROP_ALL = """\
table inet filter {
    chain input {
        type filter hook input priority filter; policy drop;
        meta mark & 0x40000000 != 0 accept
        ct state established,related accept
    }
}
"""


# A: a declarative configuration, the daemon a foreground service


FWKNOPD_CONF_A = "PCAP_INTF           eth0;\n"
ACCESS_CONF_A = f"""\
SOURCE                     ANY
OPEN_PORTS                 tcp/22
REQUIRE_SOURCE_ADDRESS     Y
KEY_BASE64:                {KEY}
HMAC_KEY_BASE64:           {HMAC}
"""


def guide_a_with_iptables(site: GuardedHost) -> None:
    for line in DROP_ALL:
        site.host.type(line)
    guide_a(site)


def guide_a_with_nftables(site: GuardedHost) -> None:
    site.host.machine.nft(NFT_DROP_ALL)
    guide_a(site)


def guide_a(site: GuardedHost) -> None:
    site.host.write("/etc/fwknop/fwknopd.conf", FWKNOPD_CONF_A)
    site.host.write("/etc/fwknop/access.conf", ACCESS_CONF_A)
    knock = partial(
        site.outside.type,
        f"fwknop --access tcp/22 --allow-ip {CLIENT} --destination {ROUTER} "
        f"--key-base64-rijndael {KEY} --key-base64-hmac {HMAC}",
    )
    with site.host.running("fwknopd --conf /etc/fwknop/fwknopd.conf --foreground") as daemon:
        assert site.host.machine.run("ss", "-Hlun") == ""
        assert_one_knock_does_what_it_should(site, daemon, 22, knock)


# B: a home server on another port, behind the admin's own rules


FWKNOPD_CONF_B = "PCAP_FILTER udp port 12345;\nPCAP_DISPATCH_COUNT 1;\n"
ACCESS_CONF_B = f"""\
SOURCE                  ANY
REQUIRE_SOURCE_ADDRESS  Y
KEY_BASE64              {KEY}
HMAC_KEY_BASE64         {HMAC}
"""
RULES_B = (
    "iptables -I INPUT 2 -i eth0 -p tcp --dport 54321 -j DROP",
    "iptables -I INPUT 2 -i eth0 -p tcp --dport 54321 -m conntrack --ctstate "
    "ESTABLISHED,RELATED -j ACCEPT",
)
# There is no HTTPS server here whose certificate the client would believe.
FWKNOPRC_B = f"""\
[default]
RESOLVE_HTTP_ONLY   Y

[my.host.fqdn]
ACCESS              tcp/54321
SPA_SERVER          my.host.fqdn
SPA_SERVER_PORT     12345
KEY_BASE64          {KEY}
HMAC_KEY_BASE64     {HMAC}
USE_HMAC            Y
ALLOW_IP            resolve
"""
HOSTS_B = f"{ROUTER} my.host.fqdn\n{CLIENT} www.cipherdyne.org\n"


def guide_b(site: GuardedHost) -> None:
    site.host.write("/etc/fwknop/fwknopd.conf", FWKNOPD_CONF_B)
    site.host.write("/etc/fwknop/access.conf", ACCESS_CONF_B)
    site.outside.write("/home/.fwknoprc", FWKNOPRC_B)
    site.outside.write("/etc/hosts", HOSTS_B)
    with (
        what_is_my_address(site.outside),
        site.host.running("fwknopd -f") as daemon,
    ):
        for line in RULES_B:
            site.host.type(line)
        rules = site.host.machine.run("iptables", "-S", "INPUT").splitlines()
        assert rules[1] == "-A INPUT -j FWKNOP_INPUT"
        assert daemon.wait_for("PCAP_DISPATCH_COUNT: ignored: ")
        knock = partial(site.outside.type, "fwknop -n my.host.fqdn")
        assert_one_knock_does_what_it_should(site, daemon, 54321, knock)


@contextmanager
def what_is_my_address(computer: Computer) -> Iterator[None]:
    """The web server that tells the client its public address."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(f"{CLIENT}\n".encode())

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with computer.machine.entered():
        server = HTTPServer((CLIENT, 80), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


# C: GPG between two servers


ACCESS_CONF_C = """\
SOURCE: ANY;
OPEN_PORTS: tcp/22; ### for ssh (change for access to other services)
#KEY: throw_away_password;
FW_ACCESS_TIMEOUT: 30;
REQUIRE_SOURCE_ADDRESS: Y;
DATA_COLLECT_MODE: PCAP;
GPG_REMOTE_ID: 99999999;   ## client key
GPG_DECRYPT_ID: 11111111;  ## server key
GPG_DECRYPT_PW: passphrase;
GPG_HOME_DIR: /home/test/.gnupg;
"""


def guide_c_with_iptables(site: GuardedHost) -> None:
    for line in DROP_ALL:
        site.host.type(line)
    guide_c(site, shows=_what_the_guide_shows)


def guide_c_with_nftables(site: GuardedHost) -> None:
    site.host.machine.nft(NFT_DROP_ALL)
    guide_c(site)


def guide_c(site: GuardedHost, shows: Callable[[GuardedHost], None] = lambda site: None) -> None:
    site.host.write("/etc/fwknop/fwknopd.conf", "# All of it is as it should be.\n")
    with gpg_rings("passphrase") as (server, client):
        site.host.write("/etc/fwknop/access.conf", server.filled_in(ACCESS_CONF_C))
        line = f"fwknop -A tcp/22 --gpg-recip 11111111 --gpg-sign 99999999 -a {CLIENT} -D {ROUTER}"
        with (
            client.at(site.outside.path("/home/.gnupg")),
            site.host.running("fwknopd -f") as daemon,
        ):
            daemon.wait_for("access.conf:6: DATA_COLLECT_MODE: ignored: ")

            def knock() -> None:
                site.outside.type(server.filled_in(line), answer="no passphrase")
                daemon.wait_for("Added access rule to")
                shows(site)

            assert_one_knock_does_what_it_should(site, daemon, 22, knock)
            assert not [line for line in daemon.lines if "GPG_" in line]
            assert "Incoming SPA data signed by" in "\n".join(daemon.lines)
        assert "passphrase" not in "\n".join(daemon.lines)


def _what_the_guide_shows(site: GuardedHost) -> None:
    rules = site.host.machine.run("iptables", "-S")
    assert "-N FWKNOP_INPUT\n" in rules
    assert "-A INPUT -j FWKNOP_INPUT\n" in rules
    assert f"-A FWKNOP_INPUT -s {CLIENT}/32 -p tcp -m tcp --dport 22 " in rules


# D: a short passphrase and no HMAC


ACCESS_CONF_D = "SOURCE: ANY;\nKEY: myt3stk3y!\n"


def guide_d(site: GuardedHost) -> None:
    for line in DROP_ALL:
        site.host.type(line)
    site.host.write("/etc/fwknop/fwknopd.conf", "# All of it is as it should be.\n")
    site.host.write("/etc/fwknop/access.conf", ACCESS_CONF_D)
    knock = partial(
        site.outside.type, f"fwknop -A tcp/22 -a {CLIENT} -D {ROUTER}", answer="myt3stk3y!"
    )
    with site.host.running("fwknopd -f -v") as daemon:
        assert_one_knock_does_what_it_should(site, daemon, 22, knock)
        assert f" Message String: {CLIENT},tcp/22" in daemon.lines


# E: OpenWrt's own page


UCI_E = f"""\
config global
	option uci_enabled '1'

config config
	option ENABLE_IPT_FORWARDING 'y'
	option ENABLE_NAT_DNS 'y'
	option PCAP_INTF 'eth0'

config access
	option SOURCE 'ANY'
	option keytype 'Base 64 key'
	option hkeytype 'Base 64 key'
	option KEY_BASE64 '{KEY}'
	option HMAC_KEY_BASE64 '{HMAC}'
	option OPEN_PORTS 'tcp/22'
"""
FIELDS_E = ("SPA Field Values:", f" Message String: {CLIENT},tcp/22", "      HMAC Type: 3 (SHA256)")


def guide_e(site: GuardedHost) -> None:
    # The recorded router has its WAN on eth1, that of the page on eth0.
    site.host.machine.nft(router_ruleset("wan-drop").replace('"eth1"', '"eth0"'))
    site.host.write("/etc/config/fwknopd", UCI_E)
    site.outside.write("/home/.fwknoprc", f"[app]\nKEY_BASE64 {KEY}\nHMAC_KEY_BASE64 {HMAC}\n")
    knock = partial(site.outside.type, f"fwknop -n app -A tcp/22 -a {CLIENT} -D {ROUTER}")
    with site.host.running("fwknopd -f -v -i eth0") as daemon:
        assert_one_knock_does_what_it_should(site, daemon, 22, knock)
        assert set(FIELDS_E) <= set(daemon.lines)
        command = f"add element inet fwknopd open4 {{ {CLIENT} . tcp . 22 timeout 30s }}"
        assert daemon.wait_for(command)


# All of them


Story = Callable[[GuardedHost], None]
STORIES: tuple[Story, ...] = (
    guide_a_with_iptables,
    guide_a_with_nftables,
    guide_b,
    guide_c_with_iptables,
    guide_c_with_nftables,
    guide_d,
    guide_e,
)
STORY_SECONDS = 100.0


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[Story, Future[None]]]:
    """Every story, begun."""

    def tell(story: Story, folder: Path) -> None:
        with guarded_host(folder) as site:
            story(site)

    with ThreadPoolExecutor(len(STORIES)) as pool:
        yield {
            story: pool.submit(tell, story, tmp_path_factory.mktemp(story.__name__))
            for story in STORIES
        }


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_the_client_gets_in(told: Mapping[Story, Future[None]], story: Story) -> None:
    told[story].result(STORY_SECONDS)
