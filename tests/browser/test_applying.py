"""Save & Apply in a browser: it confirms by itself, or a person does, or the file is put back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import LOOKS, Look, Site, log_in, press
from tests.browser.watching import barriers

pytestmark = pytest.mark.browser

WITHOUT_SCRIPTS = [look for look in LOOKS if not look.scripts]
BACK = "The old configuration is back: nobody confirmed the new one in time"


def apply(page: Page, site: Site) -> None:
    page.goto(site.url + "/settings")
    page.get_by_label("Oldest knock accepted").fill("77")
    page.get_by_role("button", name="Save & Apply").click()


def test_browser_with_scripts_confirms_by_itself(page: Page, site: Site) -> None:
    apply(page, site)
    page.wait_for_url(site.url + "/settings")
    expect(page.get_by_text("1 change applied; the daemon is using it.")).to_be_visible()
    expect(page.locator("#unconfirmed")).to_have_count(0)
    site.hands.forward(90)
    page.reload()
    assert "MAX_SPA_PACKET_AGE '77'" in site.uci.read_text()
    page.go_back()
    expect(page.get_by_role("button", name="Keep", exact=True)).to_have_count(0)


def test_router_that_is_not_reached_goes_back_by_itself(page: Page, site: Site) -> None:
    before = site.uci.read_bytes()
    page.route("**/changes/keep", lambda route: route.abort())
    page.clock.install()
    apply(page, site)
    expect(page.locator("#confirming")).to_be_visible()
    left = page.get_by_role("dialog").locator("[data-expires]")
    expect(left).to_contain_text("1:2")
    assert "MAX_SPA_PACKET_AGE '77'" in site.uci.read_text()
    assert not barriers(page)
    page.clock.fast_forward(91_000)
    expect(page.get_by_text("It has the old configuration again.")).to_be_visible()
    expect(page.get_by_text("the daemon is using it")).to_be_hidden()
    expect(page.get_by_text("Not confirmed")).to_be_hidden()
    expect(page.get_by_role("dialog").get_by_role("button")).to_have_count(0)
    site.hands.forward(90)
    page.unroute("**/changes/keep")
    expect(page.get_by_text(BACK)).to_be_visible()
    expect(page.get_by_text("Unsaved Changes: 1")).to_be_visible()
    assert site.uci.read_bytes() == before
    expect(page.get_by_role("button", name="Apply unchecked")).to_be_visible()
    page.get_by_role("button", name="Dismiss").click()
    expect(page.get_by_text(BACK)).to_have_count(0)


@pytest.mark.parametrize("look", WITHOUT_SCRIPTS, ids=lambda look: look.name)
def test_without_scripts_a_person_confirms(
    look: Look, site: Site, open_browser: Callable[[Look], BrowserContext]
) -> None:
    page = log_in(open_browser(look).new_page(), site)
    apply(page, site)
    expect(page.get_by_role("dialog")).to_contain_text("Time left: 1:30")
    page.get_by_role("button", name="Keep", exact=True).click()
    expect(page.get_by_text("1 change applied; the daemon is using it.")).to_be_visible()
    assert page.url == site.url + "/settings"


def test_without_scripts_the_page_tells_of_the_rollback_by_itself(
    site: Site, open_browser: Callable[[Look], BrowserContext]
) -> None:
    before = site.uci.read_bytes()
    page = log_in(open_browser(WITHOUT_SCRIPTS[0]).new_page(), site)
    apply(page, site)
    site.hands.forward(89.5)
    page.goto(site.url + "/changes/applied")
    site.hands.forward(1)
    expect(page.get_by_text(BACK)).to_be_visible()
    assert site.uci.read_bytes() == before


def test_refused_configuration_waits_for_a_person(page: Page, site: Site) -> None:
    before = site.uci.read_bytes()
    problem = {"severity": "error", "file": "fwknopd", "line": 21, "section": "", "remedy": "No."}
    problem |= {"option": "MAX_SPA_PACKET_AGE", "message": "not today"}
    site.daemon.reload_answer = {"reloaded": False, "problems": [problem]}
    apply(page, site)
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("MAX_SPA_PACKET_AGE: not today. No.")
    expect(dialog).to_contain_text("line 21")
    assert not barriers(page)
    dialog.get_by_role("button", name="Put the old file back").click()
    expect(page.get_by_text("The old configuration is back.")).to_be_visible()
    assert site.uci.read_bytes() == before


def test_both_values_stand_side_by_side(page: Page, site: Site) -> None:
    page.goto(site.url + "/settings")
    page.get_by_label("Network").fill("lan")
    with page.context.new_page() as other:
        other.goto(site.url + "/settings")
        other.get_by_label("Network").fill("guest")
        press(other, other.get_by_role("button", name="Save", exact=True))
    page.get_by_role("button", name="Save", exact=True).click()
    field = page.get_by_label("Network")
    expect(field).to_have_value("lan")
    expect(field).to_be_focused()
    expect(page.locator("#e-network")).to_contain_text("Meanwhile it was changed to “guest”.")
    assert not barriers(page)
    page.goto(site.url + "/settings")
    text = site.uci.read_text()
    site.uci.write_text(text.replace("network 'wan'", "network 'lan'"))
    page.goto(site.url + "/changes")
    expect(page.get_by_role("row", name="network guest lan")).to_be_visible()
    assert not barriers(page)
