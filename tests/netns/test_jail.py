"""The daemon in the jail its init script asks procd for."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from fwknopd.control.client import ControlClient
from tests.interop.example_keys import HMAC_KEY_BASE64, KEY_BASE64
from tests.interop.program import make_packet
from tests.netns.conftest import CLIENT, ROUTER, STRANGER, Site
from tests.netns.probes import Outcome
from tests.package.jail import jail_command
from tests.package.router import Router

pytestmark = [pytest.mark.root, pytest.mark.nft, pytest.mark.busybox]

NETWORKS = '{"interface": [{"interface": "wan", "up": true, "l3_device": "eth1"}]}'
CONFIGURATION = f"""
config global
	option uci_enabled '1'

config network
	option network 'wan'

config access
	option name 'phone'
	option SOURCE 'ANY'
	option KEY_BASE64 '{KEY_BASE64}'
	option HMAC_KEY_BASE64 '{HMAC_KEY_BASE64}'
"""
NET_ADMIN, NET_RAW = 12, 13


class Jailed:
    """The running daemon: its events, and its process as seen from outside."""

    def __init__(self, router: Router, events: IO[str]) -> None:
        self.router = router
        self._events = events
        self.wait_for(lambda event: event["event"] == "start")
        # By a short way: the path of a socket may have no more than 107 characters.
        with closing_descriptor(router.path("/tmp/run/fwknop")) as folder:
            client = ControlClient(f"/proc/self/fd/{folder}/control.sock")
            self.pid: int = client.call("status")["pid"]

    def wait_for(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next such event."""
        return next(event for event in map(json.loads, self._events) if wanted(event))

    def status(self, name: str) -> str:
        """A line of the process's /proc/PID/status."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(line for line in lines if line.startswith(f"{name}:")).split()[1]

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a program of this computer among the files the daemon sees, with every right."""
        there = ["nsenter", "--target", str(self.pid), "--mount", "--root", "--"]
        return subprocess.run([*there, *argv], capture_output=True, text=True, timeout=20)


@contextmanager
def closing_descriptor(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_PATH)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def equipped(folder: Path) -> Router:
    """A router with our program, its configuration, and a firewall of the new kind."""
    router = Router(folder)
    router.install()
    router.install_python()
    router.program("/bin/ubus", "#!/bin/sh\ncat /etc/networks.json\n")
    router.write("/etc/networks.json", NETWORKS)
    router.write("/etc/config/fwknopd", CONFIGURATION, 0o600)
    for name in ("ujail", "fw4"):
        router.program(f"/sbin/{name}")
    return router


@pytest.fixture
def jailed(site: Site, tmp_path: Path) -> Iterator[Jailed]:
    router = equipped(tmp_path / "root")
    started = router.run("/etc/init.d/fwknopd", "start")
    assert (started.code, started.output) == (0, "")
    command = jail_command(router, router.calls(), "--events", "-")
    with site.router.entered():
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process, process.stdout:
        try:
            jailed = Jailed(router, process.stdout)
            yield jailed
            os.kill(jailed.pid, signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()


def test_it_does_all_its_work_in_there(site: Site, jailed: Jailed) -> None:
    assert site.tcp(22) is Outcome.REFUSED
    with site.outside.entered():
        phone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with closing(phone):
        phone.sendto(make_packet(address=CLIENT), (ROUTER, 62201))
    jailed.wait_for(lambda event: event["event"] == "grant")
    assert site.tcp(22) is Outcome.CONNECTED
    assert site.tcp(22, STRANGER) is Outcome.REFUSED
    # Used packets are where a reboot leaves them, and a changed configuration is seen.
    assert len(jailed.router.read("/etc/fwknop/state/digest.cache").splitlines()) > 1
    jailed.router.write("/etc/config/fwknopd", CONFIGURATION + "\toption OPEN_PORTS 'tcp/22'\n")
    os.kill(jailed.pid, signal.SIGHUP)
    jailed.wait_for(lambda event: event["detail"] == "Configuration loaded: 1 client")
    assert site.tcp(22) is Outcome.CONNECTED

    # It has two rights, and none of its programs gets more.
    trade = f"{1 << NET_ADMIN | 1 << NET_RAW:016x}"
    assert {jailed.status(f"Cap{name}") for name in ("Prm", "Eff", "Bnd")} == {trade}
    assert jailed.status("NoNewPrivs") == "1"

    # Even who had all rights could change nothing but its own two folders: not what the daemon
    # may have, nor what it runs from.
    programs = ("/etc/passwd", "/usr/sbin/fwknopd")
    decisive = ("/etc/fwknop/x.conf", "/etc/fwknop/access.conf", "/var/run/fwknopd.confined")
    for path in (*programs, *decisive, "/var/run/other", "/other", "/tmp/other"):
        assert "Read-only" in jailed.run("touch", path).stderr
    for path in ("/etc/fwknop/state/other", "/var/run/fwknop/other"):
        assert jailed.run("touch", path).returncode == 0

    # In there it is number 1. Outside, nobody may take it for that.
    assert jailed.router.read("/tmp/run/fwknop/fwknopd.pid") == ""
    found = jailed.router.run("/usr/sbin/fwknopd", "--uci", "/etc/config/fwknopd", "--status")
    assert found.output == f"Detected fwknopd is running (pid={jailed.pid}).\n"
    socket_file = jailed.router.path("/tmp/run/fwknop/control.sock").stat()
    assert (socket_file.st_gid, socket_file.st_mode & 0o777) == (4242, 0o660)
