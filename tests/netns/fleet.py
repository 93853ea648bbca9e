"""Five routers, an administrator in their LANs, and a client on the Internet.

    outside 198.51.10N.7 --- eth0 router N br-lan --- admin 192.168.N.2

Each router has files of its own, dropbear as OpenWrt has it, and fwknopd. On the first one
fwknop-wrt is still to be installed. The administrator has the real Ansible, and nothing but an
ssh key to the routers.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from fwknopd.control.client import ControlClient
from fwknopd.openmetrics import CONTENT_TYPE
from tests.interop.program import environment
from tests.netns.computers import Computer
from tests.netns.namespaces import End, Machines
from tests.netns.probes import Outcome, try_tcp

ROOT = Path(__file__).parents[2]
ROLES = ROOT / "package/ansible/roles"
PACKAGED = ROOT / "package/fwknop-wrt/files/etc/config/fwknopd"
PROGRAMS = Path(sys.executable).parent
PATH = "/run/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PORT = 22
PAGE_PORT = 8080
TIME_LIMIT = 120.0
RULESET = """\
table inet fw4 {
    chain input {
        type filter hook input priority filter; policy drop;
        meta mark & 0x40000000 != 0 accept
        iifname { "br-lan", "lo" } accept
        ct state established,related accept
    }
}
"""
# A router's shows to procd what is to run. Here it runs already, and this is what is asked of it.
SERVICE = """\
#!/bin/sh
case "$1" in
enabled) [ -e /etc/rc.d/S95fwknopd ] ;;
enable) mkdir -p /etc/rc.d && touch /etc/rc.d/S95fwknopd ;;
running) kill -0 "$(cat /run/fwknop/fwknopd.pid)" ;;
reload) kill -HUP "$(cat /run/fwknop/fwknopd.pid)" ;;
*) exit 1 ;;
esac
"""
# What feeds would bring is there; that one is installed is all that is known of packages.
OPKG = f"""\
#!/bin/sh
echo "$@" >>/run/opkg.log
[ "$1" = update ] || {{ [ -s "$2" ] && ln -s {PROGRAMS}/fwknopctl /run/bin/; }}
"""
ANSIBLE_CFG = f"""\
[defaults]
roles_path = {ROLES}
vault_password_file = vault.password
forks = 5
stdout_callback = ansible.builtin.default
[ssh_connection]
# Masters of shared connections would outlive the test.
ssh_args = -o ControlMaster=no -o UserKnownHostsFile=known_hosts -o IdentityFile=id -F none
"""

_OPENER = build_opener(ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Router:
    """One of them; ``number`` from 1."""

    number: int
    computer: Computer

    @property
    def name(self) -> str:
        """As the inventory has it."""
        return f"router{self.number}"

    @property
    def wan(self) -> str:
        """Its address on the Internet."""
        return f"198.51.10{self.number}.1"

    @property
    def lan(self) -> str:
        """Where the administrator reaches it."""
        return f"192.168.{self.number}.1"

    @property
    def client(self) -> str:
        """The client's address, as this router sees it."""
        return f"198.51.10{self.number}.7"

    @property
    def uci(self) -> Path:
        """Its configuration."""
        return self.computer.path("/etc/config/fwknopd")

    @property
    def opkg(self) -> list[str]:
        """What opkg was asked for."""
        return self.computer.path("/run/opkg.log").read_text().splitlines()

    @property
    def starts_at_boot(self) -> bool:
        """Does the daemon start with the router?"""
        return self.computer.path("/etc/rc.d/S95fwknopd").exists()

    def ask(self, verb: str, **arguments: object) -> dict[str, Any]:
        """Ask its daemon."""
        return ControlClient(self.computer.path("/run/fwknop/control.sock")).call(verb, **arguments)


@dataclass(frozen=True, slots=True)
class Fleet:
    """The picture above. ``folder`` is the administrator's."""

    folder: Path
    outside: Computer
    admin: Computer
    routers: tuple[Router, ...]

    def tries(self, router: Router) -> Outcome:
        """What becomes of a connection of the client."""
        return try_tcp(self.outside.machine, router.client, router.wan, PORT)

    def scrape(self, router: Router, token: str) -> str:
        """Read its metrics as Prometheus would. Raises HTTPError."""
        url = f"http://{router.lan}:{PAGE_PORT}/metrics"
        request = Request(url, headers={"Authorization": f"Bearer {token}"})
        with self.admin.machine.entered(), _OPENER.open(request, timeout=TIME_LIMIT) as answer:
            assert answer.headers["Content-Type"] == CONTENT_TYPE
            text: str = answer.read().decode()
        return text

    def refusal(self, router: Router, token: str) -> tuple[int, str]:
        """How it refuses to be read with this token: status and text."""
        try:
            self.scrape(router, token)
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()
        raise AssertionError(f"{router.name} told everything")

    def run(self, *argv: str) -> str:
        """Run a program of Ansible; all it says. Raises RuntimeError."""
        program = PROGRAMS / argv[0]
        environ = {**environment(), "HOME": str(self.folder), "ANSIBLE_NOCOLOR": "1"}
        environ["PATH"] = f"{PROGRAMS}:{os.environ['PATH']}"
        # How it writes to a terminal is its default, and none is there.
        environ |= {"ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"), "LC_ALL": "C.UTF-8"}
        with self.admin.machine.entered():
            done = subprocess.run(
                [program, *argv[1:]],
                cwd=self.folder,
                env=environ,
                capture_output=True,
                text=True,
                timeout=TIME_LIMIT,
            )
        if done.returncode:
            raise RuntimeError(f"{argv[0]}: {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def write(self, name: str, text: str) -> None:
        """Write a file of the administrator's, private as keys should be."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(text)


@contextmanager
def fleet(folder: Path, count: int = 5) -> Iterator[Fleet]:
    """The machines with their daemons, which run from no configuration yet."""
    with Machines() as machines, ExitStack() as running:
        outside = Computer(machines.add("outside"), folder / "outside")
        admin = Computer(machines.add("admin"), folder / "admin")
        routers = tuple(
            Router(number, Computer(machines.add(f"router{number}"), folder / f"router{number}"))
            for number in range(1, count + 1)
        )
        found = Fleet(folder / "office", outside, admin, routers)
        found.folder.mkdir()
        found.write("ansible.cfg", ANSIBLE_CFG)
        _make_key(found.folder / "id")
        for router in routers:
            _lay_cables(machines, found, router)
            _furnish(found, router)
            running.enter_context(_dropbear(router))
            running.enter_context(
                router.computer.running("fwknopd -f --uci /etc/config/fwknopd", "started")
            )
        yield found


@contextmanager
def pages(site: Fleet) -> Iterator[None]:
    """The web page of every router, for its LAN."""
    with ExitStack() as running:
        for router in site.routers:
            line = (
                f"fwknop-webui --uci /etc/config/fwknopd --control /run/fwknop/control.sock "
                f"--listen {router.lan}:{PAGE_PORT} --password-file /run/webui.password"
            )
            running.enter_context(router.computer.running(line, "fwknop-webui: http"))
        yield


def _lay_cables(machines: Machines, site: Fleet, router: Router) -> None:
    machine = router.computer.machine
    machines.join(
        End(site.outside.machine, f"eth{router.number}", (f"{router.client}/24",)),
        End(machine, "eth0", (f"{router.wan}/24",)),
    )
    machines.join(
        End(site.admin.machine, f"lan{router.number}", (f"192.168.{router.number}.2/24",)),
        End(machine, "br-lan", (f"{router.lan}/24",)),
    )
    machine.nft(RULESET)


def _furnish(site: Fleet, router: Router) -> None:
    computer = router.computer
    home = computer.path("/home")
    computer.write("/etc/passwd", f"root:x:0:0:root:{home}:/bin/sh\n")
    computer.write("/etc/config/fwknopd", PACKAGED.read_text())
    computer.path("/etc/init.d").unlink()
    for place, script in (("/etc/init.d/fwknopd", SERVICE), ("/run/bin/opkg", OPKG)):
        computer.write(place, script)
        computer.path(place).chmod(0o755)
    if router.number > 1:
        # The first one is as it left the factory.
        computer.path("/run/bin/fwknopctl").symlink_to(PROGRAMS / "fwknopctl")
    (home / ".ssh").mkdir(mode=0o700)
    shutil.copy(site.folder / "id.pub", home / ".ssh/authorized_keys")
    host_key = computer.path("/run/host_key")
    told = _said("dropbearkey", "-t", "ed25519", "-f", str(host_key))
    [public] = [line for line in told.splitlines() if line.startswith("ssh-ed25519 ")]
    with (site.folder / "known_hosts").open("a") as file:
        file.write(f"{router.lan} {public}\n")


@contextmanager
def _dropbear(router: Router) -> Iterator[None]:
    # Sessions are to find our programs where this project has them (-e).
    line = "dropbear -F -E -e -s -r /run/host_key -P /run/dropbear.pid -p 22"
    with router.computer.running(line, "Not backgrounding"):
        yield


def _make_key(path: Path) -> None:
    _said("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path))


def _said(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return done.stdout + done.stderr
