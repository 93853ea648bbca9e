"""The page Advanced and downloads in a browser with scripts."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site

pytestmark = pytest.mark.browser


def test_search_filters_while_typing_and_loses_nothing(page: Page, site: Site) -> None:
    page.goto(site.url + "/advanced")
    page.get_by_label("SYSLOG_IDENTITY").fill("me")
    page.fill("#q", "promisc")
    expect(page.get_by_label("ENABLE_PCAP_PROMISC")).to_be_visible()
    expect(page.get_by_label("SYSLOG_IDENTITY")).to_be_hidden()
    page.keyboard.press("Enter")
    page.fill("#q", "netfilter queue")
    expect(page.get_by_label("NFQ_INTERFACE")).to_be_visible()
    page.fill("#q", "qqqq")
    expect(page.get_by_text("Nothing here fits your search.")).to_be_visible()
    page.fill("#q", "")
    expect(page.get_by_label("NFQ_INTERFACE")).to_be_hidden()
    expect(page.get_by_label("SYSLOG_IDENTITY")).to_have_value("me")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Unsaved Changes: 1")).to_be_visible()


def test_download_leaves_its_button_ready(page: Page, site: Site) -> None:
    page.goto(site.url + "/backup")
    button = page.get_by_role("button", name="Download without encryption")
    with page.expect_download() as download:
        button.click()
    assert download.value.suggested_filename.endswith(".tar.gz")
    assert "busy" not in (button.get_attribute("class") or "")
