"""What the project exists for, as its user does it: from a browser to an open door.

Real parts all the way: Chromium, the web page, the UCI file, the daemon sniffing a
router's WAN behind a ruleset printed by fw4, zbar reading the QR code off a picture
of the page, and the fwknop client in the phone's network namespace.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.lab.client import Ask
from tests.lab.configs import packaged_config
from tests.lab.events import event_is
from tests.lab.lab import Lab, LabOptions
from tests.lab.probing import Probing
from tests.timing import quickest

pytestmark = [pytest.mark.root, pytest.mark.nft, pytest.mark.client, pytest.mark.browser]

CLIENT = "Anna's phone"
SSH = 22
MOST_CLICKS = 12
Role = Literal["button", "checkbox", "link"]
OPEN_FOR = 6
"""Seconds: long enough for all that happens while the door is open."""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A router as after the package was installed: overwrite off, no usable client.

    Only doors close sooner, so that nobody waits for that here.
    """
    config = packaged_config().replace(
        "config global\n", f"config global\n\toption fw_access_timeout '{OPEN_FOR}'\n"
    )
    with Lab(tmp_path / "lab", LabOptions(config=config)) as started:
        yield started


@pytest.fixture
def page(chromium: str) -> Iterator[Page]:
    """A browser window of a desktop."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser.new_page(viewport={"width": 1280, "height": 1000})
        browser.close()


def test_from_a_browser_to_an_open_door(
    lab: Lab, page: Page, artifacts: Path, tmp_path: Path
) -> None:
    with Probing(lab.stranger, lab.router.address, SSH) as stranger:
        walk(lab, page, artifacts, tmp_path)
    assert len(stranger.attempts) > 10
    assert not stranger.connected, "the stranger got in"


def walk(lab: Lab, page: Page, artifacts: Path, tmp_path: Path) -> None:
    router = lab.router.address
    shut_to_everybody(lab)
    started = time.monotonic()
    hand = Hand(page)
    log_in(hand, lab)
    add_client(hand)
    keys = phone_keys(read_qr_code(hand, artifacts / "full-path-qr.png"))
    switch_on(hand)
    expect(page.locator("#checklist")).to_contain_text("Knock, and see it accepted below")
    print(f"{hand.clicks} clicks, {time.monotonic() - started:.0f} s by a quick hand")
    assert hand.clicks <= MOST_CLICKS
    shut_to_everybody(lab)

    packet = tmp_path / "packet"
    mark = lab.events.mark()

    def knock() -> float:
        """Seconds from the knock until the door is open."""
        mark = lab.events.mark()
        lab.knock(Ask("tcp/22"), keys=keys, save_packet=packet)
        knocked = time.monotonic()
        lab.events.wait_for(event_is("grant", client=CLIENT), since=mark)
        return time.monotonic() - knocked

    assert quickest(1, knock) < 1
    granted = [e for e in lab.events.since(mark) if event_is("grant", client=CLIENT)(e)][-1]
    # A SYN that comes too early is only sent again after a whole second.
    with lab.phone.open_session(router, SSH, timeout=1) as session:
        assert not lab.phone.connect(router, 8080, timeout=0.5), "a port nobody asked for"
        # Nothing was clicked or reloaded since.
        expect(page.locator("#first-knock")).to_contain_text(f"{CLIENT} knocked")
        expect(page.locator("#checklist")).to_have_count(0)
        expect(page.locator("#live-knocks")).to_contain_text("The knock was right")
        page.screenshot(path=str(artifacts / "full-path-open-door.png"))

        expired = lab.events.wait_for(event_is("expire", client=CLIENT), since=mark)
        assert OPEN_FOR - 1 < expired["time"] - granted["time"] < OPEN_FOR + 2
        shut_to_everybody(lab)
        assert session.echo("still here") == "still here", "the open session must go on"
        cut_off(page, lab)
        with pytest.raises(OSError):
            session.echo("still here?")

    replay(lab, packet)
    expect_on_overview(page, lab, "replay|used before")
    page.screenshot(path=str(artifacts / "full-path-replay.png"), full_page=True)
    shut_to_everybody(lab)


def cut_off(page: Page, lab: Lab) -> None:
    """As the owner of a lost phone does."""
    page.goto(f"{lab.page.url}/clients")
    page.locator("summary").filter(has_text=CLIENT).click()
    page.get_by_role("link", name="Revoke").click()
    expect(page.get_by_role("dialog")).to_contain_text("Cut the connections that live on?")
    page.get_by_role("button", name="Cut").click()
    expect(page.get_by_text("1 connection was cut.")).to_be_visible()


def shut_to_everybody(lab: Lab) -> None:
    hosts = (lab.phone, lab.stranger)
    with ThreadPoolExecutor(len(hosts)) as pool:
        attempts = list(pool.map(lambda h: h.connect(lab.router.address, SSH, 0.5), hosts))
    assert [bool(attempt) for attempt in attempts] == [False, False], attempts


class Hand:
    """A user's hand, which counts its clicks. Typing into the field that has the focus is none."""

    def __init__(self, page: Page) -> None:
        self.page, self.clicks = page, 0

    def click(self, role: Role, name: str | re.Pattern[str]) -> None:
        """Press a button, follow a link, tick a box."""
        self.clicks += 1
        self.page.get_by_role(role, name=name, exact=isinstance(name, str)).click()

    def type(self, label: str, text: str) -> None:
        """Fill in a field, after a click on it if it needs one."""
        field = self.page.get_by_label(label).first
        if not field.evaluate("field => field === document.activeElement"):
            self.clicks += 1
            field.click()
        self.page.keyboard.type(text)


def log_in(hand: Hand, lab: Lab) -> None:
    hand.page.goto(lab.page.url)
    hand.type("Password", lab.page.password)
    hand.click("button", "Log in")
    expect(hand.page.get_by_role("heading", name="First steps")).to_be_visible()


def add_client(hand: Hand) -> None:
    hand.click("link", "Add a client and scan its QR code")
    hand.type("Name", CLIENT)
    hand.click("checkbox", re.compile("SSH"))
    hand.click("button", "Save")
    expect(hand.page.get_by_text(re.compile("Unsaved Changes: "))).to_be_visible()


def switch_on(hand: Hand) -> None:
    hand.click("link", "Overview")
    hand.click("checkbox", "Enable config overwrite")
    # What is refreshed meanwhile leaves it ticked.
    with hand.page.expect_response(re.compile("/api/overview")):
        hand.page.evaluate("document.getElementById('live-status').dataset.version = 'old'")
    expect(hand.page.get_by_label("Enable config overwrite")).to_be_checked()
    hand.click("button", "Save & Apply")
    expect(hand.page.get_by_text(re.compile("daemon is using")).first).to_be_visible()
    expect(hand.page.get_by_text(re.compile("Unsaved Changes: "))).to_have_count(0)


def read_qr_code(hand: Hand, picture: Path) -> str:
    """What a phone's camera gets from the page: the text zbar finds in its picture."""
    hand.click("button", f"QR {CLIENT}")
    expect(hand.page.get_by_role("img", name=re.compile("QR code"))).to_be_visible()
    hand.page.screenshot(path=str(picture), full_page=True)
    done = subprocess.run(
        ["zbarimg", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", str(picture)],
        capture_output=True,
        text=True,
        check=True,
    )
    hand.click("link", "Done")
    return done.stdout.removesuffix("\n")


def phone_keys(text: str) -> dict[str, str]:
    """The fields the Android app fills in: split at blanks, each piece at every colon."""
    fields = {}
    for piece in text.split(" "):
        name, value = piece.split(":")
        fields[name.upper()] = value
    assert set(fields) == {"KEY_BASE64", "HMAC_KEY_BASE64"}
    for value in fields.values():
        assert len(value) % 4 == 0
        assert re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", value), "the app would not save it"
    return fields


def replay(lab: Lab, packet: Path) -> None:
    mark = lab.events.mark()
    lab.phone.send_datagram(packet.read_bytes().strip(), lab.router.address, 62201)
    lab.events.wait_for(event_is("verdict", verdict="refuse", reason="replay"), since=mark)


def expect_on_overview(page: Page, lab: Lab, words: str) -> None:
    page.goto(lab.page.url)
    knocks = page.locator("#live-knocks")
    expect(knocks.get_by_text(re.compile(words, re.IGNORECASE)).first).to_be_visible()
    expect(knocks.get_by_text(CLIENT).first).to_be_visible()
