"""What moves by itself: doors, countdowns, sessions that end."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, Request, expect

from fwknop_webui.sessions import IDLE_SECONDS
from tests.browser.conftest import DESKTOP_LIGHT, Look, Site
from tests.web.daemon import NOW, door, verdict

pytestmark = pytest.mark.browser

# Whether a tab that is seen again asks before anything else happens.
_ASKED_AT_ONCE = """
() => {
	const real = window.fetch;
	let asked = false;
	window.fetch = (...what) => { asked = true; return real(...what); };
	Object.defineProperty(document, "hidden", {value: false, configurable: true});
	document.dispatchEvent(new Event("visibilitychange"));
	window.fetch = real;
	return asked;
}
"""


def test_door_appears_and_goes_without_reloading(page: Page, site: Site) -> None:
    site.daemon.doors = [door(id="g9", client="Newcomer")]
    row = page.locator("#live-doors tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("Newcomer")
    expect(page.locator("#said")).to_have_text("1 door is open.")
    site.daemon.doors = []
    expect(page.locator("#live-doors")).to_contain_text("No doors open")
    expect(page.locator("#said")).to_have_text("No door is open.")


def test_header_learns_by_itself_that_the_daemon_ended(page: Page, site: Site) -> None:
    expect(page.locator("header #daemon")).to_have_text("Daemon running")
    page.locator("#daemon").focus()
    site.daemon.stop()
    expect(page.locator("header #daemon")).to_have_text("Daemon not running")
    expect(page.locator("#daemon")).to_be_focused()


def test_countdown_runs_by_the_router_s_clock(page: Page, site: Site) -> None:
    # The router believes another time than the browser; only the difference may matter.
    countdown = page.locator("[data-expires]").first
    # Its clock stands still: each refreshing would put the countdown back.
    page.get_by_role("button", name="Refreshing").click()
    expect(countdown).to_have_text(re.compile(r"0:2[0-6]"))
    first = countdown.inner_text()
    expect(countdown).not_to_have_text(first)
    expect(page.locator("#live-knocks time").first).to_have_text(re.compile(r"^\d+s ago$"))


def test_clock_of_the_browser_is_compared_with_the_router_s(page: Page, site: Site) -> None:
    clock = page.locator("#live-status [data-offset]")
    expect(clock).to_have_text(
        re.compile(r"^This browser's clock is \d+d \d+h ahead of the router's")
    )
    page.clock.set_fixed_time(NOW + 1)
    with page.expect_response("**/api/overview*"):
        pass
    expect(clock).to_have_text("This browser's clock agrees.")


def test_log_is_followed_without_reloading(page: Page, site: Site) -> None:
    page.goto(site.url + "/logs?follow=1&client=Anna's phone")
    expect(page.locator("#live-log tbody tr")).to_have_count(2)
    site.daemon.events = [*site.daemon.events, verdict(id=9, request="192.0.2.1,tcp/9999")]
    expect(page.locator("#live-log")).to_contain_text("tcp/9999")
    page.locator("#event-9 summary").click()
    site.daemon.events = [*site.daemon.events, verdict(id=10, client="Somebody else")]
    expect(page.locator("#live-log tbody tr")).to_have_count(3)
    expect(page.locator("#event-9")).to_have_attribute("open", "")


def test_log_is_followed_from_the_tick_of_the_box(page: Page, site: Site) -> None:
    page.goto(site.url + "/logs")
    page.get_by_label("Words").fill("tcp/9999")
    box = page.get_by_role("checkbox", name="Follow")
    box.check()
    page.wait_for_url("**/logs?*q=tcp%2F9999*follow=1")
    site.daemon.events = [*site.daemon.events, verdict(id=9, request="192.0.2.1,tcp/9999")]
    expect(page.locator("#live-log")).to_contain_text("192.0.2.1,tcp/9999")
    expect(box).to_be_focused()
    box.uncheck()
    page.wait_for_url(lambda url: "follow" not in url)
    expect(page.locator("#live-log")).to_contain_text("192.0.2.1,tcp/9999")
    expect(page.get_by_role("button", name="Refreshing")).to_have_count(0)


def test_packet_that_is_waited_for_appears(page: Page, site: Site) -> None:
    caught = site.daemon.watched["packets"]
    site.daemon.watched = {**site.daemon.watched, "packets": []}
    page.goto(site.url + "/diagnostics")
    page.get_by_role("button", name="Wait for a knock").click()
    expect(page.locator("#live-watch")).to_contain_text("Nothing came so far")
    site.daemon.watched = {**site.daemon.watched, "packets": caught}
    expect(page.locator("#live-watch")).to_contain_text("203.0.113.9")
    page.locator("#steps-1 summary").click()
    expect(page.get_by_text("made with other keys").last).to_be_visible()


def test_refreshing_leaves_what_is_opened_and_focused(page: Page, site: Site) -> None:
    page.locator("#knock-3 summary").click()
    page.locator("#revoke-1").focus()
    site.daemon.events = [*site.daemon.events, verdict(id=9, request="192.0.2.1,tcp/9999")]
    site.daemon.doors = [*site.daemon.doors, door(id="g3", expires=NOW + 5)]
    expect(page.locator("#live-knocks")).to_contain_text("tcp/9999")
    expect(page.locator("#live-doors tbody tr")).to_have_count(3)
    assert page.locator("#knock-3").get_attribute("open") is not None
    expect(page.locator("#revoke-1")).to_be_focused()


def test_polling_can_be_paused_and_stops_in_a_hidden_tab(page: Page, site: Site) -> None:
    polls: list[str] = []
    page.on("request", lambda r: polls.append(r.url) if "/api/" in r.url else None)
    page.get_by_role("button", name="Refreshing").click()
    expect(page.get_by_role("button", name="Paused")).to_be_visible()
    polls.clear()
    page.wait_for_timeout(2500)
    assert polls == []
    page.get_by_role("button", name="Paused").click()
    expect(page.get_by_role("button", name="Refreshing")).to_be_visible()
    with page.expect_request("**/api/overview*"):
        pass
    page.evaluate(
        "Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    polls.clear()
    page.wait_for_timeout(2500)
    assert polls == []
    assert page.evaluate(_ASKED_AT_ONCE)


def test_ended_session_says_so_and_leads_to_the_login(page: Page, site: Site) -> None:
    site.hands.forward(IDLE_SECONDS)
    expect(page.locator("#session-ended")).to_be_visible()
    page.get_by_role("link", name="Log in again").click()
    expect(page.get_by_label("Password")).to_be_focused()


def test_router_that_vanished_is_noticed_and_so_is_its_return(page: Page, site: Site) -> None:
    page.route("**/api/overview*", lambda route: route.abort())
    expect(page.get_by_text("The router doesn't answer")).to_be_visible()
    page.unroute("**/api/overview*")
    expect(page.get_by_text("The router doesn't answer")).to_be_hidden()


def test_first_page_loads_little(
    site: Site, open_browser: Callable[[Look], BrowserContext]
) -> None:
    page = open_browser(DESKTOP_LIGHT).new_page()
    seen: list[Request] = []
    page.on("requestfinished", lambda request: seen.append(request))
    page.goto(site.url, wait_until="networkidle")
    sizes = [request.sizes() for request in seen]
    assert 3 <= len(sizes) <= 6
    assert sum(s["responseBodySize"] + s["responseHeadersSize"] for s in sizes) <= 60 * 1024
