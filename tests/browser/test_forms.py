"""Forms in a browser with scripts: tabs, keys, copy buttons, and the QR code itself."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from fwknop_webui.sessions import FRESH_SECONDS, IDLE_SECONDS
from tests.browser.conftest import LOOKS, PASSWORD, Look, Site, log_in, press
from tests.browser.watching import barriers
from tests.web.classic import HMAC, KEY

pytestmark = pytest.mark.browser

PAYLOAD = f"KEY_BASE64:{KEY} HMAC_KEY_BASE64:{HMAC}"
ANNA = "cfg03ea17"
SECONDS_OF_TRUST = 61
"""After which a form asks whether its session lives before it is sent."""


def show_qr(page: Page, site: Site) -> None:
    page.goto(site.url + "/clients")
    press(page, page.get_by_role("button", name="QR Anna"))


def scan(picture: Path) -> str:
    done = subprocess.run(
        ["zbarimg", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", str(picture)],
        capture_output=True,
        text=True,
    )
    return done.stdout.removesuffix("\n")


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.name)
def test_phone_can_scan_the_code_from_any_screen(
    look: Look, site: Site, open_browser: Callable[[Look], BrowserContext], artifacts: Path
) -> None:
    page = log_in(open_browser(look).new_page(), site)
    show_qr(page, site)
    picture = artifacts / f"scan-{look.name}.png"
    page.screenshot(path=picture, full_page=True)
    assert scan(picture) == PAYLOAD


def test_keys_vanish_after_a_minute(
    open_browser: Callable[[Look], BrowserContext], site: Site
) -> None:
    page = open_browser(LOOKS[0]).new_page()
    page.clock.install()
    log_in(page, site)
    show_qr(page, site)
    expect(page.locator(".qr svg")).to_be_visible()
    page.clock.run_for(30_000)
    expect(page.locator("#hide-note")).to_contain_text("30")
    page.clock.run_for(31_000)
    expect(page.locator(".qr svg")).to_have_count(0)
    assert KEY not in page.content()
    page.get_by_role("button", name="Show again").click()
    expect(page.locator(".qr svg")).to_be_visible()


def test_a_form_somebody_fills_in_keeps_the_page_from_ending(
    open_browser: Callable[[Look], BrowserContext], site: Site
) -> None:
    page = open_browser(LOOKS[0]).new_page()
    page.clock.install()
    log_in(page, site)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(site.url + "/settings")
    page.clock.run_for(600_000)
    assert site.url + "/api/awake" not in asked
    page.locator("[name=MAX_SPA_PACKET_AGE]").fill("77")
    with page.expect_response("**/api/awake") as answer:
        page.clock.run_for(400_000)
    assert answer.value.status == 200
    page.get_by_role("button", name="Log out").click()
    expect(page.locator("body[data-awake]")).to_have_count(0)


def test_what_was_typed_outlives_the_session(
    open_browser: Callable[[Look], BrowserContext], site: Site
) -> None:
    page = open_browser(LOOKS[0]).new_page()
    page.clock.install()
    log_in(page, site)
    page.goto(f"{site.url}/clients/{ANNA}")
    page.locator("#f-note").fill("typed for an hour")
    site.hands.forward(IDLE_SECONDS)
    page.clock.fast_forward(SECONDS_OF_TRUST * 1000)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#logged-out")).to_be_focused()
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Log in again").click()
    log_in(opened.value, site)
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url(site.url + "/clients")
    expect(page.get_by_text("typed for an hour")).to_be_visible()


def test_keys_vanish_when_the_tab_is_left(page: Page, site: Site) -> None:
    show_qr(page, site)
    page.evaluate(
        "Object.defineProperty(document, 'hidden', {value: true});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    expect(page.locator(".qr svg")).to_have_count(0)
    assert KEY not in page.content()


def test_old_login_is_asked_for_the_password(page: Page, site: Site) -> None:
    site.hands.forward(FRESH_SECONDS)
    show_qr(page, site)
    expect(page.locator("#password")).to_be_focused()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator(".qr svg")).to_be_visible()
    assert KEY not in page.url


# "Copied" stays, however long a busy machine takes to look at it.
_STAYS = """
const real = setTimeout;
window.setTimeout = (call, after, ...what) => real(call, after === 2000 ? 1e9 : after, ...what);
"""


def test_values_are_copied(page: Page, site: Site) -> None:
    page.add_init_script(_STAYS)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    show_qr(page, site)
    page.fill("#server", "home.example.org")
    for place, value in enumerate(("home.example.org", "62201", "tcp/22, tcp/8443", "SHA256")):
        page.locator("dl [data-copy]").nth(place).click()
        expect(page.locator("dl [data-copy]").nth(place)).to_have_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == value


def test_copying_works_without_the_clipboard_permission_too(page: Page, site: Site) -> None:
    page.add_init_script(_STAYS)
    # Plain http on a LAN has no navigator.clipboard.
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    show_qr(page, site)
    expect(page.get_by_role("button", name="Copy").first).to_be_disabled()  # only an example yet
    page.fill("#server", "home.example.org")
    page.get_by_role("button", name="Copy").first.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()


def test_typed_server_name_shows_up_in_the_stanza(page: Page, site: Site) -> None:
    show_qr(page, site)
    page.get_by_text("Other clients").click()
    page.fill("#server", "home.example.org")
    expect(page.locator("#copy-rc")).to_contain_text("home.example.org")
    page.fill("#server", "a b<i>")
    expect(page.locator("#copy-rc")).to_contain_text("router.example.net")


def test_tabs_work_with_mouse_and_keyboard(page: Page, site: Site) -> None:
    page.goto(site.url + f"/clients/{ANNA}")
    expect(page.locator("#f-name")).to_be_visible()
    expect(page.get_by_label("May knock from")).to_be_hidden()
    page.get_by_role("tab", name="General").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Network")).to_be_focused()
    expect(page.get_by_label("May knock from")).to_be_visible()
    expect(page.locator("#f-name")).to_be_hidden()


def test_tab_with_a_fault_is_opened_and_counted(page: Page, site: Site) -> None:
    page.goto(site.url + f"/clients/{ANNA}")
    page.get_by_role("tab", name="Time").click()
    page.get_by_label("Longest time on request").fill("for ever")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("tab", name="Time 1")).to_have_attribute("aria-selected", "true")
    field = page.get_by_label("Longest time on request")
    expect(field).to_have_value("for ever")
    expect(field).to_be_focused()


def test_enter_saves_without_applying(page: Page, site: Site) -> None:
    before = site.uci.read_bytes()
    page.goto(site.url + f"/clients/{ANNA}")
    page.get_by_label("Open for").fill("77")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Unsaved Changes: 1")).to_be_visible()
    assert site.uci.read_bytes() == before
    assert site.daemon.reloads() == 0


def test_new_keys_are_one_click(page: Page, site: Site) -> None:
    page.goto(site.url + f"/clients/{ANNA}")
    page.get_by_role("tab", name="Keys").click()
    page.get_by_role("button", name="Generate keys").click()
    expect(page.get_by_text("New keys are made, but not in use yet.")).to_be_visible()
    expect(page.get_by_role("tab", name="Keys")).to_have_attribute("aria-selected", "true")
    page.get_by_role("button", name="Show QR code").click()
    expect(page.get_by_text("they don't work until you press Save & Apply")).to_be_visible()


def test_date_picker_shows_and_stores_the_date(page: Page, site: Site) -> None:
    page.goto(site.url + f"/clients/{ANNA}")
    page.get_by_role("tab", name="Time").click()
    page.get_by_label("Access ends on").fill("2099-12-31")
    page.get_by_role("button", name="Save & Apply").click()
    expect(page.get_by_text("the daemon is using it")).to_be_visible()
    assert "ACCESS_EXPIRE '12/31/2099'" in site.uci.read_text()
    page.goto(site.url + f"/clients/{ANNA}")
    expect(page.locator("#f-ACCESS_EXPIRE")).to_have_value("2099-12-31")


def test_revoking_from_the_keyboard(page: Page, site: Site) -> None:
    page.locator("#revoke-1").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("Close this door now?")
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("The door is closed.")).to_be_visible()


def test_keys_are_rotated_in_two_presses_and_scanned(
    page: Page, site: Site, artifacts: Path
) -> None:
    page.goto(site.url + "/clients")
    page.locator("details.menu summary").first.click()
    page.get_by_role("link", name="Rotate keys").first.click()
    press(page, page.get_by_role("button", name="Make new keys"))
    picture = artifacts / "scan-rotated.png"
    page.screenshot(path=picture, full_page=True)
    assert scan(picture).startswith("KEY_BASE64:")
    assert KEY not in scan(picture)
    page.get_by_role("button", name="Save & Apply").click()
    expect(page.get_by_text("Old keys until")).to_be_visible()
    assert KEY in site.uci.read_text()


def test_order_is_changed_from_the_keyboard(page: Page, site: Site) -> None:
    page.goto(site.url + "/clients")
    names = page.locator("#clients-table tbody td[data-title=Name] b")
    expect(names).to_have_text(["Anna's phone", "Laptop", "#3"])
    page.get_by_role("link", name="Edit Laptop").focus()
    page.keyboard.press("Alt+ArrowUp")
    expect(names).to_have_text(["Laptop", "Anna's phone", "#3"])
    page.get_by_role("button", name="Move down Laptop").focus()
    page.keyboard.press("Enter")
    expect(names).to_have_text(["Anna's phone", "Laptop", "#3"])
    expect(page.get_by_role("button", name="Move down Laptop")).to_be_focused()


def test_menu_of_a_row_closes_by_itself(page: Page, site: Site) -> None:
    page.goto(site.url + "/clients")
    menu = page.locator("details.menu").first
    menu.locator("summary").click()
    expect(menu.get_by_text("Clone")).to_be_visible()
    page.keyboard.press("Escape")
    expect(menu.get_by_text("Clone")).to_be_hidden()
    menu.locator("summary").click()
    page.locator("h1").click()
    expect(menu.get_by_text("Clone")).to_be_hidden()


def test_field_says_what_the_server_would_as_soon_as_it_is_left(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/clients/{ANNA}#tab-time")
    most, error = page.locator("#f-MAX_FW_TIMEOUT"), page.locator("#e-MAX_FW_TIMEOUT")
    most.fill("soon")
    expect(error).to_have_count(0)
    page.keyboard.press("Tab")
    expect(error).to_contain_text("soon")
    expect(most).to_have_attribute("aria-invalid", "true")
    expect(most).to_have_attribute("aria-describedby", "e-MAX_FW_TIMEOUT h-MAX_FW_TIMEOUT")
    # The tab says so at once, not only when the form is sent.
    expect(page.get_by_role("tab", name="Time 1")).to_be_visible()
    said = error.inner_text()
    press(page, page.get_by_role("button", name="Save", exact=True))
    assert error.inner_text() == said
    # Typing it right is enough; the server is asked again all the same.
    most.fill("120")
    expect(error).to_have_count(0)
    expect(most).not_to_have_attribute("aria-invalid", "true")
    expect(most).to_have_attribute("aria-describedby", "h-MAX_FW_TIMEOUT")
    expect(page.get_by_role("tab", name="Time", exact=True)).to_be_visible()
    # Who comes back to a field is told while he types.
    page.keyboard.press("Tab")
    most.fill("120x")
    expect(error).to_contain_text("120x")
    # Who hurries on through the next fields is told, too.
    page.get_by_role("tab", name="General").click()
    page.locator("#f-FW_ACCESS_TIMEOUT").fill("soon")
    for_each = "['note', 'name', 'enabled'].forEach((name) => document.getElementById(`f-${name}`)"
    page.evaluate(f"{for_each}.focus())")
    expect(page.locator("#e-FW_ACCESS_TIMEOUT")).to_be_visible()


def chips(page: Page, option: str) -> Locator:
    return page.locator(f".cbi-dynlist:has(#f-{option}) li span")


def test_list_is_chips_with_a_row_to_add(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/clients/{ANNA}")
    field, error = page.get_by_label("Other ports"), page.locator("#e-OPEN_PORTS")
    expect(chips(page, "OPEN_PORTS")).to_have_text(["tcp/8443"])
    field.fill("udp/53")
    page.keyboard.press("Enter")
    field.fill("tcp/99999 tcp/25")
    field.locator("..").get_by_role("button", name="Add").click()
    expect(field).to_be_focused()
    expect(chips(page, "OPEN_PORTS")).to_have_text(["tcp/8443", "udp/53", "tcp/99999", "tcp/25"])
    expect(error).to_contain_text("'tcp/99999' is no port")
    expect(page.locator(".cbi-dynlist .bad span")).to_have_text("tcp/99999")
    expect(page.get_by_role("tab", name="General 1")).to_be_visible()
    page.get_by_role("button", name="Remove tcp/99999").click()
    expect(page.get_by_role("button", name="Remove tcp/25")).to_be_focused()
    expect(error).to_have_count(0)
    page.get_by_role("tab", name="Network").click()
    expect(chips(page, "SOURCE")).to_have_text(["ANY"])
    page.get_by_label("May knock from").fill("192.0.2.7,")
    # Beside ANY it would count for nothing.
    expect(chips(page, "SOURCE")).to_have_text(["192.0.2.7"])
    # What was typed and not added is meant, too.
    page.get_by_label("May knock from").press_sequentially("198.51.100.0/24")
    assert not barriers(page)
    page.get_by_role("button", name="Save & Apply").click()
    expect(page.get_by_text("2 changes applied")).to_be_visible()
    text = site.uci.read_text()
    assert "OPEN_PORTS 'tcp/22, tcp/8443, udp/53, tcp/25'" in text
    assert "SOURCE '192.0.2.7, 198.51.100.0/24'" in text


def test_fields_come_and_go_with_the_one_they_need(page: Page, site: Site) -> None:
    page.goto(site.url + "/settings")
    port, served = page.locator("#f-TCPSERV_PORT"), page.get_by_label("Listen on a TCP port")
    expect(port).to_be_hidden()
    served.check()
    port.fill("4711")
    served.uncheck()
    # What stands there is shown, whatever it is good for.
    port.fill("")
    served.check()
    served.uncheck()
    expect(port).to_be_hidden()
    served.check()
    port.fill("70000")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_label("Listen on a TCP port").uncheck()
    expect(port).to_be_visible()
    page.goto(f"{site.url}/clients/{ANNA}#tab-commands")
    expect(page.get_by_label("Time between the two")).to_be_hidden()
    page.get_by_label("Run instead of opening").fill("/bin/true")
    expect(page.get_by_label("Time between the two")).to_be_visible()


def test_list_that_is_as_it_was_is_no_change(page: Page, site: Site) -> None:
    site.uci.write_text(site.uci.read_text().replace("'192.0.2.0/24'", "'192.0.2.0/24,10.0.0.1'"))
    page.goto(f"{site.url}/clients/cfg04ea17#tab-network")
    expect(chips(page, "SOURCE")).to_have_text(["192.0.2.0/24", "10.0.0.1"])
    page.get_by_role("button", name="Remove 10.0.0.1").click()
    page.get_by_label("May knock from").fill("10.0.0.1")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url(site.url + "/clients")
    expect(page.locator("#staged")).to_have_count(0)


def test_keys_are_not_sent_before_the_form_is(page: Page, site: Site) -> None:
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.post_data or ""))
    page.goto(f"{site.url}/clients/{ANNA}#tab-keys")
    page.locator("#f-key").fill("not yet finished")
    page.get_by_role("tab", name="General").click()
    page.locator("#f-FW_ACCESS_TIMEOUT").fill("soon")
    page.keyboard.press("Tab")
    expect(page.locator("#e-FW_ACCESS_TIMEOUT")).to_be_visible()
    assert not any("not" in each and "finished" in each for each in sent)


def test_who_fills_in_a_way_to_choose_codes_chooses_it(page: Page, site: Site) -> None:
    page.goto(site.url + "/sheet")
    everybody = page.get_by_role("radio", name="All")
    for label, way in (("Search", "found"), ("to number", "range")):
        everybody.check()
        page.get_by_label(label, exact=True).fill("1")
        expect(page.locator(f"input[value={way}]")).to_be_checked()
    everybody.check()
    page.get_by_label("State", exact=True).select_option(index=1)
    expect(page.locator("input[value=found]")).to_be_checked()
