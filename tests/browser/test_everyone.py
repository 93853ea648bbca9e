"""The pages for everyone: with the keyboard alone, without motion, in one's own time zone."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Site, log_in, press
from tests.web.daemon import NOW

pytestmark = pytest.mark.browser

WALKED = ("/", "/clients", "/clients/add", "/settings", "/advanced?q=nat", "/logs", "/diagnostics")
MOST_STOPS = 120
ENDING = "the end"

# What is wrong with where the focus is now, "" for nothing.
_STOP = """
() => {
	const element = document.activeElement;
	// Where a page begins with its focus on a field, Tab comes by the first link at the end.
	const again = window.lastStop && element.matches(".skip");
	if (element === document.body || again) return "the end";
	const name = `${element.tagName} ${element.textContent.trim() || element.name}: `;
	const style = getComputedStyle(element);
	if (style.outlineStyle === "none" && style.boxShadow === "none") return name + "no focus ring";
	const box = element.getBoundingClientRect();
	if (box.width < 2 || box.bottom <= 0 || box.top >= innerHeight) return name + "out of sight";
	const header = document.querySelector("header");
	if (!header.contains(element) && !element.matches(".skip")
		&& box.bottom <= header.getBoundingClientRect().bottom) return name + "under the header";
	const last = window.lastStop;
	window.lastStop = element;
	const order = last ? last.compareDocumentPosition(element) : Node.DOCUMENT_POSITION_FOLLOWING;
	return order & Node.DOCUMENT_POSITION_FOLLOWING ? "" : name + "out of order";
}
"""


def test_tab_reaches_everything_in_order_and_shows_where_it_is(page: Page, site: Site) -> None:
    wrong = []
    for path in WALKED:
        page.goto(site.url + path)
        for stop in range(MOST_STOPS):
            page.keyboard.press("Tab")
            found = page.evaluate(_STOP)
            if found == ENDING:
                assert stop > 10, path
                break
            wrong += [f"{path}: {found}"] if found else []
        else:
            raise AssertionError(f"{path}: the focus goes round in circles")
    assert not wrong


def test_first_stop_skips_the_menu(page: Page, site: Site) -> None:
    page.goto(site.url + "/settings")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main, header').tagName") == "MAIN"


@pytest.mark.parametrize(
    ("path", "opener"),
    [
        ("/", "#revoke-1"),
        ("/clients", "a[href$='/cfg03ea17/delete']"),
        ("/clients", "role=button[name='QR Anna\\'s phone']"),
        ("/backup", "role=link[name='Factory reset']"),
    ],
    ids=["revoke", "delete", "qr", "factory-reset"],
)
def test_dialog_keeps_the_focus_and_gives_it_back(
    path: str, opener: str, page: Page, site: Site
) -> None:
    page.goto(site.url + path)
    menu = page.locator("details.menu", has=page.locator(opener)).locator("summary")
    back = menu if menu.count() else page.locator(opener)
    if menu.count():
        menu.press("Enter")
    page.locator(opener).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_focused()
    stops = set()
    for _ in range(8):
        page.keyboard.press("Tab")
        stops.add(page.evaluate("document.activeElement.closest('[role=dialog]')?.tagName"))
    # Beyond the last is the browser itself, then the first again.
    assert stops <= {"SECTION", None}
    assert "SECTION" in stops
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(back).to_be_focused()


def test_times_are_the_browser_s_and_nothing_moves_for_who_wants_that(
    browser: Browser, site: Site
) -> None:
    context = browser.new_context(timezone_id="Asia/Tokyo", locale="en-GB", reduced_motion="reduce")
    page = log_in(context.new_page(), site)
    page.goto(site.url + "/logs")
    there = datetime.fromtimestamp(NOW - 4, ZoneInfo("Asia/Tokyo"))
    expect(page.locator("time").first).to_have_text(f"{there:%d/%m/%Y, %H:%M:%S}")
    press(page, page.get_by_role("button", name="Log out"))
    log_in(page, site)
    expect(page.get_by_text("Last login:")).to_contain_text(f"{there:%d/%m/%Y}")
    page.locator(".btn").first.evaluate("button => button.classList.add('busy')")
    moving = page.evaluate(
        "document.getAnimations().filter((item) => item.playState === 'running').length"
    )
    assert moving == 0
    context.close()
