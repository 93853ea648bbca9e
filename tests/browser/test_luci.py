"""LuCI's menu entry in a browser: one click, and the page is open."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, Request, Route

from tests.browser.conftest import DESKTOP_LIGHT, Look

pytestmark = pytest.mark.browser

VIEW = Path(__file__).parents[2] / "webui/luci/htdocs/luci-static/resources/view/fwknop-wrt/open.js"
SID = "c8876e961d9ae6f00b3a08b670d09c37"
ROUTER = "http://192.168.1.1"

# As much of LuCI as the view sees: it is the body of a function, which returns what it is.
PAGE = """<!doctype html><title>LuCI</title><body><script>
const L = {env: {sessionid: "%s", scriptname: "/cgi-bin/luci"}}, _ = text => text;
const view = {extend: members => members};
function E(tag, attributes, children) {
	const made = document.createElement(tag);
	for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
	made.append(...(Array.isArray(children) ? children : children ? [children] : []));
	return made;
}
const made = new Function("L", "E", "_", "view", %s)(L, E, _, view);
// LuCI renders its views when the page has long been loaded.
addEventListener("load", () => setTimeout(() => document.body.append(made.render())));
</script>"""


@pytest.fixture
def page(open_browser: Callable[[Look], BrowserContext]) -> Page:
    return open_browser(DESKTOP_LIGHT).new_page()


def test_the_menu_entry_hands_its_login_over_once(page: Page) -> None:
    posted: list[Request] = []

    def answer(route: Route) -> None:
        request = route.request
        if request.method == "POST":
            posted.append(request)
            route.fulfill(body="<title>Overview</title>", content_type="text/html")
        else:
            body = PAGE % (SID, script())
            route.fulfill(body=body, content_type="text/html; charset=utf-8")

    page.route(f"{ROUTER}/**", answer)
    page.goto(f"{ROUTER}/cgi-bin/luci/admin/services/fwknopd")
    page.wait_for_url("**/cgi-bin/fwknop/handover")
    (request,) = posted
    assert request.post_data == f"sid={SID}"
    assert SID not in request.url
    assert request.headers["origin"] == ROUTER
    # Who goes back stays there, and has a button.
    page.go_back()
    button = page.get_by_role("button", name="Open")
    button.wait_for()
    assert len(posted) == 1
    button.click()
    page.wait_for_url("**/cgi-bin/fwknop/handover")
    assert len(posted) == 2


def script() -> str:
    return json.dumps(VIEW.read_text())
