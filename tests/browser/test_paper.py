"""QR codes on paper: a page for each client, with its code on it that a camera reads."""

from __future__ import annotations

import re
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, PdfMargins

from fwknopd.config.old_key_sections import MAX_NAME
from tests.browser.conftest import DESKTOP, PHONE, Look, Site, log_in, press

pytestmark = pytest.mark.browser

LONG = "Mr. Featherstonehaugh-Cholmondeley's second telephone of four"
NAMES = ("Anna", LONG, "W" * MAX_NAME, "Zoë & <b>Bo</b>")
KINDS = ("key", "hmac")
MARGIN: PdfMargins = {"top": "10mm", "right": "10mm", "bottom": "10mm", "left": "10mm"}
PAPER = {"A4": (595, 842), "Letter": (612, 792)}
# What somebody looks with must not change what is printed.
LOOKS = {"A4": Look("paper", DESKTOP), "Letter": Look("paper-dark", PHONE, "dark", scripts=False)}


def text_of(kind: str, number: int) -> str:
    return b64encode(f"{kind} of {number}".encode() * 3).decode()


def client(number: int, name: str, *more: str) -> str:
    options = (
        f"name '{name}'",
        "SOURCE 'ANY'",
        "OPEN_PORTS 'tcp/22, tcp/443, udp/51820'",
        "REQUIRE_USERNAME 'somebody'",
        f"KEY_BASE64 '{text_of('key', number)}'",
        f"HMAC_KEY_BASE64 '{text_of('hmac', number)}'",
        "HMAC_DIGEST_TYPE 'sha512'",
        *more,
    )
    return f"\nconfig access 'c{number}'\n" + "".join(f"\toption {line}\n" for line in options)


def payload(number: int) -> str:
    return f"KEY_BASE64:{text_of('key', number)} HMAC_KEY_BASE64:{text_of('hmac', number)}"


def configuration() -> str:
    """Clients with codes, and between and behind them some without."""
    quoted = [name.replace("'", "'\\''") for name in NAMES]
    gpg = "\nconfig access '{}'\n\toption name 'gpg {}'\n\toption GPG_DECRYPT_ID 'ABCD1234'\n"
    return (
        client(0, quoted[0])
        + gpg.format("g1", 1)
        + client(1, quoted[1])
        + client(7, "off", "enabled '0'")
        + client(2, quoted[2])
        + client(3, quoted[3])
        + gpg.format("g2", 2)
    )


def show(page: Page, site: Site, ticked: list[str]) -> None:
    """Tick these, or none and choose all."""
    page.goto(site.url + "/clients")
    for section in ticked:
        page.locator(f"input[name=client][value={section}]").check()
    press(page, page.get_by_role("button", name="QR codes to print"))
    press(page, page.get_by_role("button", name="Show QR codes"))
    page.get_by_role("link", name="Choose others").wait_for()


def codes_on(pdf: Path) -> Iterator[list[str]]:
    """What zbar reads on each page."""
    pictures = pdf.with_suffix("")
    for old in pdf.parent.glob(f"{pictures.name}-*.pgm"):
        old.unlink()
    subprocess.run(["pdftoppm", "-r", "72", "-gray", pdf, pictures], check=True)
    for picture in sorted(pdf.parent.glob(f"{pictures.name}-*.pgm")):
        done = subprocess.run(
            ["zbarimg", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", picture],
            capture_output=True,
            text=True,
        )
        yield done.stdout.splitlines()


def size_of(pdf: Path) -> tuple[int, int]:
    found = re.search(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf.read_bytes())
    assert found
    return round(float(found[1])), round(float(found[2]))


@pytest.mark.parametrize("paper", PAPER)
def test_each_client_has_a_page_of_paper(
    paper: str,
    site: Site,
    open_browser: Callable[[Look], BrowserContext],
    artifacts: Path,
) -> None:
    site.uci.write_text(configuration())
    page = log_in(open_browser(LOOKS[paper]).new_page(), site)
    everybody = [[payload(number)] for number in range(len(NAMES))]
    sheets: dict[str, tuple[list[str], list[list[str]]]] = {
        "all": ([], everybody),
        "one": (["c1"], [everybody[1]]),
        # A browser prints at least one page: it says that there is nothing on it.
        "none": (["g1", "c7"], [[]]),
    }
    for name, (ticked, expected) in sheets.items():
        show(page, site, ticked)
        pdf = artifacts / f"{LOOKS[paper].name}-{name}.pdf"
        page.pdf(path=pdf, format=paper, margin=MARGIN)
        assert all(abs(a - b) <= 2 for a, b in zip(size_of(pdf), PAPER[paper], strict=True))
        assert list(codes_on(pdf)) == expected, pdf
