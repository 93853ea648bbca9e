"""The packages on a router: installed, knocked at, looked at, removed and installed again."""

from __future__ import annotations

import http.client
import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

from tests.lab.client import choose_client, rc_text
from tests.netns.conftest import CLIENT, ROUTER, STRANGER, Site, lay_cables
from tests.netns.namespaces import Machine, Machines
from tests.netns.probes import Outcome, greeter
from tests.package.built import Packages
from tests.package.installed import ENVIRONMENT, OpenWrt

pytestmark = [pytest.mark.root, pytest.mark.nft, pytest.mark.busybox, pytest.mark.client]

UCI = "/etc/config/fwknopd"
USED = "/etc/fwknop/digest.cache"
PAGE_PORT = 8080
STOCK = """\

config global
	option uci_enabled '1'

config network
	option network 'wan'

config access
	option SOURCE 'ANY'
	option keytype 'Normal Key'
	option hkeytype 'Normal Key'
	option KEY 'correct-horse-battery-staple'
	option HMAC_KEY 'not-a-word-of-it-to-anybody'

config config
	option ENABLE_IPT_FORWARDING 'y'
	option ENABLE_NAT_DNS 'y'
"""


@dataclass(frozen=True, slots=True)
class Service:
    """A program procd was told to run, and its events."""

    process: subprocess.Popen[str]

    def wait_for(self, kind: str) -> dict[str, Any]:
        """The next event of a kind; before it, no knock may be refused."""
        for line in said(self.process):
            event: dict[str, Any] = json.loads(line)
            assert event.get("verdict") != "refuse", line
            if event["event"] == kind:
                return event
        raise AssertionError("the daemon ended")


def said(running: subprocess.Popen[str]) -> IO[str]:
    """What a program says, line by line."""
    assert running.stdout is not None
    return running.stdout


@contextmanager
def process(machine: Machine, openwrt: OpenWrt, *argv: str) -> Iterator[subprocess.Popen[str]]:
    """A program of the router, which ends when the block does."""
    command = openwrt.command(*argv)
    with machine.entered():
        started = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=ENVIRONMENT,
        )
    with started:
        try:
            yield started
        finally:
            started.terminate()
            started.wait(20)


@contextmanager
def procd(machine: Machine, openwrt: OpenWrt) -> Iterator[Service]:
    """The service as procd runs it: by the command line it was told."""
    calls = openwrt.calls()
    parts = [c[2:] for c in calls if c[0].endswith("_param") and c[1] == "command"]
    command = [word for part in parts for word in part]
    openwrt.write("/tmp/procd/running", "")
    with process(machine, openwrt, *command, "--events", "-") as running:
        service = Service(running)
        service.wait_for("start")
        yield service
    openwrt.path("/tmp/procd/running").unlink(missing_ok=True)


@pytest.fixture
def site() -> Iterator[Site]:
    with Machines() as machines, ExitStack() as servers:
        site = Site(*(machines.add(role) for role in ("outside", "guest", "router", "host")))
        lay_cables(machines, site)
        servers.enter_context(greeter(site.router, 22, "router"))
        yield site


def knock(site: Site, openwrt: OpenWrt, folder: Path) -> None:
    """Knock with the real client and the keys of the router's first client."""
    client = choose_client(openwrt.path(UCI))
    rc_file = folder / ".fwknoprc"
    rc_file.touch(mode=0o600)
    rc_file.write_text(rc_text(client.keys))
    ask = ("-A", "tcp/22", "-a", CLIENT, "-D", ROUTER)
    site.outside.run("fwknop", "--rc-file", str(rc_file), "-n", "lab", *ask)


def page(machine: Machine, path: str) -> tuple[int, str]:
    """Status and text of a page of the router."""
    connection = http.client.HTTPConnection("127.0.0.1", PAGE_PORT, timeout=20)
    with machine.entered():
        connection.request("GET", path)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def has_our_rules(site: Site) -> bool:
    return "fwknopd" in site.list_ruleset()


def fresh_router(packages: Packages, site: Site, folder: Path) -> OpenWrt:
    """A router as it is before anything of ours is installed."""
    openwrt = OpenWrt(folder / "root", packages)
    site.router.nft(openwrt.read("/etc/fw4.nft"))
    return openwrt


def test_from_installation_to_removal(packages: Packages, site: Site, tmp_path: Path) -> None:
    openwrt = fresh_router(packages, site, tmp_path)
    with site.router.entered():
        openwrt.install("fwknop-wrt-webui")
    # Its includes were loaded after the firewall had been asked about them, once.
    assert openwrt.read("/tmp/fw4") == "-q check\n-q reload\n"
    assert openwrt.path("/etc/rc.d/S95fwknopd").is_symlink()
    assert not list(openwrt.path("/etc/uci-defaults").glob("*"))
    assert "fwknop:x:" in openwrt.read("/etc/group")

    # One client with fresh keys, and nothing switched on.
    fresh = openwrt.read(UCI)
    assert "option KEY_BASE64" in fresh
    assert "uci_enabled" not in fresh
    assert openwrt.path(UCI).stat().st_mode & 0o777 == 0o600

    # Enable config overwrite; rpcd or reload_config then has the service reloaded.
    openwrt.path(UCI).write_text(fresh.replace("global\n", "global\n\toption uci_enabled '1'\n", 1))
    openwrt.calls()
    with site.router.entered():
        openwrt.run("/etc/init.d/fwknopd", "reload")
    with procd(site.router, openwrt) as service:
        assert site.tcp(22) is Outcome.SILENT
        knock(site, openwrt, tmp_path)
        assert service.wait_for("grant")["source"] == CLIENT
        assert site.tcp(22) is Outcome.CONNECTED
        assert site.tcp(22, STRANGER) is Outcome.SILENT
        assert "phone" in openwrt.run("/usr/bin/fwknopctl", "grants").output
        status = openwrt.run("/etc/init.d/fwknopd", "status")
        assert status.code == 0, status.output
        assert_page_is_served(site.router, openwrt)
    used = openwrt.read(USED)
    assert len(used.splitlines()) > 1

    openwrt.remove("fwknop-wrt-webui")
    with site.router.entered():
        openwrt.remove("fwknop-wrt")
    assert ["procd_kill", "fwknopd"] in openwrt.calls()
    assert not has_our_rules(site)
    assert not list(openwrt.path("/etc/rc.d").glob("*"))
    assert not list(openwrt.folder.glob("usr/**/*fwknop*"))
    # What is the user's stays, and serves a new installation as it is.
    assert openwrt.read(USED) == used
    configured = openwrt.read(UCI)
    with site.router.entered():
        openwrt.install("fwknop-wrt")
    assert openwrt.read(UCI) == configured


def test_after_the_stock_packages(packages: Packages, site: Site, tmp_path: Path) -> None:
    openwrt = fresh_router(packages, site, tmp_path)
    openwrt.write(UCI, STOCK, 0o600)
    with site.router.entered():
        openwrt.install("fwknop-wrt")
    # The phone goes on with the key it has.
    assert "option KEY 'correct-horse-battery-staple'" in openwrt.read(UCI)
    with procd(site.router, openwrt) as service:
        knock(site, openwrt, tmp_path)
        service.wait_for("grant")
        assert site.tcp(22) is Outcome.CONNECTED


def assert_page_is_served(machine: Machine, openwrt: OpenWrt) -> None:
    listen = f"127.0.0.1:{PAGE_PORT}"
    with process(machine, openwrt, "/usr/bin/fwknop-webui", "--listen", listen) as running:
        assert said(running).readline() == f"fwknop-webui: http://{listen}\n"
        status, text = page(machine, "/login")
        assert (status, "<form" in text) == (200, True)
