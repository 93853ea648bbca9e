"""Every form in a browser without JavaScript: whatever can be changed can be changed there."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, Response

from fwknop_webui.views import ROUTES
from tests.browser.conftest import Look, Site, log_in, press

pytestmark = pytest.mark.browser

ANNA, LAPTOP = "cfg03ea17", "cfg04ea17"
BACKUP = b"config access\n\toption SOURCE 'ANY'\n\toption name 'Berta'\n\toption KEY 'another'\n"
STANZA = "SOURCE ANY\nKEY somebody else's\nHMAC_KEY a second one\n"


class Walk:
    """Presses buttons, and notes which addresses were sent a form and how that ended."""

    def __init__(self, page: Page, site: Site) -> None:
        self.page, self.site = page, site
        self.sent: set[str] = set()
        self.failed: list[str] = []
        page.on("response", self._came)

    def _came(self, answer: Response) -> None:
        if answer.request.method == "POST":
            self.sent.add(urlsplit(answer.url).path)
            if answer.status >= 400:
                self.failed.append(f"{answer.url}: {answer.status}")

    def press(self, path: str, button: str, **typed: str) -> None:
        """Open a page unless it is "", fill in fields by name, and press a button."""
        if path:
            self.page.goto(self.site.url + path)
        for name, value in typed.items():
            self.page.locator(f"main [name={name}]").first.fill(value)
        press(self.page, self.page.locator("main").get_by_role("button", name=button, exact=True))

    def download(self, button: str) -> None:
        """Press a button that leads to no page but to a file."""
        with self.page.expect_download():
            self.page.locator("main").get_by_role("button", name=button, exact=True).click()


def test_every_form_works_without_scripts(
    site: Site, open_browser: Callable[[Look], BrowserContext]
) -> None:
    page = open_browser(Look("without-scripts", scripts=False)).new_page()
    walk = Walk(page, site)
    log_in(page, site)
    clients(walk)
    settings(walk)
    files(walk)
    live(walk)
    changes(walk)
    press(page, page.get_by_role("button", name="Log out"))
    assert not walk.failed
    # LuCI's form, not one of ours, leads to the foreign one; only scripts ask below /api.
    forms = [route for route in ROUTES if not route.foreign and not route.rule.startswith("/api/")]
    unsafe = [route.rule for route in forms if route.method != "GET"]
    patterns = {rule: re.sub("<[^>]*>", "[^/]+", rule) for rule in unsafe}
    missed = [r for r in unsafe if not any(re.fullmatch(patterns[r], path) for path in walk.sent)]
    assert not missed


def clients(walk: Walk) -> None:
    walk.press("/clients/add", "Save", name="Carla")
    walk.press(f"/clients/{ANNA}", "Save", note="a note")
    walk.press(f"/clients/{ANNA}/advanced", "Save", new_name="MY_NOTE", new_value="x")
    walk.page.goto(walk.site.url + "/clients")
    press(walk.page, walk.page.get_by_role("button", name="Move down Anna's phone"))
    # The keys of who is disabled would not go on beside new ones.
    for button in ("Disable", "Enable"):
        walk.page.locator("summary").filter(has_text="Anna's phone").click()
        walk.press("", button)
    press(walk.page, walk.page.get_by_role("button", name="QR Anna's phone"))
    walk.press(f"/clients/{ANNA}/rotate", "Make new keys")
    walk.press(f"/clients/{ANNA}/rotate", "End the old keys now")
    walk.press(f"/clients/{LAPTOP}/delete", "Delete")
    walk.press("/clients", "Reset")
    walk.press("/clients?q=anna", "Show all")
    walk.press("/clients", "QR codes to print")
    walk.press("", "Show QR codes")


def settings(walk: Walk) -> None:
    walk.press("/settings", "Save", MAX_SPA_PACKET_AGE="99")
    walk.press("/advanced", "Save", new_name="MY_NOTE", new_value="x")
    walk.press("/changes", "Revert")


def files(walk: Walk) -> None:
    walk.press("/import", "Read the files")
    walk.press("", "Cancel")
    walk.page.goto(walk.site.url + "/import")
    walk.page.locator("main textarea").first.fill(STANZA)
    walk.press("", "Look at it")
    walk.press("", "Import what is ticked")
    walk.press("/import", "Look at the table", table_text="name,OPEN_PORTS\nTable,tcp/22\n")
    walk.press("", "Import what is ticked")
    walk.press("/import", "Show access.conf QR codes")
    walk.page.goto(walk.site.url + "/backup")
    walk.download("Download without encryption")
    for button in ("Cancel", "Restore"):
        walk.page.goto(walk.site.url + "/backup")
        walk.page.set_input_files(
            "#f-backup", {"name": "b", "mimeType": "text/plain", "buffer": BACKUP}
        )
        walk.press("", "Look at it")
        walk.press("", button)
    walk.press("/backup/reset", "Factory reset")
    walk.press("/changes", "Revert")


def live(walk: Walk) -> None:
    walk.press("/diagnostics", "Test")
    walk.press("/diagnostics", "Wait for a knock")
    walk.press("/revoke?id=g1", "Revoke")
    walk.press("/", "Restart")


def changes(walk: Walk) -> None:
    walk.press("/settings", "Save", MAX_SPA_PACKET_AGE="99")
    uci = walk.site.uci
    uci.write_text(uci.read_text().replace("Pixel", "Phone"))
    walk.press("/changes", "Keep my changes")
    walk.press("/changes", "Save & Apply")
    walk.press("", "Put the old one back")
    walk.press("/changes", "Save & Apply")
    walk.press("", "Keep")
    uci.write_text(uci.read_text().replace("option uci_enabled '1'", "option uci_enabled '0'"))
    walk.page.goto(walk.site.url + "/")
    walk.page.get_by_label("Enable config overwrite").check()
    walk.press("", "Save & Apply")
    walk.press("", "Keep")
    assert "option uci_enabled '1'" in uci.read_text()
    uci.write_text("config global\n\toption 'unfinished\n")
    walk.page.goto(walk.site.url + "/backup/reset")
    walk.download("Download the file as it is")
    walk.press("", "Replace the file")
    assert "unfinished" not in uci.read_text()
