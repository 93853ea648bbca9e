"""The packages on a router: installed, knocked at, looked at, removed and installed again."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlencode

import pytest

from fwknop_webui.front import Front
from tests.lab.client import choose_client, rc_text
from tests.netns.conftest import CLIENT, ROUTER, STRANGER, Site, lay_cables
from tests.netns.namespaces import Machine, Machines
from tests.netns.probes import Outcome, greeter
from tests.package.built import Packages
from tests.package.installed import ENVIRONMENT, OpenWrt
from tests.web.rpcd import StandIn, usual_users

pytestmark = [pytest.mark.root, pytest.mark.nft, pytest.mark.busybox, pytest.mark.client]

UCI = "/etc/config/fwknopd"
USED = "/etc/fwknop/state/digest.cache"
ADDRESS, PREFIX = "192.168.1.1", "/cgi-bin/fwknop"
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


@dataclass(frozen=True, slots=True)
class Instance:
    """What procd was told to run, and as whom."""

    command: tuple[str, ...]
    user: str

    @classmethod
    def told(cls, calls: Iterable[list[str]], service: str) -> Instance:
        """The instance of a service, from what its script told procd."""
        of_it = chain.from_iterable(
            group for name, group in groupby(calls, _service_of()) if name == service
        )
        parameters = [(call[1], call[2:]) for call in of_it if call[0].endswith("_param")]
        command = chain.from_iterable(words for name, words in parameters if name == "command")
        users = [words[0] for name, words in parameters if name == "user"]
        return cls(tuple(command), users[0] if users else "")


def _service_of() -> Callable[[list[str]], str]:
    current = ""

    def of(call: list[str]) -> str:
        nonlocal current
        current = call[1] if call[0] == "procd_open_service" else current
        return current

    return of


@contextmanager
def running(machine: Machine, openwrt: OpenWrt, instance: Instance) -> Iterator[Service]:
    """A program of the router, which ends when the block does."""
    command = openwrt.command(*instance.command, user=instance.user)
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
            yield Service(started)
        finally:
            started.terminate()
            started.wait(20)


@contextmanager
def daemon(machine: Machine, openwrt: OpenWrt, instance: Instance) -> Iterator[Service]:
    """fwknopd as procd runs it, when it works."""
    openwrt.write("/tmp/procd/running", "")
    with_events = Instance((*instance.command, "--events", "-"), instance.user)
    with running(machine, openwrt, with_events) as service:
        service.wait_for("start")
        yield service
    openwrt.path("/tmp/procd/running").unlink()


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


@dataclass(frozen=True, slots=True)
class Browser:
    """Somebody at the page: each request is one run of the script that uhttpd has for it."""

    machine: Machine
    openwrt: OpenWrt
    front: Front

    def get(self, path: str, cookie: str = "") -> str:
        """What uhttpd is given for a page: headers and content."""
        return self._ask(path, REQUEST_METHOD="GET", HTTP_COOKIE=cookie)

    def post(self, path: str, cookie: str = "", **form: str) -> str:
        """The same for a form that is sent."""
        body = urlencode(form)
        return self._ask(
            path,
            body,
            REQUEST_METHOD="POST",
            CONTENT_TYPE="application/x-www-form-urlencoded",
            CONTENT_LENGTH=str(len(body)),
            HTTP_ORIGIN=f"http://{ADDRESS}",
            HTTP_COOKIE=cookie,
        )

    def send(self, path: str, cookie: str, text: str, **form: str) -> str:
        """The same for a form with a file, named backup, in German."""
        parts = [f'name="{name}"\r\n\r\n{value}\r\n' for name, value in form.items()]
        parts.append(f'name="backup"; filename="b"\r\n\r\n{text}\r\n')
        body = "".join(f"--parts\r\nContent-Disposition: form-data; {part}" for part in parts)
        body += "--parts--\r\n"
        return self._ask(
            path,
            body,
            REQUEST_METHOD="POST",
            CONTENT_TYPE="multipart/form-data; boundary=parts",
            CONTENT_LENGTH=str(len(body)),
            HTTP_ORIGIN=f"http://{ADDRESS}",
            HTTP_COOKIE=cookie,
            HTTP_ACCEPT_LANGUAGE="de",
        )

    def _ask(self, path: str, body: str = "", **environment: str) -> str:
        told = {
            **ENVIRONMENT,
            "SCRIPT_NAME": PREFIX,
            "REQUEST_URI": f"{PREFIX}{path}",
            "REMOTE_ADDR": "192.168.1.5",
            "SERVER_ADDR": self.front.host,
            "SERVER_PORT": str(self.front.port),
            "HTTP_HOST": ADDRESS,
            **environment,
        }
        with self.machine.entered():
            done = subprocess.run(
                self.openwrt.command("/www/cgi-bin/fwknop"),
                input=body,
                env=told,
                capture_output=True,
                text=True,
                timeout=60,
            )
        assert not done.stderr
        return done.stdout


def has_our_rules(site: Site) -> bool:
    return "fwknopd" in site.list_ruleset()


def fresh_router(packages: Packages, site: Site, folder: Path) -> OpenWrt:
    """A router as it is before anything of ours is installed."""
    openwrt = OpenWrt(folder / "root", packages)
    site.router.nft(openwrt.read("/etc/fw4.nft"))
    return openwrt


def assert_page_is_served(machine: Machine, openwrt: OpenWrt, page: Instance) -> None:
    """By a process that is not root, to who is logged in at LuCI."""
    assert page.user == "fwknop"
    rpcd = StandIn(openwrt.read(UCI), usual_users())
    with machine.entered(), rpcd.serving(), running(machine, openwrt, page) as service:
        assert next(said(service.process)).startswith("fwknop-webui: http://127.0.0.1:")
        browser = Browser(machine, openwrt, rpcd.front)
        assert "Status: 200 OK" in browser.get("/login")
        answer = browser.post("/handover", sid=rpcd.log_in("root", luci=True))
        cookie = re.search(r"^Set-Cookie: (fwknop_webui=[^;]+)", answer, re.MULTILINE)
        assert cookie is not None, answer
        overview = browser.get("/", cookie[1])
        assert all(text in overview for text in ("phone", CLIENT, "tcp/22"))
        style = re.search(rf'"{PREFIX}(/[^"]*app[.]css)"', overview)
        assert style is not None
        assert "Status: 200 OK" in browser.get(style[1])
        assert_packed_parts_are_found(browser, cookie[1])


def assert_packed_parts_are_found(browser: Browser, cookie: str) -> None:
    """The daemon's sentences in German, and the process of its own that seals backups."""
    token = re.search(r'name="csrf" value="([^"]+)"', browser.get("/backup", cookie))
    assert token is not None
    csrf, words = token[1], "four words nobody knows"
    answer = browser.send("/backup/restore", cookie, "config access\n\toption a 'b", csrf=csrf)
    assert "wird nie geschlossen" in answer
    password = usual_users()["root"].password
    form = {"csrf": csrf, "passphrase": words, "again": words, "password": password}
    sealed = browser.post("/backup/download", cookie, **form, do="sealed")
    _, _, content = sealed.partition("\n\n")
    assert content.startswith("fwknop-wrt backup"), sealed
    wrong = browser.send("/backup/restore", cookie, content, csrf=csrf, unseal="other words")
    assert "Passphrase ist falsch" in wrong
    opened = browser.send("/backup/restore", cookie, content, csrf=csrf, unseal=words)
    assert f"Location: {PREFIX}/backup/preview" in opened


@pytest.mark.timeout(300)  # A page and a daemon start several times, on a busy machine slowly.
def test_from_installation_to_removal(packages: Packages, site: Site, tmp_path: Path) -> None:
    openwrt = fresh_router(packages, site, tmp_path)
    with site.router.entered():
        openwrt.install("fwknop-wrt-webui")
    # Its includes were loaded after the firewall had been asked about them, once.
    assert openwrt.read("/tmp/fw4") == "-q check\n-q reload\n"
    assert openwrt.path("/etc/rc.d/S95fwknopd").is_symlink()
    assert not list(openwrt.path("/etc/uci-defaults").glob("*"))
    assert "fwknop:x:" in openwrt.read("/etc/group")
    page = Instance.told(openwrt.calls(), "fwknop-webui")

    # One client with fresh keys, and nothing switched on.
    fresh = openwrt.read(UCI)
    assert "option KEY_BASE64" in fresh
    assert "uci_enabled" not in fresh
    assert openwrt.path(UCI).stat().st_mode & 0o777 == 0o600

    # Enable config overwrite; rpcd or reload_config then has the service reloaded.
    openwrt.path(UCI).write_text(fresh.replace("global\n", "global\n\toption uci_enabled '1'\n", 1))
    with site.router.entered():
        openwrt.run("/etc/init.d/fwknopd", "reload")
    instance = Instance.told(openwrt.calls(), "fwknopd")
    before = openwrt.on_flash()
    with daemon(site.router, openwrt, instance) as service:
        assert site.tcp(22) is Outcome.SILENT
        knock(site, openwrt, tmp_path)
        assert service.wait_for("grant")["source"] == CLIENT
        assert site.tcp(22) is Outcome.CONNECTED
        assert site.tcp(22, STRANGER) is Outcome.SILENT
        assert "phone" in openwrt.run("/usr/bin/fwknopctl", "grants").output
        status = openwrt.run("/etc/init.d/fwknopd", "status")
        assert status.code == 0, status.output
        over_ubus = openwrt.run("/usr/libexec/rpcd/fwknopd", "call", "grants", given="{}")
        assert [grant["client"] for grant in json.loads(over_ubus.output)["grants"]] == ["phone"]
        assert_page_is_served(site.router, openwrt, page)
    # Flash wears out: nothing was written there but the knock, which was honoured, and that it was
    # the first one.
    changed = dict(openwrt.on_flash().items() ^ before.items())
    state = "etc/fwknop/state"
    assert changed.keys() <= {"etc/fwknop", state, f"{state}/knocked", USED.removeprefix("/")}
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
    with daemon(site.router, openwrt, Instance.told(openwrt.calls(), "fwknopd")) as service:
        knock(site, openwrt, tmp_path)
        service.wait_for("grant")
        assert site.tcp(22) is Outcome.CONNECTED
