"""The web page on a real port, a daemon that answers, and a Chromium to look at it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import waitress
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from fwknop_webui.app import create_app
from fwknop_webui.auth import set_password
from fwknop_webui.service_control import InitScript
from fwknop_webui.services import WebConfig, build_services
from tests.web.classic import HMAC, KEY, classic_files
from tests.web.clock import HandClock
from tests.web.daemon import EXPLANATION, NOW, StubDaemon, door, verdict

PASSWORD = "correct horse battery"
DESKTOP = (1280, 900)
PHONE = (390, 844)

PATIENCE_MS = 30_000
"""Until a test gives up what it waits for, on a machine busy with other tests."""
expect.set_options(timeout=PATIENCE_MS)

CONFIGURATION = f"""
config global
\toption uci_enabled '1'

config network
\toption network 'wan'

config access
\toption SOURCE 'ANY'
\toption name 'Anna''s phone'
\toption note 'Pixel, bought 2024'
\toption KEY_BASE64 '{KEY}'
\toption HMAC_KEY_BASE64 '{HMAC}'
\toption OPEN_PORTS 'tcp/22, tcp/8443'

config access
\toption SOURCE '192.0.2.0/24'
\toption name 'Laptop'
\toption enabled '0'
\toption KEY 'a passphrase'
\toption FW_ACCESS_TIMEOUT '600'

config access
\toption SOURCE 'ANY'
\toption KEY '__CHANGEME__'
\toption HMAC_KEY '__CHANGEME__'

config config
\toption ENABLE_IPT_FORWARDING 'Y'
\toption ENABLE_NAT_DNS 'Y'

""".replace("''s", "'\\''s")


@dataclass
class Site:
    """A running web page."""

    url: str
    uci: Path
    daemon: StubDaemon
    hands: HandClock


@pytest.fixture(scope="session")
def password_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("auth") / "webui.passwd"
    set_password(path, PASSWORD)
    return path


@pytest.fixture
def site(tmp_path: Path, password_file: Path) -> Iterator[Site]:
    uci = tmp_path / "fwknopd"
    uci.write_text(CONFIGURATION)
    uci.chmod(0o600)
    hands = HandClock()
    config = WebConfig(
        uci=uci,
        control=tmp_path / "control.sock",
        password_file=password_file,
        savedir=tmp_path / "delta",
        host_name="OpenWrt",
        clock=hands.clock,
        login_state=tmp_path / "webui.passwd.state",
        classic=classic_files(tmp_path / "fwknop"),
        proc=tmp_path / "proc",
    )
    script = tmp_path / "init"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    parts = replace(build_services(config), service=InitScript(script))
    server = waitress.create_server(create_app(config, parts), host="127.0.0.1", port=0, threads=3)
    stopping = threading.Event()

    def serve() -> None:
        while not stopping.is_set():
            server.asyncore.loop(timeout=0.1, map=server._map, count=1)
        server.task_dispatcher.shutdown()
        for connection in list(server._map.values()):
            connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    with StubDaemon(config.control) as daemon:
        daemon.doors = [
            door(),
            door(id="g2", client="Laptop", address="203.0.113.80", nat="192.168.1.10:443"),
        ]
        daemon.events = [
            verdict(id=1, event="rejected", source=None, client=None, reason="not-spa", count=512),
            verdict(id=2, source="203.0.113.9", client=None, reason="no-client-matched"),
            verdict(id=3),
            verdict(id=4, verdict="accept", reason="accepted", detail=""),
        ]
        daemon.clients = [{"number": 1, "label": "Anna's phone"}, {"number": 2, "label": "Laptop"}]
        stranger = {"outcome": "refuse", "reason": "no-client-matched", "client": None}
        seen = {"time": NOW - 3, "port": 62201, "via": "eth1", "bytes": 227, "count": 4}
        daemon.watched = {
            "now": NOW,
            "until": NOW + 40,
            "packets": [
                {**EXPLANATION, **seen, "source": "198.51.100.23", "count": 1},
                {**EXPLANATION, **seen, "source": "203.0.113.9", "verdict": stranger},
            ],
            "more": 2,
        }
        url = f"http://127.0.0.1:{server.effective_port}"
        yield Site(url, uci, daemon, hands)
    stopping.set()
    thread.join()


# Not for the whole session: another test file may want a Playwright of its own.
@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Root in a container has no sandbox to offer.
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


@dataclass
class Look:
    """How somebody looks at the page."""

    name: str
    size: tuple[int, int] = DESKTOP
    scheme: str = "light"
    scripts: bool = True


DESKTOP_LIGHT = Look("desktop-light")
LOOKS = (
    DESKTOP_LIGHT,
    Look("desktop-dark", scheme="dark"),
    Look("phone-light", PHONE),
    Look("phone-dark", PHONE, "dark"),
    Look("desktop-without-scripts", scripts=False),
    Look("phone-without-scripts", PHONE, "dark", scripts=False),
)


@pytest.fixture
def open_browser(browser: Browser) -> Iterator[Callable[[Look], BrowserContext]]:
    opened: list[BrowserContext] = []

    def open_(look: Look) -> BrowserContext:
        width, height = look.size
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if look.scheme == "dark" else "light",
            java_script_enabled=look.scripts,
        )
        context.set_default_timeout(PATIENCE_MS)
        opened.append(context)
        return context

    yield open_
    for context in opened:
        context.close()


def log_in(page: Page, site: Site) -> Page:
    """Log in as a person does."""
    page.goto(site.url + "/login")
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(site.url + "/")
    return page


def press(page: Page, button: Locator) -> None:
    """Press what leads to another page, and wait until that is there and its scripts have run."""
    with page.expect_navigation():
        button.click()


@pytest.fixture
def page(open_browser: Callable[[Look], BrowserContext], site: Site) -> Page:
    """A logged-in page on a desktop, in light colours, with scripts."""
    return log_in(open_browser(DESKTOP_LIGHT).new_page(), site)
