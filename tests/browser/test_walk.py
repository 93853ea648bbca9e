"""Every page on every kind of screen: pictures to look at, and what no page may do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

from tests.browser.conftest import LOOKS, PHONE, Look, Site, log_in, press
from tests.browser.watching import (
    barriers,
    chatter,
    faint_texts,
    overflow,
    small_targets,
    tall_header,
    unlabelled_fields,
)
from tests.web.daemon import EXPOSED, NOW, door

pytestmark = pytest.mark.browser

ANNA = "cfg03ea17"
NOTE = "Pixel, bought 2024"
DORA = """
config access
\toption SOURCE 'ANY'
\toption name 'Dora'
\toption KEY 'DorasKey'
\toption OPEN_PORTS 'tcp/22, tcp/80'
"""
TABLE = (
    "name,OPEN_PORTS,note\nBerta Featherstonehaugh,tcp/22,her telephone\nLaptop,tcp/80,\n"
    "Carl,tcp/99999,\nDora,tcp/22\n"
)
RESTORED = b"config access\n\toption SOURCE 'ANY'\n\toption name 'Anna'\n\toption KEY 'x'\n"
PAGES = {
    "overview": "/",
    "clients": "/clients",
    "add": "/clients/add",
    "edit": f"/clients/{ANNA}",
    "delete": f"/clients/{ANNA}/delete",
    "rotate": f"/clients/{ANNA}/rotate",
    "clone": f"/clients/add?from={ANNA}",
    "sheet-choice": f"/sheet?client={ANNA}",
    "clients-search": "/clients?q=anna&state=enabled",
    "settings": "/settings",
    "advanced": "/advanced",
    "advanced-search": "/advanced?q=nat",
    "advanced-client": f"/clients/{ANNA}/advanced",
    "import": "/import",
    "backup": "/backup",
    "factory-reset": "/backup/reset",
    "logs": "/logs",
    "logs-filtered": "/logs?verdict=refuse&reason=too-old&follow=1",
    "logs-nothing": "/logs?q=nowhere",
    "diagnostics": "/diagnostics",
    "watch": "/diagnostics/watch",
    "changes": "/changes",
    "revoke": "/revoke?id=g1",
    "revoke-client": "/revoke?client=Anna's phone",
    "cut": "/revoke?id=p1",
    "stop-service": "/service/stop",
    "not-found": "/nothing",
}


class Walker:
    """Goes from page to page, takes pictures, and notes what is wrong."""

    def __init__(self, page: Page, look: Look, artifacts: Path) -> None:
        self.page, self.look, self.artifacts = page, look, artifacts
        self.wrong: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))

    def _heard(self, message: ConsoleMessage) -> None:
        # Chromium complains of pages that are errors (404, 409, 422), which we ask for.
        asked_for = "Failed to load resource" in message.text and message.text.endswith(
            ("404 (NOT FOUND)", "409 (CONFLICT)", "422 (UNPROCESSABLE ENTITY)")
        )
        if message.type in ("error", "warning") and not asked_for:
            self.wrong.append(message.text)

    def look_at(self, name: str) -> None:
        self.page.screenshot(path=self.artifacts / f"{self.look.name}-{name}.png", full_page=True)
        found = {
            "contrast": faint_texts(self.page),
            "target": small_targets(self.page),
            "label": unlabelled_fields(self.page),
            "overflow": [f"{overflow(self.page)} px"] if overflow(self.page) else [],
            "chatter": chatter(self.page),
            "header": tall_header(self.page) if self.look.size == PHONE else [],
            # Both colours and both widths are in these two; axe takes its time.
            "axe": barriers(self.page) if self.look.name in ("desktop-light", "phone-dark") else [],
        }
        self.wrong += [f"{name}: {kind}: {item}" for kind in found for item in found[kind]]


# Half a minute alone; beside other tests on a small machine a multiple of it.
@pytest.mark.timeout(300)
@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.name)
def test_all_pages(
    look: Look,
    site: Site,
    open_browser: Callable[[Look], BrowserContext],
    artifacts: Path,
) -> None:
    page = open_browser(look).new_page()
    walker = Walker(page, look, artifacts)
    page.goto(site.url)
    walker.look_at("login")
    log_in(page, site)
    site.daemon.past = [door(id="p1", expires=NOW - 3700, connections=3)]
    site.daemon.uncounted = "one of two reasons"
    site.daemon.exposed = EXPOSED
    for name, path in PAGES.items():
        page.goto(site.url + path)
        walker.look_at(name)
    add_and_show(page, site, walker)
    make_mistakes(page, site, walker)
    import_files(page, site, walker)
    try_a_knock(page, site, walker)
    restore(page, site, walker)
    disagree(page, site, walker)
    begin_anew(page, site, walker)
    stop_the_daemon(page, site, walker)
    assert not walker.wrong


@pytest.mark.timeout(300)
def test_german_fits_a_phone(browser: Browser, site: Site, artifacts: Path) -> None:
    width, height = PHONE
    context = browser.new_context(viewport={"width": width, "height": height}, locale="de-DE")
    page = context.new_page()
    walker = Walker(page, Look("phone-german", PHONE), artifacts)
    page.goto(site.url)
    assert page.evaluate("document.documentElement.lang") == "de"
    walker.look_at("login")
    log_in(page, site)
    site.daemon.exposed = EXPOSED
    for name, path in PAGES.items():
        page.goto(site.url + path)
        walker.look_at(name)
    page.evaluate(
        "document.querySelector('.indicators').insertAdjacentHTML('afterbegin',"
        " '<span class=indicator>Nicht bestätigt: 1:23</span>'.repeat(4))"
    )
    walker.look_at("crowded")
    context.close()
    assert not walker.wrong


def add_and_show(page: Page, site: Site, walker: Walker) -> None:
    page.goto(site.url + "/clients/add")
    page.fill("#f-name", "Carla's tablet")
    press(page, page.get_by_role("button", name="Save", exact=True))
    walker.look_at("saved")
    press(page, page.get_by_role("link", name="Unsaved Changes"))
    walker.look_at("changes-staged")
    page.goto(site.url + "/clients")
    press(page, page.get_by_role("button", name="QR Carla"))
    walker.look_at("qr")
    page.get_by_label("Address of this router").fill("home.example.org")
    press(page, page.get_by_role("button", name="Use", exact=True))
    page.get_by_text("Other clients").click()
    walker.look_at("qr-rc")
    page.goto(site.url + "/changes")
    page.get_by_role("button", name="Save & Apply").click()
    if walker.look.scripts:
        page.wait_for_url(site.url + "/")
    else:
        walker.look_at("applied-waiting")
        press(page, page.get_by_role("button", name="Keep", exact=True))
    walker.look_at("applied")


def make_mistakes(page: Page, site: Site, walker: Walker) -> None:
    page.goto(site.url + f"/clients/{ANNA}")
    if walker.look.scripts:
        page.get_by_role("tab", name="Network").click()
    page.fill("#f-SOURCE", "nonsense")
    press(page, page.get_by_role("button", name="Save", exact=True))
    walker.look_at("mistake")
    page.goto(site.url + f"/clients/{ANNA}")
    if walker.look.scripts:
        page.get_by_role("tab", name="Keys").click()
    walker.look_at("keys")


def import_files(page: Page, site: Site, walker: Walker) -> None:
    page.goto(site.url + "/import")
    press(page, page.get_by_role("button", name="Read the files"))
    walker.look_at("import-preview")
    page.goto(site.url + "/import")
    page.fill("#f-table_text", TABLE)
    press(page, page.get_by_role("button", name="Look at the table"))
    walker.look_at("import-table")
    press(page, page.get_by_role("button", name="Cancel"))
    page.goto(site.url + "/import")
    press(page, page.get_by_role("button", name="Show access.conf QR codes"))
    walker.look_at("import-qr")


def try_a_knock(page: Page, site: Site, walker: Walker) -> None:
    page.goto(site.url + "/diagnostics")
    page.fill("#f-access", "tcp/25")
    press(page, page.get_by_role("button", name="Test", exact=True))
    walker.look_at("test-knock")
    page.fill("#f-access", "")
    press(page, page.get_by_role("button", name="Test", exact=True))
    walker.look_at("test-knock-mistake")


def restore(page: Page, site: Site, walker: Walker) -> None:
    page.goto(site.url + "/backup")
    page.fill("#f-passphrase", "four random words")
    page.fill("#f-again", "four random words")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download encrypted").click()
    sealed = download.value.path()
    page.set_input_files("#f-backup", sealed)
    press(page, page.get_by_role("button", name="Look at it"))
    walker.look_at("restore-wrong")
    page.set_input_files("#f-backup", {"name": "b", "mimeType": "x/y", "buffer": RESTORED})
    press(page, page.get_by_role("button", name="Look at it"))
    walker.look_at("restore-preview")
    press(page, page.get_by_role("button", name="Cancel"))


def disagree(page: Page, site: Site, walker: Walker) -> None:
    """Somebody else changes the same while a preview is open."""
    text = site.uci.read_text()
    page.goto(site.url + "/backup")
    mine = text.replace(NOTE, "Pixel 8").encode()
    page.set_input_files("#f-backup", {"name": "b", "mimeType": "x/y", "buffer": mine})
    press(page, page.get_by_role("button", name="Look at it"))
    text = text.replace(NOTE, "Pixel, lost 2025")
    site.uci.write_text(text)
    press(page, page.get_by_role("button", name="Restore"))
    walker.look_at("restore-contested")
    page.goto(site.url + "/import")
    page.fill("#f-access_text", "# Dora\nSOURCE ANY\nOPEN_PORTS tcp/22\nKEY DorasKey\n")
    press(page, page.get_by_role("button", name="Look at it"))
    text += DORA
    site.uci.write_text(text)
    press(page, page.get_by_role("button", name="Import what is ticked"))
    walker.look_at("import-contested")
    page.goto(site.url + "/backup/reset")
    site.uci.write_text(text + DORA.replace("Dora", "Emil"))
    press(page, page.get_by_role("button", name="Factory reset"))
    walker.look_at("factory-reset-contested")
    site.uci.write_text(text + "".join(DORA.replace("Dora", f"Dora {n}") for n in range(120)))
    page.goto(site.url + "/clients")
    page.get_by_role("checkbox", name="Tick Dora 7", exact=True).check()
    page.get_by_role("button", name="Next »").first.click()
    page.wait_for_url("**page=2*")
    walker.look_at("clients-page")


def begin_anew(page: Page, site: Site, walker: Walker) -> None:
    page.goto(site.url + "/settings")
    page.fill("#f-MAX_SPA_PACKET_AGE", "77")
    press(page, page.get_by_role("button", name="Save", exact=True))
    site.uci.write_text("config global\n\nconfig network\n\toption network 'lan'\n")
    page.goto(site.url + "/clients")
    walker.look_at("outdated")
    page.goto(site.url + "/changes")
    press(page, page.get_by_role("button", name="Revert"))
    page.goto(site.url + "/")
    walker.look_at("first-steps")


def stop_the_daemon(page: Page, site: Site, walker: Walker) -> None:
    page.goto(site.url + "/")
    site.daemon.stop()
    page.goto(site.url + "/")
    walker.look_at("stopped")
    page.goto(site.url + "/logs")
    walker.look_at("logs-stopped")
    page.goto(site.url + "/diagnostics")
    walker.look_at("diagnostics-stopped")
